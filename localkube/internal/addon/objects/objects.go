// Package objects holds the Kubernetes objects of the add-ons: Services and
// EndpointSlices that lead into the control plane, the APIService of the
// metrics API, the default StorageClass, and what each add-on's client
// certificate may do. Render computes them, Apply puts them into a cluster.
package objects

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/template"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// FieldManager is the name under which Apply owns the objects' fields.
const FieldManager = "localkube"

//go:embed manifests/*.yaml
var manifests embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(manifests, "manifests/*.yaml"))

// Params is what the objects of one cluster depend on.
type Params struct {
	// ControlPlaneIP is the IPv4 address where the add-ons listen.
	ControlPlaneIP netip.Addr
	// DNSServiceIP is the cluster IP that nodes give their pods as name server.
	DNSServiceIP netip.Addr
	// CABundle is the PEM certificate of the authority that signed the metrics
	// API's serving certificate.
	CABundle []byte
}

// Render computes the objects. None needs another to be there first.
func Render(params Params) ([]*unstructured.Unstructured, error) {
	if !params.ControlPlaneIP.Is4() || !params.DNSServiceIP.Is4() || len(params.CABundle) == 0 {
		return nil, errors.New("rendering add-on objects: addresses must be IPv4 and the CA bundle given")
	}
	var all []*unstructured.Unstructured
	for _, name := range []string{"dns.yaml", "metrics.yaml", "provisioner.yaml", "netpol.yaml"} {
		objects, err := renderFile(name, params)
		if err != nil {
			return nil, fmt.Errorf("rendering add-on objects %s: %w", name, err)
		}
		all = append(all, objects...)
	}
	return all, nil
}

func renderFile(name string, params Params) ([]*unstructured.Unstructured, error) {
	var out bytes.Buffer
	err := templates.ExecuteTemplate(&out, name, map[string]any{
		"ControlPlaneIP": params.ControlPlaneIP,
		"DNSServiceIP":   params.DNSServiceIP,
		"CABundle":       base64.StdEncoding.EncodeToString(params.CABundle),
	})
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(&out, 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		}
		objects = append(objects, object)
	}
}

// Apply brings the cluster's objects to what params ask for, by server-side
// apply. It may be repeated at every start.
func Apply(ctx context.Context, client dynamic.Interface, params Params) error {
	objects, err := Render(params)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, object := range objects {
		group.Go(func() error {
			if err := apply(ctx, client, object); err != nil {
				return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// apply derives the resource's name from the kind instead of asking discovery:
// that saves its round trips at every start, and discovery is incomplete just
// while the metrics API is away.
func apply(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured) error {
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	_, err := client.Resource(resource).Namespace(object.GetNamespace()).
		Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return err
}
