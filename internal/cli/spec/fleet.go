package spec

import (
	"context"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

type fleetFlags struct {
	targetFlags
	folder string
	rules  string
	kinds  []string
	all    bool
}

func newFleet(c *command.Context) *cobra.Command {
	var flags fleetFlags
	cmd := &cobra.Command{
		Use:   "fleet TARGET...",
		Short: "Find which of many hosts deviate from what most of them are",
		Long: `Find which of many hosts deviate from what most of them are: drift, without a
document that says what is right. Where no value has a majority, that is shown as
a tie. The exit code is 0 if all are alike, 1 if one deviates, and 3 if something
could not be compared.

` + targetHelp + ` Captured documents can stand in for targets.

What differs between hosts by its nature, such as their names, is left out
unless --all is given; --rules takes those of a document.`,
		Example: `  landfall spec fleet 'ssh://deploy@web{1..3}'
  landfall spec fleet --targets hosts.txt --parallel 40 --rules web1.yaml
  landfall spec fleet --dir captured/ -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd.Context(), c, args)
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&flags.folder, "dir", "", "`folder` of captured documents (*.yaml)")
	cmd.Flags().StringVar(&flags.rules, "rules", "", "`file` of a host spec whose rules say what is left out")
	cmd.Flags().StringSliceVar(&flags.kinds, "kind", nil, "compare only these `kinds`, such as package,sysctl")
	cmd.RegisterFlagCompletionFunc("kind", ask.CompleteLists(hostspec.Kinds...))
	cmd.Flags().BoolVar(&flags.all, "all", false, "compare also what differs by its nature")
	return cmd
}

func (f *fleetFlags) run(ctx context.Context, c *command.Context, args []string) error {
	sides, err := f.members(c, args)
	if err != nil {
		return err
	}
	kinds, err := readKinds(f.kinds)
	if err != nil {
		return err
	}
	label(sides)
	fleet := &verify.Fleet{Kinds: kinds}
	if fleet.Rules, err = f.ruled(c); err != nil {
		return err
	}
	var failed []error
	err = eachSide(ctx, c, sides, f.parallel, capture.Options{Kinds: kinds}, factsOrError, func(name string, member facts) error {
		if member.err != nil {
			failed = append(failed, member.err)
			c.Progress().Note("%v", member.err)
			return nil
		}
		fleet.Add(name, member.spec)
		return nil
	})
	if err != nil {
		return err
	}
	drift := fleet.Drift()
	if err := c.Print(drift, func(w io.Writer) error { return drift.Write(w, c.Color(w)) }); err != nil {
		return err
	}
	if err := drift.Err(); err != nil || len(failed) == 0 {
		return err
	}
	return fault.New(fault.Failed, "", "%d of %d hosts could not be compared", len(failed), len(sides))
}

func (f *fleetFlags) members(c *command.Context, args []string) ([]side, error) {
	if f.folder != "" {
		paths, err := filepath.Glob(filepath.Join(f.folder, "*.yaml"))
		if err == nil && len(paths) == 0 {
			return nil, fault.New(fault.Invalid, "`landfall spec capture TARGET... -o "+f.folder+"` writes some.", "reading %s: there is no *.yaml in it", f.folder)
		}
		args = slices.Concat(args, paths)
	}
	sides, err := f.sides(c, args)
	if err == nil && len(sides) < 2 {
		err = fault.New(fault.Invalid, "Name more targets, --targets FILE or --dir FOLDER.", "comparing a fleet: one host has nobody to deviate from")
	}
	return sides, err
}

func (f *fleetFlags) ruled(c *command.Context) ([]hostspec.Rule, error) {
	var rules []hostspec.Rule
	if !f.all {
		rules = verify.DifferByNature()
	}
	if f.rules == "" {
		return rules, nil
	}
	document, err := readDocument(c, f.rules)
	if err != nil {
		return nil, err
	}
	return append(rules, document.Rules...), nil
}
