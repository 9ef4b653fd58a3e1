// Command migration measures migrations of live traffic through a real HAProxy,
// under a constant load:
//
//	shift  0 to 100 and back: lost requests, and the share at 1 %
//	react  from the first bad response to the last one that was served
//	many   200 migrations on one controller
//
// Each bar ends with a line of its own; see package bar. Run it by `make
// bench-migration`.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/landfall-dev/landfall/bench/harness"
)

type options struct {
	parts    string
	rate     float64
	turns    int
	many     int
	landfall string
}

func main() {
	log.SetFlags(log.Ltime)
	var o options
	flag.StringVar(&o.parts, "parts", "shift,react,many", "what to measure")
	flag.Float64Var(&o.rate, "rate", 500, "requests a second")
	flag.IntVar(&o.turns, "turns", 5, "how often a side is broken")
	flag.IntVar(&o.many, "many", 200, "migrations at once")
	flag.StringVar(&o.landfall, "landfall", "bin/landfall", "the program under test, for part many")
	flag.Parse()
	harness.Main("bench-migration", func(ctx context.Context) error { return run(ctx, o) })
}

func run(ctx context.Context, o options) error {
	part := func(name string, measure func(context.Context, options) error) harness.Part {
		return harness.Part{Name: name, Measure: func(ctx context.Context) error { return measure(ctx, o) }}
	}
	return harness.Run(ctx, harness.Only(o.parts), part("shift", shift), part("react", react), part("many", many))
}
