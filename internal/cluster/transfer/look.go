package transfer

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// Resource is a kind of objects as a cluster serves it.
type Resource struct {
	schema.GroupVersionResource
	Kind       schema.GroupKind
	Namespaced bool
	// Versions in which it is served; that of the GroupVersionResource is the one
	// that the cluster prefers.
	Versions []string
}

// Resources are those that the cluster serves and that can be listed and
// created, by kind. Groups that cannot be asked for are unreadable.
func (c *Cluster) Resources(ctx context.Context) (map[schema.GroupKind]Resource, []Unreadable, error) {
	found, unreadable, err := c.resources(ctx)
	all := make(map[schema.GroupKind]Resource, len(found))
	for k, r := range found {
		all[k] = Resource{GroupVersionResource: r.GroupVersionResource, Kind: k, Namespaced: r.namespaced, Versions: r.versions}
	}
	return all, unreadable, err
}

// Look lists the objects of several resources at once, each in the version of
// its GroupVersionResource. visit is called by one goroutine at a time, and
// may keep the object. What cannot be listed is unreadable; err is that of ctx.
func (c *Cluster) Look(ctx context.Context, resources []Resource, s Selection, visit func(*unstructured.Unstructured)) ([]Unreadable, error) {
	asked := make([]served, 0, len(resources))
	for _, r := range resources {
		asked = append(asked, served{GroupVersionResource: r.GroupVersionResource, kind: r.Kind, namespaced: r.Namespaced, versions: r.Versions})
	}
	return c.eachOf(ctx, asked, s, visit)
}

// Version of the cluster's API server.
func (c *Cluster) Version(ctx context.Context) (*version.Info, error) {
	info, err := c.discovery.ServerVersionWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking cluster %s for its version: %w", c.Name, err)
	}
	return info, nil
}

// Issuer of the cluster's service account tokens: whom clouds trust that let
// service accounts take roles.
func (c *Cluster) Issuer(ctx context.Context) (string, error) {
	raw, err := c.discovery.RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("asking cluster %s for its token issuer: %w", c.Name, err)
	}
	var configuration struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &configuration); err != nil {
		return "", fmt.Errorf("reading the token issuer of cluster %s: %w", c.Name, err)
	}
	return configuration.Issuer, nil
}
