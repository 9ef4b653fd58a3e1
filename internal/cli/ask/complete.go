package ask

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

// complete is a cobra completion function.
type complete = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// CompleteEnvironments completes up to n arguments by environments' names.
func CompleteEnvironments(c *command.Context, n int) complete {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list v1alpha1.EnvironmentList
		var found []string
		if lists(cmd, c, &list) {
			for _, env := range list.Items {
				found = append(found, env.Name+"\t"+string(env.Status.Phase))
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteBlueprints completes a flag by blueprints' names.
func CompleteBlueprints(c *command.Context) complete {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var list v1alpha1.BlueprintList
		var found []string
		if lists(cmd, c, &list) {
			for _, bp := range list.Items {
				found = append(found, bp.Name)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteBlueprintsOfAll completes a flag of the form PROJECT/BLUEPRINT by the
// blueprints of all projects.
func CompleteBlueprintsOfAll(c *command.Context) complete {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var list v1alpha1.BlueprintList
		var found []string
		if lists(cmd, c, &list, client.InNamespace("")) {
			for _, bp := range list.Items {
				found = append(found, bp.Namespace+"/"+bp.Name)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteClusters completes a flag by clusters' names.
func CompleteClusters(c *command.Context) complete {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var list v1alpha1.ClusterList
		var found []string
		if lists(cmd, c, &list) {
			for _, cluster := range list.Items {
				found = append(found, cluster.Name)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteComponents completes a flag of the form COMPONENT=VERSION by the
// components of the environment that the first argument names.
func CompleteComponents(c *command.Context) complete {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
		defer cancel()
		env, err := Environment(ctx, c, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, component := range env.Status.Components {
			found = append(found, component.Name+"=\t"+component.Version)
		}
		return found, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteReleases completes a flag by the numbers of the environment's
// releases.
func CompleteReleases(c *command.Context) complete {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
		defer cancel()
		releases, err := Releases(ctx, c, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, r := range releases {
			found = append(found, fmt.Sprintf("%d\t%s %s", r.Spec.Number, r.Status.Phase, Versions(r.Spec.Components)))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteWords completes a flag that takes one of a few words.
func CompleteWords[T ~string](words ...T) complete {
	var all []string
	for _, word := range words {
		all = append(all, string(word))
	}
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
}

// CompleteStages completes a flag by the stages of environments and data.
func CompleteStages() complete {
	return CompleteWords(v1alpha1.StageProduction, v1alpha1.StageStaging, v1alpha1.StageTest, v1alpha1.StageDevelopment)
}

// CompleteContexts completes a flag by the contexts of the kubeconfig.
func CompleteContexts(c *command.Context) complete {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		config, err := c.KubeConfig().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(config.Contexts)), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteNamespaces completes a flag by the namespaces of the management
// cluster.
func CompleteNamespaces(c *command.Context) complete {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		cl, err := c.Client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
		defer cancel()
		var list corev1.NamespaceList
		if cl.List(ctx, &list) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, namespace := range list.Items {
			found = append(found, namespace.Name)
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// lists reads a list of the project unless options say otherwise, quickly or not
// at all.
func lists(cmd *cobra.Command, c *command.Context, into client.ObjectList, options ...client.ListOption) bool {
	cl, err := c.Client()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
	defer cancel()
	return cl.List(ctx, into, append([]client.ListOption{client.InNamespace(c.Namespace())}, options...)...) == nil
}
