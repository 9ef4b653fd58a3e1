// Package load is `landfall load`: requests at a constant rate, and what came of
// them. Start at New.
package load

import (
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// flags of the command.
type flags struct {
	rates []float64
	step  time.Duration

	paths, headers         []string
	method, body           string
	host, address          string
	insecure, fresh        bool
	caFile                 string
	timeout                time.Duration
	sideHeader, sideCookie string
	component              string
	maxP95, maxP99         time.Duration
	maxErrors              string
	maxLost                int64
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "load ENV | URL...",
		Short: "Ask a site at a constant rate, and count what came of each request",
		Long: `Ask a site at a constant rate, in steps, whether it keeps up or not, and count what
came of every request: answers by status and side, latencies, errors, and requests
that were lost because no whole answer came. Latencies count from when a request
was due, so that a site that stalls is seen with all who would have waited.

An environment is asked at its public address. Its components are watched: whether
they scaled out, and whether their logs arrived where they are gathered.

Bounds are judged for each step. With --step 0 the last rate goes on until Ctrl-C,
which shows what was counted up to then.

Exit code 0: the bounds hold, or none were given. 1: one does not hold. 3: it cannot
be told, because this machine was too slow to ask or the load was interrupted.`,
		Example: `  # does staging take twice the usual load?
  landfall load staging --rate 50,100 --step 1m --max-p95 200ms --max-errors 0.1%

  # through a migration, until Ctrl-C: which side answers, and is anything lost?
  landfall load https://shop.example --rate 100 --step 0 --max-lost 0

  # the new side alone, past DNS, as JSON with a time line
  landfall load https://shop.example --address 10.0.0.7 --path / --path /cart -o json`,
		Args:              command.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), c, args, cmd.Flags().Changed("max-lost"))
		},
	}
	set := cmd.Flags()
	set.Float64SliceVar(&f.rates, "rate", []float64{10}, "`requests` a second; several, with commas, are steps")
	set.DurationVar(&f.step, "step", 30*time.Second, "how long each step lasts; 0: the last goes on until interrupted, the others for 30s")
	set.StringArrayVar(&f.paths, "path", nil, "`path` to ask for, below the address; repeat it for more, which are asked in turn")
	set.StringVar(&f.method, "method", http.MethodGet, "`method` of the requests")
	set.StringVar(&f.body, "body", "", "`text` to send with each request, or @FILE")
	set.StringArrayVarP(&f.headers, "header", "H", nil, "`NAME: VALUE` to send with each request; repeat it for more")
	set.StringVar(&f.host, "host", "", "`name` to ask for where the URL is an address")
	set.StringVar(&f.address, "address", "", "`address[:port]` to connect to, instead of what DNS says of the URL's host")
	set.BoolVar(&f.insecure, "insecure", false, "trust any certificate")
	set.StringVar(&f.caFile, "ca", "", "PEM `file` of authorities to trust besides the system's")
	set.BoolVar(&f.fresh, "fresh-connections", false, "connect anew for each request, as new visitors do")
	set.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long a whole answer may take before the request counts as lost")
	set.StringVar(&f.sideHeader, "side-header", traffic.PinHeader, "`header` of the answer that names the side")
	set.StringVar(&f.sideCookie, "side-cookie", "", "`cookie` set by the answer that names the side, instead")
	set.StringVar(&f.component, "component", "", "`name` of the environment's component to ask; by default the first public one")
	set.DurationVar(&f.maxP95, "max-p95", 0, "`bound` of the latency of 95 of 100 requests")
	set.DurationVar(&f.maxP99, "max-p99", 0, "`bound` of the latency of 99 of 100 requests")
	set.StringVar(&f.maxErrors, "max-errors", "", "`percentage` of requests that may be lost or answered with a status from 400 on, such as 0.1%")
	set.Int64Var(&f.maxLost, "max-lost", 0, "`number` of requests that may be lost in a step; 0 allows none")
	cmd.MarkFlagsMutuallyExclusive("side-header", "side-cookie")
	cmd.RegisterFlagCompletionFunc("component", ask.CompleteBlueprintComponents(c, ask.FirstArgument, ""))
	return cmd
}

func (f *flags) run(ctx context.Context, c *command.Context, args []string, boundLost bool) error {
	bounds, err := f.bounds(boundLost)
	if err != nil {
		return err
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	environment, err := f.aim(ctx, c, args, &options)
	if err != nil {
		return err
	}
	if err := options.Check(); err != nil {
		return err
	}
	watched := environment.watch(ctx)
	shown := newDisplay(c, options)
	options.Live = shown.update
	summary, err := load.Attack(ctx, options)
	if err != nil {
		return err
	}
	shown.done(summary)

	report := report{Summary: summary, Bounds: bounds.Judge(summary)}
	report.Components = watched.stop()
	report.Logs = environment.logs(ctx, options, summary)
	if err := report.print(c); err != nil {
		return err
	}
	if len(report.Bounds.Results) == 0 {
		return nil
	}
	return report.Bounds.Err()
}
