// Package parity is `landfall parity`.
package parity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/cluster"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

type flags struct {
	scope       cluster.Scope
	ignore      string
	showIgnored bool
	evidence    string
	watch       bool
	interval    time.Duration
	checkFlags
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "parity FROM TO",
		Short: "Tell whether two clusters have the same",
		Long: `Compare two clusters: their objects field by field, what of the workloads is
ready, which images they run and, with --checks, how both answer. Both sides are
only read.

What every cluster fills in itself does not count (addresses, UIDs, status,
defaults, sidecars, …; --show-ignored lists it with reasons), nor what a file of
rules says is meant, each with its reason. Values of Secrets are never shown.
What cannot be read is unknown, never equal.

` + cluster.Sides + `

Exit code 0: equal · 1: different · 3: unknown.`,
		Example: `  landfall parity blue green
  landfall parity blue green --namespace shop --rename shop=store
  landfall parity context:old context:new --ignore meant.yaml --evidence parity.html
  landfall parity blue green --checks checks.yaml --from-url https://blue.example --to-url https://green.example
  landfall parity blue green --namespace shop --watch`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: cluster.CompleteSides(c, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), c, args[0], args[1]) },
	}
	set := cmd.Flags()
	f.scope.AddFlags(set)
	cmd.RegisterFlagCompletionFunc("namespace", cluster.CompleteSideNamespaces(c, 0))
	set.StringVar(&f.ignore, "ignore", "", "`file` of rules that say which differences are meant")
	set.BoolVar(&f.showIgnored, "show-ignored", false, "show also what does not count, and why")
	set.StringVar(&f.evidence, "evidence", "", "write the evidence to this `file`: a page, .json or .md")
	set.BoolVarP(&f.watch, "watch", "w", false, "compare again and again, and show what has changed")
	set.DurationVar(&f.interval, "interval", 10*time.Second, "`time` between two comparisons of --watch")
	f.checkFlags.add(set)
	return cmd
}

func (f *flags) run(ctx context.Context, c *command.Context, from, to string) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	source, target, err := cluster.BothSides(ctx, c, from, to)
	if err != nil {
		return err
	}
	sides, err := f.sides(c)
	if err != nil {
		return err
	}
	defer sides.close()
	compare := func(ctx context.Context, reporter progress.Reporter) (*parity.Report, error) {
		options.FromChecks, options.ToChecks = sides.run(ctx, reporter)
		report, err := parity.Compare(ctx, source, target, options, reporter)
		return report, command.Explain(err)
	}
	if f.watch {
		return f.again(ctx, c, source, target, compare)
	}
	report, err := compare(ctx, c.Progress())
	if err != nil {
		return err
	}
	if err := errors.Join(f.print(c, report), f.keep(report)); err != nil {
		return err
	}
	return report.Err()
}

// options puts the flags into the comparison's form.
func (f *flags) options() (parity.Options, error) {
	rename, err := f.scope.Renamed()
	if err != nil {
		return parity.Options{}, err
	}
	options := parity.Options{Namespaces: f.scope.Namespaces, Labels: f.scope.Labels, Rename: rename}
	if f.ignore == "" {
		return options, nil
	}
	file, err := os.Open(f.ignore)
	if err != nil {
		return options, fault.Wrap(fault.Invalid, fmt.Errorf("reading ignore rules: %w", err), "docs/parity.md shows how they are written.")
	}
	defer file.Close()
	if options.Ignore, err = parity.ReadIgnore(file); err != nil {
		return options, fmt.Errorf("%s: %w", f.ignore, err)
	}
	return options, nil
}

func (f *flags) print(c *command.Context, report *parity.Report) error {
	return c.Print(report, func(w io.Writer) error { return report.Write(w, parity.WriteOptions{Ignored: f.showIgnored}) })
}

// keep writes the evidence, if asked to.
func (f *flags) keep(report *parity.Report) error {
	if f.evidence == "" {
		return nil
	}
	return report.Evidence().WriteFile(f.evidence)
}

// again compares until the context ends, and shows each report that says
// something else than the one before. The last answer is the command's.
func (f *flags) again(ctx context.Context, c *command.Context, source, target *transfer.Cluster, compare func(context.Context, progress.Reporter) (*parity.Report, error)) error {
	reporter := c.Progress()
	var last *parity.Report
	for {
		report, err := compare(ctx, reporter)
		reporter = progress.Discard // it is known now how long that takes
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.Progress().Note("comparing %s and %s: %v", source.Name, target.Name, err)
		case last == nil || !report.Says(last):
			if err := errors.Join(f.print(c, report), f.keep(report)); err != nil {
				return err
			}
			last = report
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.interval):
		}
	}
}
