package migrate

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/migration"
)

func newList(c *command.Context) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the project's migrations",
		Example: "  landfall migrate list\n  landfall migrate list --all-namespaces",
		Args:    command.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, all) },
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of all projects")
	return cmd
}

// brief is how much of a reason fits beside the rest of a line.
var brief = view{width: 80}

func list(ctx context.Context, c *command.Context, all bool) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	var options []client.ListOption
	if !all {
		options = append(options, client.InNamespace(c.Namespace()))
	}
	var found v1alpha1.MigrationList
	if err := cl.List(ctx, &found, options...); err != nil {
		return command.Explain(err)
	}
	return c.Print(found.Items, func(w io.Writer) error {
		header := []string{"name", "hostname", "from", "to", "phase", "weight", "step", "age", "reason"}
		var rows [][]string
		for i := range found.Items {
			m := &found.Items[i]
			row := []string{
				m.Name, m.Spec.Hostname, m.Spec.From.Name, m.Spec.To.Name, string(migration.Phase(m)),
				command.OrDash(m.Status.Weight), command.OrDash(m.Status.Progress), c.Age(m.CreationTimestamp.Time), brief.cut(m.Status.Reason, 0),
			}
			if all {
				row = append([]string{m.Namespace}, row...)
			}
			rows = append(rows, row)
		}
		if all {
			header = append([]string{"project"}, header...)
		}
		return command.Rows(w, header, rows)
	})
}
