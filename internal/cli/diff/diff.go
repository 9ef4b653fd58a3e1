// Package diff is `landfall diff`: what applying files would change. Start at
// New.
package diff

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/fault"
)

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "diff -f FILE…",
		Short: "Show what applying files would change, for CI",
		Long: `Show how the objects in files differ from those in the project. Nothing is
changed. Values of Secrets and packed charts are shown as fingerprints.

Exit code 0: nothing differs. 1: something differs. 2 or 3: not known, because
of the error shown.`,
		Example: "  landfall diff -f blueprint.yaml\n  landfall diff -f deploy/ -o json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), c, files)
		},
	}
	cmd.Flags().StringSliceVarP(&files, "filename", "f", nil, "`file` or folder to read; - is the standard input; repeatable")
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func run(ctx context.Context, c *command.Context, files []string) error {
	found, err := objects.Read(c, files)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	differences := []objects.Difference{}
	for _, o := range found {
		applied, err := objects.Apply(ctx, cl, o, true)
		if err != nil {
			return err
		}
		if applied.Change != "unchanged" {
			differences = append(differences, applied.Difference("in the project", "in the files"))
		}
	}
	err = c.Print(differences, func(w io.Writer) error { return objects.Show(w, differences, c.Color(c.Out)) })
	if err == nil && len(differences) > 0 {
		err = fault.New(fault.NotHolding, "`landfall apply` with the same files makes it so.", "%d of %d objects differ", len(differences), len(found))
	}
	return err
}
