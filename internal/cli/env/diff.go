package env

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/cli/preview"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newDiff(c *command.Context) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "diff A [B]",
		Short: "Show how two environments differ, or what a deploy would change",
		Long: `Show how environment B differs from A in what it runs and how: versions down to
the digest, overrides, stores, cluster.

With one environment: show what deploying to it now would change in the cluster,
object by object; --set says with which versions. Values of Secrets are shown as
fingerprints.

Exit code 0: nothing differs. 1: something differs.`,
		Example: `  landfall env diff staging pr-1
  landfall env diff staging --set web=1.4.2
  landfall env diff staging -o json    # for CI: what the changed blueprint would do`,
		Args:              command.Args(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			versions, err := command.Pairs("set", set)
			switch {
			case err != nil:
				return err
			case len(args) == 1:
				return diffDeploy(cmd.Context(), c, args[0], versions)
			case len(set) > 0:
				return fault.New(fault.Invalid, "Name one environment to see what a deploy would change there.", "reading --set: it does not go with two environments")
			}
			return diffTwo(cmd.Context(), c, args[0], args[1])
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "`COMPONENT=VERSION`: tag, digest or chart version; repeatable")
	cmd.RegisterFlagCompletionFunc("set", ask.CompleteComponents(c))
	return cmd
}

func diffDeploy(ctx context.Context, c *command.Context, name string, versions map[string]string) error {
	env, err := ask.Environment(ctx, c, name)
	if err != nil {
		return err
	}
	if err := ask.Deploy(ctx, c, env, versions); err != nil {
		return err
	}
	differences, err := preview.Of(ctx, c, env)
	if err != nil {
		return err
	}
	err = c.Print(differences, func(w io.Writer) error { return objects.Show(w, differences, c.Color(c.Out)) })
	if err == nil && len(differences) > 0 {
		err = fault.New(fault.NotHolding, "`landfall deploy "+name+"` with the same flags makes it so.", "%d objects of %s would change", len(differences), name)
	}
	return err
}

func diffTwo(ctx context.Context, c *command.Context, nameA, nameB string) error {
	a, err := ask.Environment(ctx, c, nameA)
	if err != nil {
		return err
	}
	b, err := ask.Environment(ctx, c, nameB)
	if err != nil {
		return err
	}
	differences := change.Compare(a, b)
	err = c.Print(differences, func(w io.Writer) error {
		if len(differences) == 0 {
			_, err := fmt.Fprintf(w, "%s and %s run the same\n", nameA, nameB)
			return err
		}
		var rows [][]string
		for _, d := range differences {
			rows = append(rows, []string{d.Field, command.OrDash(d.A), command.OrDash(d.B)})
		}
		return command.Rows(w, []string{"field", nameA, nameB}, rows)
	})
	if err == nil && len(differences) > 0 {
		err = fault.New(fault.NotHolding, "", "%s and %s differ", nameA, nameB)
	}
	return err
}
