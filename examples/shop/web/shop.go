package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/examples/shop/stores"
)

// patience is how long a customer waits for an answer.
const patience = time.Second

type shop struct {
	db       *sql.DB
	cache    stores.Cache
	instance string
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "shop web %s\n", version) })
	mux.HandleFunc("GET /{$}", s.handle(s.page))
	mux.HandleFunc("GET /orders", s.handle(s.list))
	mux.HandleFunc("POST /orders/{item}", s.handle(s.order))
	mux.HandleFunc("GET /customers", s.handle(s.customers))
	return mux
}

// handle bounds a request's time, logs it and turns errors into answers.
func (s *shop) handle(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		began := time.Now()
		outcome := "ok"
		if err := serve(w, r.WithContext(ctx)); err != nil {
			outcome = err.Error()
			http.Error(w, "sorry: "+outcome, http.StatusInternalServerError)
		}
		log.Printf("%s %s: %s (%s)", r.Method, r.URL.Path, outcome, time.Since(began).Round(time.Millisecond))
	}
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<title>The shop</title>
<h1>The shop, version {{.Version}}</h1>
<p>You are visitor {{.Visitor}}, served by {{.Instance}}.</p>
{{if .Discount}}<p><b>New in version 2: a tenth off everything.</b></p>{{end}}
<ul>{{range .Offers}}<li>{{.Item}}: {{.Price}}</li>{{end}}</ul>
`))

type offer struct {
	Item  string
	Price int
}

func (s *shop) page(w http.ResponseWriter, r *http.Request) error {
	visitor, err := s.cache.Incr(r.Context(), s.cache.Key("visitors")).Result()
	if err != nil {
		return fmt.Errorf("counting visitors: %w", err)
	}
	rows, err := s.db.QueryContext(r.Context(), "SELECT item, price FROM stock ORDER BY item")
	if err != nil {
		return fmt.Errorf("reading the stock: %w", err)
	}
	defer rows.Close()
	var offers []offer
	for rows.Next() {
		var o offer
		if err := rows.Scan(&o.Item, &o.Price); err != nil {
			return fmt.Errorf("reading the stock: %w", err)
		}
		o.Price = discounted(o.Price)
		offers = append(offers, o)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the stock: %w", err)
	}
	return page.Execute(w, map[string]any{
		"Version": version, "Visitor": visitor, "Instance": s.instance, "Discount": version != "1", "Offers": offers,
	})
}

// discounted is the price a customer pays: since version 2, a tenth less.
func discounted(price int) int {
	if version == "1" {
		return price
	}
	return price * 9 / 10
}

// order takes an order and leaves it for the worker.
func (s *shop) order(w http.ResponseWriter, r *http.Request) error {
	item := r.PathValue("item")
	price, err := s.priceOf(r.Context(), item)
	if err != nil {
		return fmt.Errorf("looking up %s: %w", item, err)
	}
	buyer, err := s.customer(r)
	if err != nil {
		return err
	}
	result, err := s.db.ExecContext(r.Context(), "INSERT INTO orders (item, customer) VALUES (?, ?)", item, buyer)
	if err != nil {
		return fmt.Errorf("taking the order: %w", err)
	}
	id, err := result.LastInsertId()
	if err != nil {
		return fmt.Errorf("taking the order: %w", err)
	}
	if err := s.cache.LPush(r.Context(), s.cache.Key("orders"), id).Err(); err != nil {
		return fmt.Errorf("handing over the order: %w", err)
	}
	w.WriteHeader(http.StatusCreated)
	_, err = fmt.Fprintf(w, "order %d: %s for %d (web %s)\n", id, item, discounted(price), version)
	return err
}

// priceOf looks an item up. Version 3 holds the mistake: it takes a connection
// out of the pool and never gives it back. The health check needs none and
// stays green; the first orders work; then nothing does.
func (s *shop) priceOf(ctx context.Context, item string) (int, error) {
	const query = "SELECT price FROM stock WHERE item = ?"
	var price int
	if version != "3" {
		err := s.db.QueryRowContext(ctx, query, item).Scan(&price)
		return price, err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return 0, fmt.Errorf("all connections are in use: %w", err)
	}
	err = conn.QueryRowContext(ctx, query, item).Scan(&price)
	return price, err
}

type order struct {
	ID      int64     `json:"id"`
	Item    string    `json:"item"`
	State   string    `json:"state"`
	Created time.Time `json:"created"`
}

// list gives the newest orders.
func (s *shop) list(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.db.QueryContext(r.Context(), "SELECT id, item, state, created FROM orders ORDER BY id DESC LIMIT 20")
	if err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	defer rows.Close()
	orders := []order{}
	for rows.Next() {
		var o order
		if err := rows.Scan(&o.ID, &o.Item, &o.State, &o.Created); err != nil {
			return fmt.Errorf("reading orders: %w", err)
		}
		orders = append(orders, o)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(orders)
}
