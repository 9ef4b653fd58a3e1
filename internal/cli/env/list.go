package env

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

func newList(c *command.Context) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the environments of the project",
		Example: "  landfall env list\n  landfall env list -A -o json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), c, all)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "those of all projects")
	return cmd
}

func list(ctx context.Context, c *command.Context, all bool) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	where := client.InNamespace(c.Namespace())
	if all {
		where = ""
	}
	var found v1alpha1.EnvironmentList
	if err := cl.List(ctx, &found, where); err != nil {
		return command.Explain(err)
	}
	found.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EnvironmentList"))
	for i := range found.Items {
		found.Items[i].ManagedFields = nil
	}
	return c.Print(found, func(w io.Writer) error {
		if len(found.Items) == 0 {
			_, err := fmt.Fprintln(c.Err, "no environments; `landfall env create NAME --blueprint BLUEPRINT` makes one")
			return err
		}
		return listTable(c, w, found.Items, all)
	})
}

func listTable(c *command.Context, w io.Writer, envs []v1alpha1.Environment, all bool) error {
	header := []string{"name", "blueprint", "phase", "release", "components", "drift", "cluster", "expires", "age"}
	if all {
		header = append([]string{"project"}, header...)
	}
	var rows [][]string
	for i := range envs {
		env := &envs[i]
		row := []string{
			env.Name, env.Spec.Blueprint, command.OrDash(string(env.Status.Phase)), command.OrDash(ask.Number(env.Status.Release)),
			instances(env), driftWord(env.Status.Drift), whereabouts(env), expires(c, env.Status.ExpiresAt), c.Age(env.CreationTimestamp.Time),
		}
		if all {
			row = append([]string{env.Namespace}, row...)
		}
		rows = append(rows, row)
	}
	return command.Rows(w, header, rows)
}

// instances says how many components are wholly ready.
func instances(env *v1alpha1.Environment) string {
	ready := 0
	for _, component := range env.Status.Components {
		if component.Ready >= component.Desired {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, len(env.Status.Components))
}

func driftWord(d *v1alpha1.Drift) string {
	if d == nil {
		return "-"
	}
	if d.State == v1alpha1.DriftDrifted {
		return fmt.Sprintf("%s (%d)", d.State, d.Total)
	}
	return string(d.State)
}

func expires(c *command.Context, at *metav1.Time) string {
	if at == nil {
		return "-"
	}
	left := at.Sub(c.Clock())
	if left <= 0 {
		return "now"
	}
	return "in " + short(left)
}

func completeOne(c *command.Context) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return ask.CompleteEnvironments(c, 1)
}
