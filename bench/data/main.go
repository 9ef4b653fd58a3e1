// Command data measures copies of data beside the tools that people use for
// the same, on the same data in one run:
//
//	mysql  four unlike tables: mysqldump, mydumper, and the floor of ready files
//	redis  mixed keys: MIGRATE, and an RDB file that a server starts from
//	s3     small and large objects: rclone and s5cmd, on one server and two
//	kill   each copy killed at 20 random moments and asked for again
//
// Each bar ends with a line of its own; see package bar. Run it by `make
// bench-data`.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
)

type options struct {
	parts string
	turns int
	scale float64
	dir   string
}

func main() {
	log.SetFlags(log.Ltime)
	var o options
	flag.StringVar(&o.parts, "parts", "mysql,redis,s3,kill", "what to measure")
	flag.IntVar(&o.turns, "turns", 3, "how often each tool runs")
	flag.Float64Var(&o.scale, "scale", 1, "the size of the data, 1 is that of the goals")
	flag.StringVar(&program, "landfall", "bin/landfall", "the program that is killed")
	flag.StringVar(&o.dir, "dir", "", "where servers keep their data; a temporary folder by default")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "landfall-bench-data-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	parts := []struct {
		name    string
		measure func(context.Context, string, int, float64) error
	}{
		{"mysql", measureMySQL}, {"redis", measureRedis}, {"s3", measureS3}, {"kill", measureKills},
	}
	for _, part := range parts {
		if !slices.Contains(strings.Split(o.parts, ","), part.name) {
			continue
		}
		log.Print("measuring ", part.name)
		if err := part.measure(ctx, o.dir, o.turns, o.scale); err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
	}
	return nil
}
