package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/preflight"
)

type preflightFlags struct {
	scope    Scope
	skip     []string
	evidence string
}

func newPreflight(c *command.Context) *cobra.Command {
	var flags preflightFlags
	cmd := &cobra.Command{
		Use:   "preflight FROM TO",
		Short: "Tell what will break on another cluster before anything moves",
		Long: `Tell what will break on cluster TO if the objects of FROM came there: kinds and
versions that it does not serve, pods that no node takes, images that cannot be
pulled, and so on. Both sides are only read. Each finding names the objects, the
remedy and where the rule comes from.

` + Sides + `

Exit code 0: nothing blocks · 1: something does · 3: something could not be found
out, which is then listed as unknown.

` + listChecks(),
		Example: `  landfall cluster preflight blue green
  landfall cluster preflight context:blue context:green --namespace shop --rename shop=store
  landfall cluster preflight blue green --skip images --evidence preflight.html`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: CompleteSides(c, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return look(cmd.Context(), c, args[0], args[1], flags)
		},
	}
	f := cmd.Flags()
	flags.scope.AddFlags(f)
	cmd.RegisterFlagCompletionFunc("namespace", CompleteSideNamespaces(c, 0))
	f.StringSliceVar(&flags.skip, "skip", nil, "`checks` that are not made (repeatable)")
	f.StringVar(&flags.evidence, "evidence", "", "write the evidence to this `file`: a page, or JSON where it ends in .json")
	names, _ := preflight.Checks()
	cmd.RegisterFlagCompletionFunc("skip", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func listChecks() string {
	names, about := preflight.Checks()
	var b strings.Builder
	b.WriteString("Checks:")
	for _, name := range names {
		fmt.Fprintf(&b, "\n  %-13s %s", name, about[name])
	}
	return b.String()
}

func look(ctx context.Context, c *command.Context, from, to string, flags preflightFlags) error {
	rename, err := flags.scope.Renamed()
	if err != nil {
		return err
	}
	source, target, err := BothSides(ctx, c, from, to)
	if err != nil {
		return err
	}
	options := preflight.Options{Selection: flags.scope.Selection, Rename: rename, Skip: flags.skip}
	report, err := preflight.Look(ctx, source, target, options, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	printed := c.Print(report, func(w io.Writer) error { return report.Write(w, c.Color(w)) })
	var kept error
	if flags.evidence != "" {
		kept = report.Evidence().WriteFile(flags.evidence)
	}
	if err := errors.Join(printed, kept); err != nil {
		return err
	}
	return report.Err()
}
