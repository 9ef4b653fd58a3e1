package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/controller/cluster"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// askTimeout bounds one look at a cluster.
const askTimeout = 10 * time.Second

// asker gets a cluster's facts.
func asker(pool *kube.Pool) func(context.Context, string) (cluster.Facts, error) {
	return func(ctx context.Context, name string) (cluster.Facts, error) {
		target, err := pool.Target(ctx, name)
		if err != nil {
			return cluster.Facts{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		facts := cluster.Facts{Endpoint: target.Config.Host, CertificateAuthority: target.Config.CAData}
		if facts.Version, err = target.Version(ctx); err != nil {
			return cluster.Facts{}, err
		}
		var nodes corev1.NodeList
		if err := target.Client.List(ctx, &nodes); err != nil {
			return cluster.Facts{}, fmt.Errorf("listing nodes of cluster %s: %w", name, err)
		}
		for i := range nodes.Items {
			if nodeReady(&nodes.Items[i]) {
				facts.Nodes++
			}
		}
		return facts, nil
	}
}

func nodeReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// apisFor is how long it is believed what kinds a cluster serves.
const apisFor = time.Minute

// apiCache knows what clusters serve. Safe for concurrent use.
type apiCache struct {
	pool *kube.Pool

	mu    sync.Mutex
	known map[string]knownAPIs
}

type knownAPIs struct {
	versions []string
	until    time.Time
}

func newAPICache(pool *kube.Pool) *apiCache {
	return &apiCache{pool: pool, known: map[string]knownAPIs{}}
}

// get says what a cluster serves. A cluster that cannot be asked is taken to
// serve the built-in kinds: rendering must not depend on its mood.
func (c *apiCache) get(ctx context.Context, name string) environment.APIs {
	target, err := c.pool.Target(ctx, name)
	if err != nil {
		return environment.APIs{}
	}
	return environment.APIs{Versions: c.versions(ctx, name, target), Namespaced: scopes(target)}
}

func (c *apiCache) versions(ctx context.Context, name string, target *kube.Target) []string {
	c.mu.Lock()
	known := c.known[name]
	c.mu.Unlock()
	if time.Now().Before(known.until) {
		return known.versions
	}
	served, err := served(target)
	if err != nil {
		log.FromContext(ctx).Info("cannot tell all that the cluster serves", "cluster", name, "reason", err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[name] = knownAPIs{served, time.Now().Add(apisFor)}
	return served
}

// served lists group versions and kinds. What a broken aggregated API hides is
// left out and named by the error.
func served(target *kube.Target) ([]string, error) {
	client, err := discovery.NewDiscoveryClientForConfig(target.Config)
	if err != nil {
		return nil, err
	}
	_, lists, err := client.ServerGroupsAndResources()
	var versions []string
	for _, list := range lists {
		versions = append(versions, list.GroupVersion)
		for _, resource := range list.APIResources {
			versions = append(versions, list.GroupVersion+"/"+resource.Kind)
		}
	}
	return versions, err
}

func scopes(target *kube.Target) func(schema.GroupKind) (namespaced, known bool) {
	return func(kind schema.GroupKind) (bool, bool) {
		mapping, err := target.Mapper.RESTMapping(kind)
		if err != nil {
			return false, false
		}
		return mapping.Scope.Name() == meta.RESTScopeNameNamespace, true
	}
}
