package main

import (
	"database/sql"
	"fmt"
	"net/http"
)

// customer finds or makes the customer that an order names by its parameters
// name, email and phone, and remembers in the cache what greets the next time.
// Orders without a name stay possible.
func (s *shop) customer(r *http.Request) (sql.NullInt64, error) {
	name, email, phone := r.FormValue("name"), r.FormValue("email"), r.FormValue("phone")
	if email == "" {
		return sql.NullInt64{}, nil
	}
	// Whether new or known, the customer's id is the last one inserted.
	const upsert = `INSERT INTO customers (name, email, phone) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), name = VALUES(name), phone = VALUES(phone)`
	result, err := s.db.ExecContext(r.Context(), upsert, name, email, phone)
	if err != nil {
		return sql.NullInt64{}, fmt.Errorf("noting the customer: %w", err)
	}
	id, err := result.LastInsertId()
	if err != nil {
		return sql.NullInt64{}, fmt.Errorf("noting the customer: %w", err)
	}
	key := s.cache.Key(fmt.Sprintf("customer:%d", id))
	if err := s.cache.HSet(r.Context(), key, "name", name, "email", email).Err(); err != nil {
		return sql.NullInt64{}, fmt.Errorf("remembering the customer: %w", err)
	}
	return sql.NullInt64{Int64: id, Valid: true}, nil
}

// customers lists who has ordered, as the database and as the cache know them.
func (s *shop) customers(w http.ResponseWriter, r *http.Request) error {
	const query = `SELECT c.id, c.name, c.email, c.phone, COUNT(o.id) FROM customers c JOIN orders o ON o.customer = c.id
		GROUP BY c.id ORDER BY c.id LIMIT 20`
	rows, err := s.db.QueryContext(r.Context(), query)
	if err != nil {
		return fmt.Errorf("reading customers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, orders int64
		var name, email, phone string
		if err := rows.Scan(&id, &name, &email, &phone, &orders); err != nil {
			return fmt.Errorf("reading customers: %w", err)
		}
		cached, err := s.cache.HGet(r.Context(), s.cache.Key(fmt.Sprintf("customer:%d", id)), "email").Result()
		if err != nil {
			cached = "nothing"
		}
		if _, err := fmt.Fprintf(w, "%s <%s> %s: %d orders; the cache says %s\n", name, email, phone, orders, cached); err != nil {
			return err
		}
	}
	return rows.Err()
}
