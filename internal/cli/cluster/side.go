package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
)

// contextPrefix marks a side that is a context of the user's kubeconfig.
const contextPrefix = "context:"

// Sides is what the help of commands with a FROM and a TO says about them.
const Sides = `FROM and TO are names of clusters that Landfall knows (landfall cluster list), or
context:NAME for a context of the kubeconfig, which needs no Landfall anywhere.`

// Side connects to one side of something between two clusters: a Cluster object
// by its name, or context:NAME of the kubeconfig.
func Side(ctx context.Context, c *command.Context, name string) (*transfer.Cluster, error) {
	config, err := SideConfig(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return transfer.Connect(strings.TrimPrefix(name, contextPrefix), config)
}

// BothSides connects to two different sides.
func BothSides(ctx context.Context, c *command.Context, from, to string) (source, target *transfer.Cluster, err error) {
	if from == to {
		return nil, nil, fault.New(fault.Invalid, "Name two clusters.", "comparing FROM and TO: both are %s", from)
	}
	source, err1 := Side(ctx, c, from)
	target, err2 := Side(ctx, c, to)
	return source, target, errors.Join(err1, err2)
}

// SideConfig says how to reach what Side connects to.
func SideConfig(ctx context.Context, c *command.Context, name string) (*rest.Config, error) {
	if selected, ok := strings.CutPrefix(name, contextPrefix); ok {
		return contextConfig(c, selected)
	}
	cluster, err := ask.Cluster(ctx, c, name)
	if fault.ClassOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "`landfall cluster list` shows what there is; "+contextPrefix+name+" would be a context of the kubeconfig.", "cluster %s does not exist", name)
	}
	if err != nil {
		return nil, err
	}
	return ask.ClusterConfig(ctx, c, cluster)
}

// contextConfig reaches what a context of the kubeconfig describes.
func contextConfig(c *command.Context, name string) (*rest.Config, error) {
	raw, err := c.KubeConfig().RawConfig()
	if err != nil {
		return nil, fault.New(fault.Invalid, "Choose a kubeconfig with --kubeconfig.", "reading the kubeconfig: %w", err)
	}
	if raw.Contexts[name] == nil {
		return nil, fault.New(fault.NotFound, "`kubectl config get-contexts` shows what there is; --kubeconfig chooses another file.", "context %s does not exist in the kubeconfig", name)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(raw, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fault.New(fault.Invalid, "`kubectl config view` shows what the file holds.", "reading context %s of the kubeconfig: %w", name, err)
	}
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// Scope is what of FROM a command is about, and how its namespaces are named in
// TO.
type Scope struct {
	transfer.Selection
	rename []string
}

// AddFlags lets users choose it.
func (s *Scope) AddFlags(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&s.Namespaces, "namespace", "n", nil, "only what is in these `namespaces` of FROM (repeatable); by default everything but the system's")
	flags.StringVarP(&s.Labels, "selector", "l", "", "only what these `labels` select, with the namespaces and definitions it needs")
	flags.StringSliceVar(&s.rename, "rename", nil, "`OLD=NEW`: another name for a namespace in TO (repeatable)")
}

// Renamed are the names in TO by those in FROM, where they differ.
func (s *Scope) Renamed() (map[string]string, error) { return command.Pairs("rename", s.rename) }

// CompleteSideNamespaces completes a flag that takes namespaces of the side that
// the argument at this position names, with commas between.
func CompleteSideNamespaces(c *command.Context, at int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if at >= len(args) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
		defer cancel()
		names, err := namespacesOf(ctx, c, args[at])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ask.CompleteLists(names...)(cmd, args, typed)
	}
}

func namespacesOf(ctx context.Context, c *command.Context, side string) ([]string, error) {
	config, err := SideConfig(ctx, c, side)
	if err != nil {
		return nil, err
	}
	cl, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	list, err := cl.Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list.Items))
	for i, namespace := range list.Items {
		names[i] = namespace.Name
	}
	return names, nil
}

// CompleteSides completes up to n arguments by clusters and contexts.
func CompleteSides(c *command.Context, n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := ask.CompleteClusters(c)(cmd, args, typed)
		if raw, err := c.KubeConfig().RawConfig(); err == nil {
			for _, name := range slices.Sorted(maps.Keys(raw.Contexts)) {
				found = append(found, contextPrefix+name)
			}
		}
		return slices.DeleteFunc(found, func(side string) bool { return slices.Contains(args, side) }), directive
	}
}
