// Command env measures environments against the tools one would use without
// Landfall, side by side in one run:
//
//   - create: `landfall env create` until Ready, against kubectl apply and
//     kubectl wait of the same objects;
//   - rollback: `landfall rollback`, against kubectl rollout undo and
//     kubectl rollout status;
//   - scale: a hundred environments of five components created at once on
//     simulated nodes, with the controller's memory and API requests.
//
// It makes a local cluster of its own and removes it. Run it by
// `make bench-env`.
package main

import (
	"cmp"
	"context"
	"flag"
	"log"

	"github.com/landfall-dev/landfall/bench/cluster"
	"github.com/landfall-dev/landfall/bench/harness"
)

type options struct {
	cluster cluster.Options
	parts   string
	pairs   int
	many    int
}

func main() {
	log.SetFlags(log.Ltime)
	opts := options{}
	opts.cluster.AddFlags(flag.CommandLine)
	flag.StringVar(&opts.parts, "parts", "create,rollback,scale", "what to measure")
	flag.IntVar(&opts.pairs, "pairs", 5, "how often each side of a comparison runs")
	flag.IntVar(&opts.many, "many", 100, "environments created at once by the scale part")
	flag.Parse()

	harness.Main("bench-env", func(ctx context.Context) error { return run(ctx, opts) })
}

func run(ctx context.Context, opts options) (err error) {
	b, err := setUp(ctx, opts)
	if b != nil {
		defer func() { err = cmp.Or(err, b.Close()) }()
	}
	if err != nil {
		return err
	}
	return harness.Run(ctx, harness.Only(opts.parts),
		harness.Part{Name: "create", Measure: b.measureCreate}, harness.Part{Name: "rollback", Measure: b.measureRollback},
		harness.Part{Name: "scale", Measure: b.measureScale})
}
