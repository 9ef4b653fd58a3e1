package command

import (
	"context"
	"os/user"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	authenticationv1 "k8s.io/api/authentication/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// QuickTimeout bounds questions whose answer is nice to have.
const QuickTimeout = 3 * time.Second

// KubeFlags say which cluster to talk to, with the meaning kubectl gives them.
type KubeFlags struct {
	Kubeconfig string
	Context    string
	Namespace  string
}

// kubeAccess keeps what is made at the first use.
type kubeAccess struct {
	mu     sync.Mutex
	config *rest.Config
	client client.WithWatch
}

// Scheme knows Landfall's kinds, those of Kubernetes, and CRDs.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // only on a programming error: conflicting registrations
		}
	}
	return scheme
}

// KubeConfig gives the lazily read kubeconfig that the flags select.
func (c *Context) KubeConfig() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kube.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.Kube.Context}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// Namespace is the project namespace: the flag, the context's, or "default".
func (c *Context) Namespace() string {
	if c.Kube.Namespace != "" {
		return c.Kube.Namespace
	}
	if name, _, err := c.KubeConfig().Namespace(); err == nil && name != "" {
		return name
	}
	return "default"
}

// RESTConfig says how to reach the selected cluster. The caller gets a copy.
func (c *Context) RESTConfig() (*rest.Config, error) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	return c.restConfig()
}

func (c *Context) restConfig() (*rest.Config, error) {
	if c.kube.config == nil {
		config, err := c.KubeConfig().ClientConfig()
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, kubeconfigError(err), "Run `landfall up` for a local cluster, or choose one with --kubeconfig and --context.")
		}
		config.QPS, config.Burst = 200, 400
		config.UserAgent = "landfall"
		config.WarningHandler = rest.NoWarnings{}
		c.kube.config = config
	}
	return rest.CopyConfig(c.kube.config), nil
}

// Client reaches the selected cluster. It is made once.
func (c *Context) Client() (client.WithWatch, error) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	if c.kube.client != nil {
		return c.kube.client, nil
	}
	config, err := c.restConfig()
	if err != nil {
		return nil, err
	}
	made, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, Explain(err)
	}
	c.kube.client = made
	return made, nil
}

// SetClient replaces the client, for tests.
func (c *Context) SetClient(replacement client.WithWatch) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	c.kube.client = replacement
}

// WhoAmI names the person behind this run for the record: --author,
// $LANDFALL_AUTHOR, the cluster's idea of the user where it is a person's
// name, or the user of the operating system.
func (c *Context) WhoAmI(ctx context.Context) string {
	if c.Author != "" {
		return c.Author
	}
	if author := c.Getenv("LANDFALL_AUTHOR"); author != "" {
		return author
	}
	if author := c.clusterUser(ctx); author != "" {
		return author
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func (c *Context) clusterUser(ctx context.Context) string {
	cl, err := c.Client()
	if err != nil {
		return ""
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := cl.Create(ctx, review); err != nil {
		return ""
	}
	name := review.Status.UserInfo.Username
	if sharedUser(name) {
		return ""
	}
	return name
}
