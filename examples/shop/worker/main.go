// Command worker packs the shop's orders: it takes them from the cache's
// queue, writes a receipt into the bucket and marks the order as sent.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/landfall-dev/landfall/examples/shop/stores"
	"github.com/redis/go-redis/v9"
)

// version is set by the linker.
var version = "0"

type worker struct {
	db     *sql.DB
	cache  stores.Cache
	bucket stores.Bucket
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := stores.Database(os.Getenv)
	if err != nil {
		log.Fatalf("worker %s: %v", version, err)
	}
	cache, err := stores.OpenCache(os.Getenv)
	if err != nil {
		log.Fatalf("worker %s: %v", version, err)
	}
	w := worker{db: db, cache: cache, bucket: stores.OpenBucket(os.Getenv)}
	log.Printf("worker %s: waiting for orders", version)
	w.run(ctx)
	log.Printf("worker %s: stopped", version)
}

func (w worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		taken, err := w.cache.BRPop(ctx, 2*time.Second, w.cache.Key("orders")).Result()
		switch {
		case errors.Is(err, redis.Nil), ctx.Err() != nil:
			continue
		case err != nil:
			log.Printf("worker %s: waiting for orders: %v", version, err)
			pause(ctx)
			continue
		}
		if err := w.send(ctx, taken[1]); err != nil {
			log.Printf("order %s: %v; it goes back into the queue", taken[1], err)
			w.cache.LPush(context.WithoutCancel(ctx), taken[0], taken[1])
			pause(ctx)
		}
	}
}

// send is safe to repeat.
func (w worker) send(ctx context.Context, id string) error {
	var item, email string
	const query = "SELECT item, COALESCE(email, '') FROM orders LEFT JOIN customers ON customers.id = customer WHERE orders.id = ?"
	if err := w.db.QueryRowContext(ctx, query, id).Scan(&item, &email); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	receipt, err := json.Marshal(map[string]string{"order": id, "item": item, "for": email, "packedBy": "worker " + version})
	if err != nil {
		return fmt.Errorf("writing the receipt: %w", err)
	}
	_, err = w.bucket.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(w.bucket.Name), Key: aws.String(w.bucket.Prefix + "receipts/" + id + ".json"),
		Body: bytes.NewReader(receipt), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("writing the receipt: %w", err)
	}
	if _, err := w.db.ExecContext(ctx, "UPDATE orders SET state = 'sent' WHERE id = ?", id); err != nil {
		return fmt.Errorf("marking it as sent: %w", err)
	}
	log.Printf("order %s: %s sent", id, item)
	return nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}
