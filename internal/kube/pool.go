package kube

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
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
	opts PoolOptions
}

// NewPool makes an empty pool.
func NewPool(opts PoolOptions) *Pool { return &Pool{opts: opts} }

// Target gives the target of a Cluster. It does not connect: that the cluster
// answers shows at the first verb. Errors: fault.NotFound for an unknown
// Cluster, fault.Invalid for a kubeconfig that is absent or cannot be used.
func (p *Pool) Target(ctx context.Context, cluster string) (*Target, error) {
	return nil, errors.ErrUnsupported
}

// Drop closes a cluster's target, if there is one.
func (p *Pool) Drop(cluster string) {}

// Close closes all targets.
func (p *Pool) Close() {}

// Start makes the pool enqueue the Environment (by namespace and name) whose
// objects changed on any cluster. It implements source.Source.
func (p *Pool) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	return errors.ErrUnsupported
}

// Target is one cluster. Its clients are not throttled on our side: the server's
// priority and fairness is what shares it.
type Target struct {
	// Client reads and writes the cluster itself, without a cache.
	Client client.Client
	// Mapper knows the cluster's kinds; it asks again for unknown ones.
	Mapper meta.RESTMapper
	// Config reaches the cluster, for streaming logs and the like.
	Config *rest.Config
}

// TargetOptions are what a Target can be told.
type TargetOptions struct {
	// Notify is called with the Environment whose object changed. It must not
	// block. Nil means nothing is watched for events.
	Notify func(environment types.NamespacedName)
	// Requests counts API requests by cluster and verb; nil means none.
	Requests *prometheus.CounterVec
}

// NewTarget makes a target without a Pool, for commands and tests. Close it.
func NewTarget(name string, config *rest.Config, opts TargetOptions) (*Target, error) {
	return nil, errors.ErrUnsupported
}

// Close stops watching. The target must not be used afterwards.
func (t *Target) Close() {}

// Version asks the API server for its version, within 5 seconds. It is the
// cheap way to tell that a cluster is reachable.
func (t *Target) Version(ctx context.Context) (string, error) { return "", errors.ErrUnsupported }

// Requests counts the API requests made so far, by verb.
func (t *Target) Requests() map[string]int64 { return nil }
