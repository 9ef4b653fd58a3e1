// Package mysql makes an environment's own database and user on a MySQL or
// MariaDB server. What is whose is written in the table landfall.stores of the
// server. Start at Provisioner.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/landfall-dev/landfall/internal/environment/store"
)

const (
	defaultPort = "3306"
	// maxName fits a user name of MySQL; a database name may be 64 long.
	maxName = 32
	// lockSeconds is how long one Ensure or Remove waits for another of the
	// same store.
	lockSeconds = 20
	dialTimeout = 5 * time.Second
	callTimeout = 60 * time.Second
)

// grants are what an application with schema migrations needs on its own
// database, and nothing beyond it.
const grants = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW, " +
	"TRIGGER, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, EVENT, LOCK TABLES, CREATE TEMPORARY TABLES"

// Provisioner is a store.Provisioner.
type Provisioner struct {
	db         *sql.DB
	host, port string
}

var _ store.Provisioner = (*Provisioner)(nil)

// Open prepares for the server at mysql://USER:PASSWORD@HOST:PORT; the query
// tls=true|skip-verify|preferred encrypts. It does not connect yet.
func Open(server *url.URL) (*Provisioner, error) {
	config := driver.NewConfig()
	config.Net = "tcp"
	config.User = server.User.Username()
	config.Passwd, _ = server.User.Password()
	port := server.Port()
	if port == "" {
		port = defaultPort
	}
	config.Addr = net.JoinHostPort(server.Hostname(), port)
	config.TLSConfig = server.Query().Get("tls")
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, callTimeout, callTimeout
	// A fixed mode makes quoting in statements mean the same on every server.
	config.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES'"}
	config.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("reading the MySQL server's address: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(8)
	db.SetConnMaxIdleTime(time.Minute)
	return &Provisioner{db: db, host: server.Hostname(), port: port}, nil
}

// Close is part of store.Provisioner.
func (p *Provisioner) Close() error { return p.db.Close() }

// Ensure is part of store.Provisioner.
func (p *Provisioner) Ensure(ctx context.Context, req store.Request) (store.Settings, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	password, err := req.Password(store.KeyPassword)
	if err != nil {
		return nil, err
	}
	name := req.Name('_', maxName)
	err = p.locked(ctx, name, func(conn *sql.Conn) error {
		if err := claim(ctx, conn, name, req.Owner()); err != nil {
			return err
		}
		return create(ctx, conn, name, password)
	})
	if err != nil {
		return nil, store.Failed("making database "+name, err)
	}
	return p.settings(name, password), nil
}

// Remove is part of store.Provisioner.
func (p *Provisioner) Remove(ctx context.Context, req store.Request) error {
	if err := req.Check(); err != nil {
		return err
	}
	name := req.Name('_', maxName)
	err := p.locked(ctx, name, func(conn *sql.Conn) error {
		owner, err := ownerOf(ctx, conn, name)
		if err != nil || owner != req.Owner() {
			return err
		}
		return execute(ctx, conn,
			"DROP USER IF EXISTS "+user(name),
			"DROP DATABASE IF EXISTS "+identifier(name),
			"DELETE FROM landfall.stores WHERE name = "+literal(name), // last: until then it is ours
		)
	})
	return store.Failed("removing database "+name, err)
}

func (p *Provisioner) settings(name, password string) store.Settings {
	address := url.URL{Scheme: "mysql", User: url.UserPassword(name, password), Host: net.JoinHostPort(p.host, p.port), Path: "/" + name}
	return store.Settings{
		store.KeyURL: address.String(), store.KeyHost: p.host, store.KeyPort: p.port,
		store.KeyUsername: name, store.KeyPassword: password, store.KeyDatabase: name,
	}
}

// locked runs do on one connection while no other Ensure or Remove of the
// same name runs anywhere.
func (p *Provisioner) locked(ctx context.Context, name string, do func(*sql.Conn) error) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	lock := "landfall:" + name
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", lock, lockSeconds).Scan(&got); err != nil {
		return err
	}
	if got.Int64 != 1 {
		return errors.New("another process is working on it")
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(?)", lock)
	return do(conn)
}

// claim writes down that name is the owner's before anything of that name is
// made, so that a half-made store is known as ours.
func claim(ctx context.Context, conn *sql.Conn, name, owner string) error {
	current, err := ownerOf(ctx, conn, name)
	switch {
	case err != nil:
		return err
	case current == owner:
		return nil
	case current != "":
		return store.NotOwned("database", name)
	}
	var there int
	err = conn.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?)
		+ (SELECT COUNT(*) FROM mysql.user WHERE user = ?)`, name, name).Scan(&there)
	if err != nil {
		return err
	}
	if there > 0 {
		return store.NotOwned("database or user", name)
	}
	_, err = conn.ExecContext(ctx, "INSERT INTO landfall.stores (name, owner) VALUES (?, ?)", name, owner)
	return err
}

// ownerOf gives "" for a name that nobody has claimed.
func ownerOf(ctx context.Context, conn *sql.Conn, name string) (string, error) {
	var owner string
	query := func() error {
		return conn.QueryRowContext(ctx, "SELECT owner FROM landfall.stores WHERE name = ?", name).Scan(&owner)
	}
	err := query()
	if isAbsent(err) {
		err = execute(ctx, conn,
			"CREATE DATABASE IF NOT EXISTS landfall",
			`CREATE TABLE IF NOT EXISTS landfall.stores (
				name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
				owner VARCHAR(700) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
				created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`)
		if err == nil {
			err = query()
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return owner, err
}

// isAbsent says that the table of owners does not exist: no such table,
// unknown database.
func isAbsent(err error) bool {
	var reply *driver.MySQLError
	return errors.As(err, &reply) && (reply.Number == 1146 || reply.Number == 1049)
}

func create(ctx context.Context, conn *sql.Conn, name, password string) error {
	return execute(ctx, conn,
		"CREATE DATABASE IF NOT EXISTS "+identifier(name)+" CHARACTER SET utf8mb4",
		"CREATE USER IF NOT EXISTS "+user(name)+" IDENTIFIED BY "+literal(password),
		"ALTER USER "+user(name)+" IDENTIFIED BY "+literal(password),
		"GRANT "+grants+" ON "+pattern(name)+".* TO "+user(name),
	)
}

// execute runs statements one after the other. Errors of the server quote
// parts of a statement only for syntax errors, which fixed statements have not.
func execute(ctx context.Context, conn *sql.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func user(name string) string { return literal(name) + "@'%'" }

func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// pattern is a database name in GRANT, where _ and % stand for any character.
func pattern(name string) string {
	return identifier(strings.NewReplacer("_", `\_`, "%", `\%`).Replace(name))
}

func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
}
