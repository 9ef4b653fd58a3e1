package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/fault"
)

// systemNamespace holds the kubeconfig Secrets.
const systemNamespace = "landfall-system"

type addFlags struct {
	kubeconfig, context, server string
	domain, ingress, gateway    string
	allowFrom                   []string
	port                        int32
	tls, dryRun                 bool
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
	f.StringVar(&flags.server, "server", "", "`URL` of the API server as Landfall's pods reach it, where it differs")
	f.StringVar(&flags.domain, "domain", "", "`domain` below which environments get their hostnames")
	f.StringVar(&flags.ingress, "ingress-class", "", "`class` of the Ingresses that lead to public components")
	f.StringVar(&flags.gateway, "gateway", "", "`NAMESPACE/NAME` of the Gateway that HTTPRoutes attach to, instead of Ingresses")
	f.StringSliceVar(&flags.allowFrom, "allow-from", nil, "`namespaces` of the ingress controller or gateway, whose pods may reach public components")
	f.Int32Var(&flags.port, "port", 0, "`port` in URLs, where it is not the scheme's own")
	f.BoolVar(&flags.tls, "tls", false, "URLs are https")
	f.BoolVar(&flags.dryRun, "dry-run", false, "let the API server check everything, and change nothing")
	return cmd
}

func add(ctx context.Context, c *command.Context, name string, flags addFlags) error {
	route, err := chosenRouting(flags)
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
		cluster.Spec.KubeconfigSecret = &v1alpha1.SecretKeyRef{Namespace: secret.Namespace, Name: secret.Name, Key: "kubeconfig"}
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

func chosenRouting(flags addFlags) (*v1alpha1.Routing, error) {
	if flags.domain == "" && flags.ingress == "" && flags.gateway == "" {
		return nil, nil
	}
	if flags.domain == "" || (flags.ingress == "") == (flags.gateway == "") {
		return nil, fault.New(fault.Invalid, "Give --domain and one of --ingress-class and --gateway.", "adding a cluster: the routing is not complete")
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
	if err := complete(config); err != nil {
		return nil, "", fault.New(fault.Invalid, "`kubectl config view` shows what the file holds; --from-context chooses.", "reading %s: %w", flags.kubeconfig, err)
	}
	if flags.server != "" {
		endpoint = config.Clusters[config.Contexts[config.CurrentContext].Cluster].Server
	}
	if err := reachableFromPods(config, flags.server); err != nil {
		return nil, "", fault.Wrap(fault.ClassOf(err), fmt.Errorf("adding cluster %s: %w", name, err), fault.HintOf(err))
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, "", fmt.Errorf("writing the kubeconfig of cluster %s: %w", name, err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "cluster-" + name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager}},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{"kubeconfig": text},
	}, endpoint, nil
}

// complete reduces the config to its current context, files read in.
func complete(config *api.Config) error {
	if config.Contexts[config.CurrentContext] == nil {
		return fmt.Errorf("there is no context %q", config.CurrentContext)
	}
	if err := api.MinifyConfig(config); err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		if cluster.Server == "" {
			return errors.New("the cluster has no server")
		}
	}
	return api.FlattenConfig(config)
}

// reachableFromPods refuses what works on this machine only.
func reachableFromPods(config *api.Config, server string) error {
	for _, cluster := range config.Clusters {
		if server != "" {
			cluster.Server = server
		}
		u, err := url.Parse(cluster.Server)
		if err != nil {
			return fault.New(fault.Invalid, "", "the server's URL: %w", err)
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return fault.New(fault.Invalid, "Give the address that pods reach it by: --server https://HOST:6443.",
				"its server %s is this machine's own: Landfall's pods cannot reach it", cluster.Server)
		}
	}
	for _, user := range config.AuthInfos {
		if user.Exec != nil {
			return fault.New(fault.Invalid, "Use a ServiceAccount's token, or a client certificate.",
				"its user logs in by the program %s, which Landfall's pods do not have", user.Exec.Command)
		}
	}
	return nil
}
