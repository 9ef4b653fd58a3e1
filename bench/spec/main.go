// Command spec measures `landfall spec` on servers of the legacy shop, beside
// the tools that people use for the same: the same 1,000 checks with Serverspec
// over SSH and with goss on the host itself, fleets of up to 400 hosts, and how
// long a full capture takes. Run it by `make bench-spec`, as root.
package main

import (
	"cmp"
	"context"
	"flag"
	"log"

	"github.com/landfall-dev/landfall/bench/harness"
)

type options struct {
	landfall string
	goss     string
	checks   int
	times    int
	fleets   string
	parallel int
	skip     string
}

func main() {
	log.SetFlags(log.Ltime)
	opts := options{}
	flag.StringVar(&opts.landfall, "landfall", "bin/landfall", "the landfall `binary`")
	flag.StringVar(&opts.goss, "goss", "", "the goss `binary` to compare with; by default the version of the tests is built")
	flag.IntVar(&opts.checks, "checks", 1000, "how many checks")
	flag.IntVar(&opts.times, "times", 7, "how often each tool that takes seconds runs")
	flag.StringVar(&opts.fleets, "fleets", "40,200,400", "sizes of fleets")
	flag.IntVar(&opts.parallel, "parallel", 8, "how many hosts at once")
	flag.StringVar(&opts.skip, "skip", "", "parts to leave out: serverspec, goss, fleet, capture")
	flag.Parse()

	harness.Main("bench-spec", func(ctx context.Context) error { return run(ctx, opts) })
}

func run(ctx context.Context, opts options) (err error) {
	b, err := setUp(ctx, opts)
	if b != nil {
		defer func() { err = cmp.Or(err, b.tearDown()) }()
	}
	if err != nil {
		return err
	}
	return harness.Run(ctx, harness.Without(opts.skip),
		harness.Part{Name: "capture", Measure: b.capture}, harness.Part{Name: "goss", Measure: b.againstGoss},
		harness.Part{Name: "serverspec", Measure: b.againstServerspec}, harness.Part{Name: "fleet", Measure: b.fleet})
}
