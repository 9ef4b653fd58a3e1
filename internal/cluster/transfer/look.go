package transfer

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
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

// Objects is the API of one kind of objects, in a namespace or, with "", in all.
func (c *Cluster) Objects(r schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	return c.dynamic.Resource(r).Namespace(namespace)
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

// Travels tells whether objects of the kind are copied at all: some say what is
// so in one cluster.
func Travels(k schema.GroupKind) bool { return never[k] == "" }
