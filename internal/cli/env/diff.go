package env

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newDiff(c *command.Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two environments differ",
		Long: `Show how environment B differs from A in what it runs and how: versions down to
the digest, overrides, stores, cluster.

Exit code 0: they run the same. 1: they differ.`,
		Example:           "  landfall env diff staging pr-1",
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return diffTwo(cmd.Context(), c, args[0], args[1])
		},
	}
	return cmd
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
