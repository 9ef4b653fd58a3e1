package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/store/server"
	"github.com/landfall-dev/landfall/internal/environment/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{ServerURL: storetest.MariaDB(t), Client: client{}, Secret: store.KeyPassword})
}

type client struct{}

func open(user, password, host, port, database string) *sql.DB {
	config := driver.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(host, port)
	config.User, config.Passwd, config.DBName = user, password, database
	config.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(config)
	if err != nil {
		panic(err)
	}
	return sql.OpenDB(connector)
}

func with(s store.Settings) *sql.DB {
	return open(s[store.KeyUsername], s[store.KeyPassword], s[store.KeyHost], s[store.KeyPort], s[store.KeyDatabase])
}

func (client) Write(ctx context.Context, own store.Settings, key, value string) error {
	db := with(own)
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS kv (k VARCHAR(50) PRIMARY KEY, v VARCHAR(50))"); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "REPLACE INTO kv VALUES (?, ?)", key, value)
	return err
}

func (client) Read(ctx context.Context, own store.Settings, key string) (string, error) {
	db := with(own)
	defer db.Close()
	return read(ctx, db, "kv", key)
}

func read(ctx context.Context, db *sql.DB, table, key string) (string, error) {
	var value string
	err := db.QueryRowContext(ctx, "SELECT v FROM "+table+" WHERE k = ?", key).Scan(&value)
	var reply *driver.MySQLError
	if errors.Is(err, sql.ErrNoRows) || errors.As(err, &reply) && reply.Number == 1146 {
		return "", nil
	}
	return value, err
}

func (client) Trespass(ctx context.Context, own, others store.Settings, key string) (string, error) {
	db := with(own)
	defer db.Close()
	return read(ctx, db, "`"+others[store.KeyDatabase]+"`.kv", key)
}

func admin(serverURL string) *sql.DB {
	address, err := store.ParseServer(serverURL)
	if err != nil {
		panic(err)
	}
	password, _ := address.User.Password()
	return open(address.User.Username(), password, address.Hostname(), address.Port(), "")
}

func (client) Plant(ctx context.Context, serverURL string, req store.Request) error {
	db := admin(serverURL)
	defer db.Close()
	_, err := db.ExecContext(ctx, "CREATE DATABASE "+req.Name('_', 32))
	return err
}

func (client) Planted(ctx context.Context, serverURL string, req store.Request) (bool, error) {
	db := admin(serverURL)
	defer db.Close()
	var n int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", req.Name('_', 32)).Scan(&n)
	return n == 1, err
}

// TestUserCannotLeaveItsDatabase tries what a curious application might.
func TestUserCannotLeaveItsDatabase(t *testing.T) {
	ctx := t.Context()
	serverURL := storetest.MariaDB(t)
	settings := ensure(t, serverURL, store.Request{Project: "p", Environment: "a_b", UID: "1", Store: "db"})
	db := with(settings)
	defer db.Close()
	for _, statement := range []string{
		"CREATE DATABASE other", "SELECT * FROM mysql.user", "SELECT * FROM landfall.stores", "CREATE USER x",
		"GRANT ALL ON *.* TO CURRENT_USER", "SET GLOBAL max_connections = 1", "SHUTDOWN", "SELECT LOAD_FILE('/etc/passwd') IS NOT NULL INTO OUTFILE '/tmp/x'",
		// An underscore in a GRANT stands for any character unless escaped.
		"CREATE DATABASE `" + "aXb" + settings[store.KeyDatabase][3:] + "`",
	} {
		if _, err := db.ExecContext(ctx, statement); err == nil {
			t.Errorf("allowed: %s", statement)
		}
	}
}
func ensure(t *testing.T, serverURL string, req store.Request) store.Settings {
	t.Helper()
	p, err := server.Open(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	settings, err := p.Ensure(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}
