// Command web is the shop's face: a page with what is on offer, and orders.
// Versions 1 and 2 are good. Version 3 has a mistake on purpose that no health
// check sees: see priceOf.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/examples/shop/stores"
)

// version is set by the linker.
var version = "0"

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatalf("web %s: %v", version, err)
	}
}

func run(ctx context.Context) error {
	db, err := stores.Database(os.Getenv)
	if err != nil {
		return err
	}
	cache, err := stores.OpenCache(os.Getenv)
	if err != nil {
		return err
	}
	shop := &shop{db: db, cache: cache, instance: os.Getenv("HOSTNAME")}
	server := &http.Server{Addr: ":8080", Handler: shop.routes(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		rest, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(rest)
	}()
	log.Printf("web %s: listening on %s", version, server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Printf("web %s: stopped", version)
	return nil
}
