package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Cluster is one side of a transfer. It is safe for concurrent use.
type Cluster struct {
	Name      string
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient
}

// Limits towards a cluster. There is no rate limit on our side: API servers
// have fair queues of their own and say when it is too much, which the client
// obeys.
const (
	listsAtOnce = 8
	pageSize    = 500
)

// Connect makes a Cluster of a configuration. Nothing is asked yet.
func Connect(name string, config *rest.Config) (*Cluster, error) {
	c := rest.CopyConfig(config)
	c.QPS, c.Burst, c.RateLimiter = -1, 0, nil
	c.UserAgent = "landfall-transfer"
	c.WarningHandler = rest.NoWarnings{} // of old versions that objects have: parity and preflight speak of them
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	d, err := dynamic.NewForConfigAndClient(c, client)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	discover, err := discovery.NewDiscoveryClientForConfigAndClient(c, client)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	return &Cluster{Name: name, dynamic: d, discovery: discover}, nil
}

// Key names an object whatever the version of its API.
type Key struct {
	Kind            schema.GroupKind
	Namespace, Name string
}

// String reads "Deployment shop/web", or "Namespace shop".
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind.Kind + " " + k.Name
	}
	return k.Kind.Kind + " " + k.Namespace + "/" + k.Name
}

// KeyOf names an object.
func KeyOf(u *unstructured.Unstructured) Key {
	return Key{u.GroupVersionKind().GroupKind(), u.GetNamespace(), u.GetName()}
}

// MarshalJSON writes the fields that people know an object by.
func (k Key) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Group     string `json:"group,omitempty"`
		Kind      string `json:"kind"`
		Namespace string `json:"namespace,omitempty"`
		Name      string `json:"name"`
	}{k.Kind.Group, k.Kind.Kind, k.Namespace, k.Name})
}

// Compare orders keys by kind, namespace and name.
func (k Key) Compare(other Key) int {
	return strings.Compare(k.Kind.String()+"\x00"+k.Namespace+"\x00"+k.Name, other.Kind.String()+"\x00"+other.Namespace+"\x00"+other.Name)
}

// Resources gives what the cluster serves that can be listed and created, by
// kind, in the version it prefers. Groups that cannot be discovered (an
// aggregated API that is down) come back as unreadable.
func (c *Cluster) Resources(ctx context.Context) (map[schema.GroupKind]Resource, []Unreadable, error) {
	groups, lists, err := c.discovery.ServerGroupsAndResourcesWithContext(ctx)
	var partial *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partial) {
		return nil, nil, fault.Wrap(fault.Failed, fmt.Errorf("asking cluster %s what it serves: %w", c.Name, err), "Check that the cluster answers and accepts the credentials.")
	}
	var unreadable []Unreadable
	if partial != nil {
		for gv, reason := range partial.Groups {
			unreadable = append(unreadable, Unreadable{What: gv.String(), Reason: reason.Error()})
		}
	}
	preferred := map[string]string{}
	for _, g := range groups {
		preferred[g.Name] = g.PreferredVersion.Version
	}
	found := map[schema.GroupKind]Resource{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, api := range list.APIResources {
			if strings.Contains(api.Name, "/") || !slices.Contains(api.Verbs, "list") || !slices.Contains(api.Verbs, "create") {
				continue
			}
			k := kind(gv.Group, api.Kind)
			r, seen := found[k]
			if !seen || gv.Version == preferred[gv.Group] {
				versions := r.Versions
				r = Resource{GroupVersionResource: gv.WithResource(api.Name), Kind: k, Namespaced: api.Namespaced, Versions: versions}
			}
			r.Versions = append(r.Versions, gv.Version)
			found[k] = r
		}
	}
	return found, unreadable, nil
}

// Unreadable is something that could not be read: nothing is known of it, which
// is not the same as that it is not there.
type Unreadable struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// each lists the resource's objects, page by page.
func (c *Cluster) each(ctx context.Context, r Resource, s Selection, visit func(*unstructured.Unstructured) error) error {
	namespaces := s.Namespaces
	if !r.Namespaced || len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		lister := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.dynamic.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, o)
		})
		lister.PageSize = pageSize
		err := lister.EachListItem(ctx, metav1.ListOptions{LabelSelector: s.Labels}, func(o runtime.Object) error {
			u, ok := o.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("got a %T", o)
			}
			return visit(u)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Look lists the objects of several resources at once, each in the version of
// its GroupVersionResource. visit is called by one goroutine at a time, and may
// keep the object. What cannot be listed is unreadable; err is that of ctx.
func (c *Cluster) Look(ctx context.Context, resources []Resource, s Selection, visit func(*unstructured.Unstructured)) ([]Unreadable, error) {
	var mu sync.Mutex
	var unreadable []Unreadable
	var group errgroup.Group
	group.SetLimit(listsAtOnce)
	for _, r := range resources {
		group.Go(func() error {
			err := c.each(ctx, r, s, func(u *unstructured.Unstructured) error {
				mu.Lock()
				defer mu.Unlock()
				visit(u)
				return nil
			})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				unreadable = append(unreadable, Unreadable{What: r.Kind.String(), Reason: err.Error()})
			}
			return nil
		})
	}
	_ = group.Wait() // errors are collected above
	return unreadable, ctx.Err()
}

// Selection says which objects are meant.
type Selection struct {
	// Namespaces of the source; all but the system's if empty.
	Namespaces []string
	// Labels is a label selector.
	Labels string
	// Skip says why an object of the source is left to somebody else, or "". It
	// is called by one goroutine at a time. Nil skips nothing.
	Skip func(*unstructured.Unstructured) string
}

// all tells whether everything is meant.
func (s Selection) all() bool { return len(s.Namespaces) == 0 && s.Labels == "" }
