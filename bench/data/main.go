// Command data measures copies of data beside the tools that people use for
// the same, on the same data in one run:
//
//	mysql  four unlike tables: mysqldump, mydumper, and the floor of ready files
//	redis  mixed keys: MIGRATE, and an RDB file that a server starts from
//	s3     small and large objects: rclone and s5cmd, on one server and two
//	kill-mysql, kill-redis, kill-s3
//	       copies killed at 20 random moments and asked for again
//
// Each bar ends with a line of its own; see package bar. Run it by `make
// bench-data`, a quick look at a part by
//
//	make bench-data ARGS="-parts s3 -scale 0.05 -turns 1"
//	make bench-data ARGS="-parts kill-s3 -scale 0.2 -kills 5"
package main

import (
	"context"
	"flag"
	"log"
	"os"

	"github.com/landfall-dev/landfall/bench/harness"
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
	flag.StringVar(&o.parts, "parts", "mysql,redis,s3,kill-mysql,kill-redis,kill-s3", "what to measure")
	flag.IntVar(&o.turns, "turns", 3, "how often each tool runs")
	flag.Float64Var(&o.scale, "scale", 1, "the size of the data, 1 is that of the goals")
	flag.StringVar(&program, "landfall", "bin/landfall", "the program that is killed")
	flag.StringVar(&gateway, "versitygw", "bin/versitygw", "the S3 server of copies that are killed")
	flag.IntVar(&kills, "kills", 20, "how often each kind of copy is killed")
	flag.StringVar(&profiles, "profiles", "", "a folder for profiles of the copies' CPU time; none by default")
	flag.StringVar(&o.dir, "dir", "", "where servers keep their data; a temporary folder by default")
	flag.Parse()
	harness.Main("bench-data", func(ctx context.Context) error { return run(ctx, o) })
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
	part := func(name string, measure func(context.Context, string, int, float64) error) harness.Part {
		return harness.Part{Name: name, Measure: func(ctx context.Context) error { return measure(ctx, o.dir, o.turns, o.scale) }}
	}
	return harness.Run(ctx, harness.Only(o.parts), part("mysql", measureMySQL), part("redis", measureRedis), part("s3", measureS3),
		part("kill-mysql", killing(killMySQL)), part("kill-redis", killing(killRedis)), part("kill-s3", killing(killS3)))
}
