package cluster

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/fault"
)

// routingFlags say how environments on a cluster get their hostnames.
type routingFlags struct {
	domain, ingress, gateway string
	allowFrom                []string
	port                     int32
	tls                      bool
}

func (r *routingFlags) addTo(f *pflag.FlagSet) {
	f.StringVar(&r.domain, "domain", "", "`domain` below which environments get their hostnames")
	f.StringVar(&r.ingress, "ingress-class", "", "`class` of the Ingresses that lead to public components")
	f.StringVar(&r.gateway, "gateway", "", "`NAMESPACE/NAME` of the Gateway that HTTPRoutes attach to, instead of Ingresses")
	f.StringSliceVar(&r.allowFrom, "allow-from", nil, "`namespaces` of the ingress controller or gateway, whose pods may reach public components")
	f.Int32Var(&r.port, "port", 0, "`port` in URLs, where it is not the scheme's own")
	f.BoolVar(&r.tls, "tls", false, "URLs are https")
}

type addFlags struct {
	routingFlags
	kubeconfig, context, server string
	dryRun                      bool
}

func newAdd(c *command.Context) *cobra.Command {
	var flags addFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Let environments run on a cluster",
		Long: `Let environments run on a cluster that a kubeconfig describes. The part of the
kubeconfig that is needed is kept in a Secret of namespace landfall-system;
adding the same name again replaces it.

Without --from-kubeconfig it is the cluster that Landfall runs in.`,
		Example: `  landfall cluster add green --from-kubeconfig green.yaml --domain green.example.org --ingress-class nginx
  landfall cluster add edge --from-kubeconfig all.yaml --from-context edge --domain edge.example.org --gateway infra/public --tls`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return add(cmd.Context(), c, args[0], flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.kubeconfig, "from-kubeconfig", "", "`file` with the cluster's kubeconfig")
	f.StringVar(&flags.context, "from-context", "", "`name` of the context in that file; by default its current one")
	cmd.RegisterFlagCompletionFunc("from-context", flags.completeContexts)
	f.StringVar(&flags.server, "server", "", "`URL` of the API server as Landfall's pods reach it, where it differs")
	flags.addTo(f)
	f.BoolVar(&flags.dryRun, "dry-run", false, "let the API server check everything, and change nothing")
	return cmd
}

// completeContexts goes by the contexts of the file that is named.
func (f *addFlags) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := clientcmd.LoadFromFile(f.kubeconfig)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(config.Contexts)), cobra.ShellCompDirectiveNoFileComp
}

func add(ctx context.Context, c *command.Context, name string, flags addFlags) error {
	route, err := chosenRouting(flags.routingFlags)
	if err != nil {
		return err
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Routing: route}}
	wanted := []client.Object{cluster}
	if flags.kubeconfig != "" {
		secret, endpoint, err := kubeconfigSecret(name, flags)
		if err != nil {
			return err
		}
		cluster.Spec.Endpoint = endpoint
		cluster.Spec.KubeconfigSecret = provision.SecretRef(name)
		wanted = []client.Object{secret, cluster}
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	var all []objects.Applied
	for _, o := range wanted {
		applied, err := objects.Apply(ctx, cl, o, flags.dryRun)
		if err != nil {
			return err
		}
		all = append(all, applied)
	}
	return c.Print(all, func(w io.Writer) error {
		suffix := "; `landfall cluster get " + name + "` shows whether it answers"
		if flags.dryRun {
			suffix = " (dry run)"
		}
		_, err := fmt.Fprintf(w, "cluster %s %s%s\n", name, all[len(all)-1].Change, suffix)
		return err
	})
}

func chosenRouting(flags routingFlags) (*v1alpha1.Routing, error) {
	if flags.domain == "" && flags.ingress == "" && flags.gateway == "" {
		return nil, nil
	}
	if flags.domain == "" || (flags.ingress == "") == (flags.gateway == "") {
		return nil, fault.New(fault.Invalid, "Give --domain and one of --ingress-class and --gateway.", "reading the cluster's routing: it is not complete")
	}
	r := &v1alpha1.Routing{Domain: flags.domain, IngressClassName: flags.ingress, AllowFrom: flags.allowFrom, TLS: flags.tls}
	if flags.port != 0 {
		r.Port = &flags.port
	}
	if flags.gateway != "" {
		namespace, name, ok := strings.Cut(flags.gateway, "/")
		if !ok || namespace == "" || name == "" {
			return nil, fault.New(fault.Invalid, "Write --gateway NAMESPACE/NAME.", "reading --gateway %q: not NAMESPACE/NAME", flags.gateway)
		}
		r.Gateway = &v1alpha1.GatewayRef{Namespace: namespace, Name: name}
	}
	return r, nil
}

// kubeconfigSecret holds what is needed of the kubeconfig, complete in itself.
// The endpoint is the server as people reach it, where that is another.
func kubeconfigSecret(name string, flags addFlags) (secret *corev1.Secret, endpoint string, err error) {
	config, err := clientcmd.LoadFromFile(flags.kubeconfig)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "", "reading the kubeconfig of cluster %s: %w", name, err)
	}
	if flags.context != "" {
		config.CurrentContext = flags.context
	}
	if err := provision.Complete(config); err != nil {
		return nil, "", fault.New(fault.Invalid, "`kubectl config view` shows what the file holds; --from-context chooses.", "reading %s: %w", flags.kubeconfig, err)
	}
	endpoint = provision.SetServer(config, flags.server)
	if secret, err = provision.Secret(name, config); err != nil {
		return nil, "", fault.Wrap(fault.ClassOf(err), fmt.Errorf("adding cluster %s: %w", name, err), fault.HintOf(err))
	}
	return secret, endpoint, nil
}
