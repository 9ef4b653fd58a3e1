// Command logs measures how many lines a second `landfall logs` brings, against
// stern on the same pods, one after the other, several times in one run. It
// makes a local cluster of its own and removes it. Run it by `make bench-logs`.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"

	"github.com/landfall-dev/landfall/bench/cluster"
	"github.com/landfall-dev/landfall/bench/harness"
)

type options struct {
	cluster cluster.Options
	stern   string
	pods    int
	lines   int
	pairs   int
}

func main() {
	log.SetFlags(log.Ltime)
	opts := options{}
	opts.cluster.AddFlags(flag.CommandLine)
	flag.StringVar(&opts.stern, "stern", "v1.33.1", "`version` of stern to compare with, or the path of a binary")
	flag.IntVar(&opts.pods, "pods", 8, "how many pods print")
	flag.IntVar(&opts.lines, "lines", 30_000, "how many lines each of them prints")
	flag.IntVar(&opts.pairs, "pairs", 5, "how often each side runs")
	flag.Parse()

	harness.Main("bench-logs", func(ctx context.Context) error { return run(ctx, opts) })
}

func run(ctx context.Context, opts options) (err error) {
	b, err := setUp(ctx, opts)
	if b != nil {
		defer func() { err = cmp.Or(err, b.Close()) }()
	}
	if err != nil {
		return err
	}
	return b.measure(ctx)
}

// measure runs both sides in turns and compares their medians.
func (b *bench) measure(ctx context.Context) error {
	sides := []*side{
		{name: "stern", command: b.sternCommand},
		{name: "landfall", command: b.landfallCommand},
	}
	want := b.opts.pods * b.opts.lines
	for turn := range b.opts.pairs + 1 {
		for _, s := range sides {
			took, err := b.count(ctx, s, want)
			if err != nil {
				return fmt.Errorf("running %s: %w", s.name, err)
			}
			if turn > 0 { // the first turn warms the page cache
				s.rates = append(s.rates, float64(want)/took.Seconds())
			}
			log.Printf("%-8s %d lines in %s", s.name, want, took.Round(time.Millisecond))
		}
		slices.Reverse(sides)
	}
	slices.SortFunc(sides, func(a, b *side) int { return cmp.Compare(a.name, b.name) })
	landfall, stern := bar.Median(sides[0].rates), bar.Median(sides[1].rates)
	bar.Figure("logs-lines-per-second", landfall, "lines/s")
	bar.Figure("logs-lines-per-second-stern", stern, "lines/s")
	bar.AtLeast("logs-lines-per-second-ratio", landfall/stern, "ratio", 1)
	return nil
}
