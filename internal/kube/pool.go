package kube

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// PoolOptions says where a Pool finds clusters.
type PoolOptions struct {
	// Reader of Cluster objects and of the Secrets that hold kubeconfigs.
	Reader client.Reader
	// Local is how to reach the cluster that holds the objects: that of Cluster
	// objects without kubeconfigSecret.
	Local *rest.Config
	// Registerer gets the metric landfall_kube_requests_total{cluster,verb}; nil
	// means none.
	Registerer prometheus.Registerer
}

// Pool hands out Targets by the name of their Cluster and keeps one for each,
// until its kubeconfig changes or it is dropped. It is an event source for
// controllers of Environments: start it by passing it to a builder's
// WatchesRawSource. Safe for concurrent use.
type Pool struct {
	opts   PoolOptions
	metric *prometheus.CounterVec

	mu      sync.Mutex
	targets map[string]pooled
	queues  []workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// pooled is a target and what it was made from.
type pooled struct {
	*Target
	source string
}

// NewPool makes an empty pool.
func NewPool(opts PoolOptions) *Pool {
	p := &Pool{opts: opts, targets: make(map[string]pooled)}
	p.metric = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "landfall_kube_requests_total",
		Help: "Requests to the API servers of clusters that environments run on.",
	}, []string{"cluster", "verb"})
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(p.metric)
	}
	return p
}

// Target gives the target of a Cluster. It does not connect: that the cluster
// answers shows at the first verb. Errors: fault.NotFound for an unknown
// Cluster, fault.Invalid for a kubeconfig that is absent or cannot be used.
func (p *Pool) Target(ctx context.Context, cluster string) (*Target, error) {
	config, source, err := p.config(ctx, cluster)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, found := p.targets[cluster]
	if found && known.source == source {
		return known.Target, nil
	}
	target, err := NewTarget(cluster, config, TargetOptions{Notify: p.notify, Requests: p.metric})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "check the kubeconfig of cluster "+cluster)
	}
	if found {
		known.Close()
	}
	p.targets[cluster] = pooled{target, source}
	return target, nil
}

// config finds how to reach a cluster; source changes whenever it does.
func (p *Pool) config(ctx context.Context, name string) (config *rest.Config, source string, err error) {
	var cluster v1alpha1.Cluster
	if err := p.opts.Reader.Get(ctx, client.ObjectKey{Name: name}, &cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, "", fault.New(fault.NotFound, "create it, or name one that `kubectl get clusters` lists", "there is no cluster %s", name)
		}
		return nil, "", fmt.Errorf("reading cluster %s: %w", name, err)
	}
	ref := cluster.Spec.KubeconfigSecret
	if ref == nil {
		return p.opts.Local, "local", nil
	}
	var secret corev1.Secret
	if err := p.opts.Reader.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, "", fault.New(fault.Invalid, "create the Secret, or correct spec.kubeconfigSecret",
				"cluster %s: its kubeconfig Secret %s/%s does not exist", name, ref.Namespace, ref.Name)
		}
		return nil, "", fmt.Errorf("reading the kubeconfig of cluster %s: %w", name, err)
	}
	key := ref.Key
	if key == "" {
		key = "kubeconfig"
	}
	if config, err = ParseKubeconfig(secret.Data[key]); err != nil {
		return nil, "", fault.Wrap(fault.Invalid, fmt.Errorf("cluster %s: key %s of Secret %s/%s: %w", name, key, ref.Namespace, ref.Name, err),
			"put a self-contained kubeconfig there: certificates and tokens inline, no commands")
	}
	return config, string(secret.UID) + "/" + secret.ResourceVersion + "/" + key, nil
}

// ParseKubeconfig reads a kubeconfig that came from an object: its current
// context, self-contained. Commands and file names in it are refused, because
// they would be run and read with our rights, not its author's. The error never
// quotes the contents.
func ParseKubeconfig(data []byte) (*rest.Config, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	kubeconfig, err := clientcmd.Load(data)
	if err != nil {
		return nil, fmt.Errorf("is not a kubeconfig")
	}
	if err := selfContained(kubeconfig); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading its current context %q: %w", kubeconfig.CurrentContext, err)
	}
	return config, nil
}

func selfContained(kubeconfig *clientcmdapi.Config) error {
	for name, user := range kubeconfig.AuthInfos {
		switch {
		case user.Exec != nil || user.AuthProvider != nil:
			return fmt.Errorf("user %s gets its credentials from a command", name)
		case user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "":
			return fmt.Errorf("user %s reads its credentials from files", name)
		}
	}
	for name, cluster := range kubeconfig.Clusters {
		if cluster.CertificateAuthority != "" {
			return fmt.Errorf("cluster %s reads its certificate authority from a file", name)
		}
	}
	return nil
}

// Drop closes a cluster's target, if there is one.
func (p *Pool) Drop(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, found := p.targets[cluster]; found {
		known.Close()
		delete(p.targets, cluster)
	}
}

// Close closes all targets.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, known := range p.targets {
		known.Close()
		delete(p.targets, name)
	}
}

// Start makes the pool enqueue the Environment (by namespace and name) whose
// objects changed on any cluster. It implements source.Source.
func (p *Pool) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues = append(p.queues, queue)
	return nil
}

func (p *Pool) notify(environment types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, queue := range p.queues {
		queue.Add(reconcile.Request{NamespacedName: environment})
	}
}
