package kubeconfig

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
)

// completeRoles completes --role by all roles that clusters have.
func completeRoles(c *command.Context) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		names := map[string]bool{}
		for _, cluster := range clustersNow(cmd, c) {
			for _, role := range cluster.Spec.Roles {
				names[role.Name] = true
			}
		}
		return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeUse completes --use by the contexts that there may be.
func completeUse(c *command.Context) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		found := []string{access.Alias}
		for _, cluster := range clustersNow(cmd, c) {
			if len(cluster.Spec.Roles) == 0 {
				found = append(found, cluster.Name+"-"+soleRole)
			}
			for _, role := range cluster.Spec.Roles {
				found = append(found, cluster.Name+"-"+role.Name)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

func clustersNow(cmd *cobra.Command, c *command.Context) []v1alpha1.Cluster {
	ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
	defer cancel()
	cl, err := c.Client()
	if err != nil {
		return nil
	}
	var list v1alpha1.ClusterList
	if cl.List(ctx, &list) != nil {
		return nil
	}
	return list.Items
}
