// Command schema brings the shop's database to the shape that this version
// needs. It runs once for each release, before the others start; running it
// again changes nothing.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/landfall-dev/landfall/examples/shop/stores"
)

// version is set by the linker.
var version = "0"

var steps = []string{
	`CREATE TABLE IF NOT EXISTS orders (
		id BIGINT AUTO_INCREMENT PRIMARY KEY,
		item VARCHAR(100) NOT NULL,
		state VARCHAR(20) NOT NULL DEFAULT 'new',
		created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
	`CREATE TABLE IF NOT EXISTS customers (
		id BIGINT AUTO_INCREMENT PRIMARY KEY,
		name VARCHAR(100) NOT NULL,
		email VARCHAR(200) NOT NULL UNIQUE,
		phone VARCHAR(40) NOT NULL DEFAULT '')`,
	`ALTER TABLE orders ADD COLUMN IF NOT EXISTS customer BIGINT NULL REFERENCES customers (id)`,
	`CREATE TABLE IF NOT EXISTS stock (
		item VARCHAR(100) PRIMARY KEY,
		price INT NOT NULL)`,
	`INSERT IGNORE INTO stock (item, price) VALUES ('lamp', 30), ('map', 12), ('rope', 9)`,
}

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := stores.Database(os.Getenv)
	if err == nil {
		err = migrate(ctx, db)
	}
	if err != nil {
		log.Fatalf("schema %s: %v", version, err)
	}
	log.Printf("schema %s: %d steps done", version, len(steps))
}

func migrate(ctx context.Context, db *sql.DB) error {
	if err := awaken(ctx, db); err != nil {
		return err
	}
	for i, step := range steps {
		if _, err := db.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// awaken waits for the database to answer.
func awaken(ctx context.Context, db *sql.DB) error {
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the database: %w", err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}
