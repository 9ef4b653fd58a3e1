package env

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
	"github.com/landfall-dev/landfall/internal/fault"
)

type deleteFlags struct {
	ask.Flags
	abandon bool
}

// deletion is what the command prints for programs.
type deletion struct {
	Name    string `json:"name"`
	Deleted bool   `json:"deleted"`
	// Was says whether there was anything to delete.
	Was    bool `json:"was"`
	DryRun bool `json:"dryRun,omitempty"`
}

func newDelete(c *command.Context) *cobra.Command {
	var flags deleteFlags
	cmd := &cobra.Command{
		Use:     "delete NAME…",
		Aliases: []string{"rm"},
		Short:   "Delete environments with their stores, and wait until they are gone",
		Long: `Delete environments: workloads, stores with their data, namespace. Waits until
they are gone; what blocks is named, with its finalizers. Deleting what is not
there is a success.`,
		Example: `  landfall env delete pr-1
  landfall env delete old --abandon   # its cluster is gone for good`,
		Args:              command.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 100),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if err := remove(cmd.Context(), c, name, flags); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags.AddTo(cmd, ask.DeleteTimeout)
	cmd.Flags().BoolVar(&flags.abandon, "abandon", false, "where its cluster cannot be reached: leave there what is there")
	return cmd
}

func remove(ctx context.Context, c *command.Context, name string, flags deleteFlags) error {
	env, err := ask.Environment(ctx, c, name)
	if fault.ClassOf(err) == fault.NotFound {
		return printDeletion(c, deletion{Name: name, Deleted: true}, name+" does not exist: nothing to delete")
	}
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	if flags.abandon {
		if err := abandon(ctx, cl, env, flags.DryRun); err != nil {
			return err
		}
	}
	var options []client.DeleteOption
	if flags.DryRun {
		options = append(options, client.DryRunAll)
	}
	options = append(options, client.Preconditions{UID: &env.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err := cl.Delete(ctx, env, options...); err != nil && !apierrors.IsNotFound(err) {
		return command.Explain(err)
	}
	switch {
	case flags.DryRun:
		return printDeletion(c, deletion{Name: name, Was: true, DryRun: true}, fmt.Sprintf("would delete %s: %d objects and the stores of blueprint %s", name, len(env.Status.Inventory), env.Spec.Blueprint))
	case !flags.Wait:
		return printDeletion(c, deletion{Name: name, Was: true}, name+" is being deleted")
	}
	if err := follow.Gone(ctx, c, env, flags.Timeout); err != nil {
		return err
	}
	return printDeletion(c, deletion{Name: name, Was: true, Deleted: true}, name+" is deleted")
}

// abandon lets the environment go although its cluster does not answer.
func abandon(ctx context.Context, cl client.Client, env *v1alpha1.Environment, dryRun bool) error {
	if dryRun {
		return nil
	}
	before := env.DeepCopy()
	if env.Annotations == nil {
		env.Annotations = map[string]string{}
	}
	env.Annotations[v1alpha1.AnnotationAbandon] = "true"
	return command.Explain(cl.Patch(ctx, env, client.MergeFrom(before), client.FieldOwner("landfall-cli")))
}

func printDeletion(c *command.Context, d deletion, text string) error {
	return c.Print(d, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
