package cluster

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newRemove(c *command.Context) *cobra.Command {
	var force, dryRun bool
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Forget a cluster; it keeps running",
		Long: `Forget a cluster and its kubeconfig. The cluster itself is not touched. While
environments run on it this is refused: with --force they are let go, and what
is left of them on the cluster stays there.`,
		Example:           "  landfall cluster remove green",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return remove(cmd.Context(), c, args[0], force, dryRun)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "although environments run on it")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be removed, and change nothing")
	return cmd
}

// removal is what the command prints for programs.
type removal struct {
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
	DryRun  bool   `json:"dryRun,omitempty"`
}

func remove(ctx context.Context, c *command.Context, name string, force, dryRun bool) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	cluster, err := ask.Cluster(ctx, c, name)
	if fault.ClassOf(err) == fault.NotFound {
		return printRemoval(c, removal{Name: name, Removed: true}, "cluster "+name+" does not exist: nothing to remove")
	}
	if err != nil {
		return err
	}
	if err := unused(ctx, cl, name, force); err != nil {
		return err
	}
	if dryRun {
		return printRemoval(c, removal{Name: name, DryRun: true}, "would forget cluster "+name)
	}
	if err := client.IgnoreNotFound(cl.Delete(ctx, cluster)); err != nil {
		return command.Explain(err)
	}
	if err := removeSecret(ctx, cl, cluster); err != nil {
		return command.Explain(err)
	}
	return printRemoval(c, removal{Name: name, Removed: true}, "cluster "+name+" is forgotten")
}

// unused refuses while environments run on the cluster.
func unused(ctx context.Context, cl client.Client, name string, force bool) error {
	var envs v1alpha1.EnvironmentList
	if err := cl.List(ctx, &envs); err != nil {
		return command.Explain(err)
	}
	var running []string
	for _, env := range envs.Items {
		if slices.Contains(environment.Clusters(&env), name) {
			running = append(running, env.Namespace+"/"+env.Name)
		}
	}
	if len(running) > 0 && !force {
		return fault.New(fault.Refused, "Delete them first, or give --force to leave there what is there.",
			"removing cluster %s: environments run on it: %v", name, running)
	}
	return nil
}

// removeSecret removes the kubeconfig where `cluster add` made it.
func removeSecret(ctx context.Context, cl client.Client, cluster *v1alpha1.Cluster) error {
	ref := cluster.Spec.KubeconfigSecret
	if ref == nil || ref.Namespace != provision.Namespace || ref.Name != "cluster-"+cluster.Name {
		return nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	return client.IgnoreNotFound(cl.Delete(ctx, secret))
}

func printRemoval(c *command.Context, r removal, text string) error {
	return c.Print(r, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
