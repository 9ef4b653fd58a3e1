package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{
		Engine: New(), Store: &rows{servers: lazyServers(t)}, Records: 20_000, ChunkBytes: 64 << 10, Secret: storetest.Secret,
	})
}

// lazyServers starts two servers at the first call.
func lazyServers(t *testing.T) func() (from, to *storetest.Server) {
	return sync.OnceValues(func() (*storetest.Server, *storetest.Server) {
		return storetest.MariaDB(t), storetest.MariaDB(t)
	})
}

// rows is a storetest.Store whose records are rows of one table.
type rows struct {
	servers func() (from, to *storetest.Server)
}

// pairs numbers databases, as tests share servers.
var pairs atomic.Int64

func (r *rows) Pair(t *testing.T) (from, to string) {
	source, target := r.servers()
	database := fmt.Sprintf("pair%d", pairs.Add(1))
	return newDatabase(t, source.URL, database), newDatabase(t, target.URL, database)
}

// newDatabase makes an empty database and gives its address.
func newDatabase(t *testing.T, server, database string) string {
	t.Helper()
	root := open1(t, server+"/mysql")
	run(t, root, "CREATE DATABASE "+name(database)+" CHARACTER SET utf8mb4")
	return server + "/" + database
}

// open1 connects to an address.
func open1(t *testing.T, text string) *wire.Conn {
	t.Helper()
	address, err := datacopy.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return connectTo(t, address)
}

func connectTo(t *testing.T, address datacopy.Address) *wire.Conn {
	t.Helper()
	conn, err := wire.Dial(t.Context(), wire.Options{
		Addr: address.Host(), User: address.User(), Password: address.Password(), Database: address.Name(), Timeout: dialTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	run(t, conn, "SET NAMES utf8mb4", session)
	return conn
}

func run(t *testing.T, conn *wire.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatalf("%.200s: %v", statement, err)
		}
	}
}

func (r *rows) Fill(t *testing.T, address datacopy.Address, count int) {
	conn := connectTo(t, address)
	run(t, conn, `CREATE TABLE people (id INT NOT NULL, part SMALLINT NOT NULL, name VARCHAR(60) NOT NULL, note TEXT,
		PRIMARY KEY (id, part), KEY name (name)) DEFAULT CHARSET=utf8mb4`,
		"INSERT INTO people SELECT seq*3, seq MOD 5, CONCAT('person ', seq, ' é'), REPEAT('n', seq MOD 90) FROM "+sequence(count))
}

// sequence is a table of the numbers seq from 1 to count, on every server.
func sequence(count int) string {
	const digits = "(SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 " +
		"UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	value, tables := "1", []string(nil)
	for power := 1; power < count; power *= 10 {
		value += fmt.Sprintf(" + %d * d%d.i", power, power)
		tables = append(tables, fmt.Sprintf("%s AS d%d", digits, power))
	}
	return fmt.Sprintf("(SELECT %s AS seq FROM %s HAVING seq <= %d) AS numbers", value, strings.Join(append(tables, "(SELECT 1) AS one"), ", "), count)
}

func (r *rows) Count(t *testing.T, address datacopy.Address) int {
	conn := connectTo(t, address)
	found, err := conn.All(t.Context(), "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'people'")
	if err != nil {
		t.Fatal(err)
	}
	if found[0][0].Value == "0" {
		return 0
	}
	if found, err = conn.All(t.Context(), "SELECT COUNT(*) FROM people"); err != nil {
		t.Fatal(err)
	}
	count, _ := strconv.Atoi(found[0][0].Value)
	return count
}

func key(number int) string { return fmt.Sprintf("%d,%d", number*3, number%5) }

func (r *rows) Change(t *testing.T, address datacopy.Address, number int) string {
	run(t, connectTo(t, address), fmt.Sprintf("UPDATE people SET name = CONCAT(name, '!') WHERE id = %d", number*3))
	return key(number)
}

func (r *rows) Remove(t *testing.T, address datacopy.Address, number int) string {
	run(t, connectTo(t, address), fmt.Sprintf("DELETE FROM people WHERE id = %d", number*3))
	return key(number)
}

func (r *rows) Add(t *testing.T, address datacopy.Address, number int) string {
	run(t, connectTo(t, address), fmt.Sprintf("INSERT INTO people VALUES (%d, %d, 'added', NULL)", number*3, number%5))
	return key(number)
}
