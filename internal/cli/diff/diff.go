// Package diff is `landfall diff`: what applying files would change. Start at
// New.
package diff

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"
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
	cmd.MarkFlagRequired("filename")
	return cmd
}

// difference is one object that applying would change.
type difference struct {
	objects.Applied
	// Diff is a unified diff of the YAML.
	Diff string `json:"diff"`
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
	differences := []difference{}
	for _, o := range found {
		applied, err := objects.Apply(ctx, cl, o, true)
		if err != nil {
			return err
		}
		if applied.Change != "unchanged" {
			differences = append(differences, difference{Applied: applied, Diff: unified(applied)})
		}
	}
	err = c.Print(differences, func(w io.Writer) error { return show(w, differences, c.Color(c.Out)) })
	if err == nil && len(differences) > 0 {
		err = fault.New(fault.NotHolding, "`landfall apply` with the same files makes it so.", "%d of %d objects differ", len(differences), len(found))
	}
	return err
}

func unified(a objects.Applied) string {
	name := strings.ToLower(a.Kind) + " " + a.Name
	return udiff.Unified("in the project: "+name, "in the files: "+name, objects.Text(a.Before), objects.Text(a.After))
}

func show(w io.Writer, differences []difference, color bool) error {
	for _, d := range differences {
		for line := range strings.Lines(d.Diff) {
			if color {
				line = paint(line)
			}
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
		}
	}
	if len(differences) == 0 {
		_, err := fmt.Fprintln(w, "nothing differs")
		return err
	}
	return nil
}

func paint(line string) string {
	colors := map[byte]string{'+': "32", '-': "31", '@': "36"}
	code, ok := colors[line[0]]
	if !ok {
		return line
	}
	return "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}
