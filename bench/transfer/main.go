// Command transfer measures what goes from one cluster to another, on two local
// clusters of its own:
//
//   - transfer: `landfall cluster transfer` of 10,000 mixed objects, checked by
//     dry runs before, and again when there is nothing to do;
//   - parity: `landfall parity` of both clusters after it, with its memory;
//   - velero: Velero's restore of a part of the same objects, in namespaces of
//     other names. Without `make velero` its published figure is what
//     Landfall is compared with, and the line says so.
//
// Run it by `make bench-transfer`.
package main

import (
	"context"
	"errors"
	"flag"
	"log"

	"github.com/landfall-dev/landfall/bench/cluster"
	"github.com/landfall-dev/landfall/bench/harness"
)

type options struct {
	cluster cluster.Options
	parts   string
	objects int
}

func main() {
	log.SetFlags(log.Ltime)
	opts := options{}
	opts.cluster.AddFlags(flag.CommandLine)
	flag.StringVar(&opts.parts, "parts", "transfer,parity,velero", "what to measure; each part needs those before it")
	flag.IntVar(&opts.objects, "objects", 10_000, "how many objects are transferred")
	flag.Parse()

	harness.Main("bench-transfer", func(ctx context.Context) error { return run(ctx, opts) })
}

// bench is two clusters.
type bench struct {
	opts        options
	blue, green *cluster.Cluster
	// rate of the transfer, objects a second.
	rate float64
}

func run(ctx context.Context, opts options) (err error) {
	b := &bench{opts: opts}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.blue, err = cluster.Start(ctx, "bench-blue", opts.cluster); err != nil {
		return err
	}
	if b.green, err = cluster.Start(ctx, "bench-green", opts.cluster); err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return err
	}
	return harness.Run(ctx, harness.Only(opts.parts),
		harness.Part{Name: "transfer", Measure: b.measureTransfer}, harness.Part{Name: "parity", Measure: b.measureParity},
		harness.Part{Name: "velero", Measure: b.measureVelero})
}

func (b *bench) close() error {
	var errs []error
	for _, c := range []*cluster.Cluster{b.blue, b.green} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
