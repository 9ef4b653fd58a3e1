// Package harness is what the programs of benchmarks are made of: how they
// start, end and choose their parts. What they measure is theirs.
package harness

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Main runs a benchmark until it is done or interrupted, and exits with 3 when
// it fails.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Print(name, ": ", err)
		stop()
		os.Exit(3)
	}
}

// Part of a benchmark.
type Part struct {
	Name    string
	Measure func(context.Context) error
}

// Only selects parts by a list of names with commas.
func Only(names string) func(string) bool {
	return func(name string) bool { return slices.Contains(strings.Split(names, ","), name) }
}

// Without selects all parts but those of a list of names with commas.
func Without(names string) func(string) bool {
	only := Only(names)
	return func(name string) bool { return !only(name) }
}

// Run measures the selected parts, one after the other.
func Run(ctx context.Context, selected func(string) bool, parts ...Part) error {
	for _, part := range parts {
		if !selected(part.Name) {
			continue
		}
		log.Print("measuring ", part.Name)
		if err := part.Measure(ctx); err != nil {
			return fmt.Errorf("measuring %s: %w", part.Name, err)
		}
	}
	return nil
}

// FreePort is a port of 127.0.0.1 that nothing listened on just now.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// Sleep waits, or fails when the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
