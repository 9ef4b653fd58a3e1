package baseline

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

func newList(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the project's baselines, and where they hold",
		Example: "  landfall baseline list\n  landfall baseline list -o yaml",
		Args:    command.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c) },
	}
}

func list(ctx context.Context, c *command.Context) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	var found v1alpha1.BaselineList
	var envs v1alpha1.EnvironmentList
	for _, into := range []client.ObjectList{&found, &envs} {
		if err := cl.List(ctx, into, client.InNamespace(c.Namespace())); err != nil {
			return command.Explain(err)
		}
	}
	return c.Print(found.Items, func(w io.Writer) error {
		var rows [][]string
		for _, b := range found.Items {
			counts := map[v1alpha1.Answer]int{}
			for _, env := range envs.Items {
				if env.Status.Baseline != nil && env.Status.Baseline.Name == b.Name {
					counts[env.Status.Baseline.Answer]++
				}
			}
			checks := "no"
			if b.Spec.Checks != nil {
				checks = "yes"
			}
			rows = append(rows, []string{
				b.Name, fmt.Sprint(len(b.Spec.HostSpecs)), checks, fmt.Sprint(len(b.Spec.Objectives)),
				fmt.Sprintf("%d hold, %d fail, %d unknown", counts[v1alpha1.AnswerHolds], counts[v1alpha1.AnswerFails], counts[v1alpha1.AnswerUnknown]),
				c.Age(b.CreationTimestamp.Time),
			})
		}
		return command.Rows(w, []string{"name", "host specs", "checks", "objectives", "environments", "age"}, rows)
	})
}
