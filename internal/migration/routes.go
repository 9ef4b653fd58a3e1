package migration

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/gatewayapi"
)

func (b Binder) gatewayAPI(ctx context.Context, m *v1alpha1.Migration, r *v1alpha1.GatewayAPIRouter) (traffic.Router, error) {
	cluster, err := b.Cluster(ctx, r.Cluster)
	if err != nil {
		return nil, err
	}
	namespace := r.Namespace
	if namespace == "" {
		namespace = m.Namespace
	}
	router, err := gatewayapi.New(gatewayapi.Config{
		API: routes{cluster}, Namespace: namespace, Route: r.Route, Rule: r.Rule, Hostname: m.Spec.Hostname, Migration: ownerName(m),
		Old: gatewaySide(m.Spec.From), New: gatewaySide(m.Spec.To), Pin: r.Pin, Now: b.Clock,
	})
	if err != nil {
		return nil, err
	}
	return router, nil
}

func gatewaySide(s v1alpha1.MigrationSide) gatewayapi.Target {
	return gatewayapi.Target{Name: s.Name, Service: s.GatewayAPI.Service, Namespace: s.GatewayAPI.Namespace, Port: s.GatewayAPI.Port}
}

// ownerName is what a migration writes beside what it owns.
func ownerName(m *v1alpha1.Migration) string { return m.Namespace + "/" + m.Name }

// fieldManager is Landfall's in managedFields.
const fieldManager = "landfall"

// routes is a cluster as the router of Gateway API needs it.
type routes struct{ client client.Client }

func (r routes) Get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	return obj, r.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, obj)
}

func (r routes) List(ctx context.Context, kind schema.GroupVersionKind, namespace string, labels map[string]string) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	if err := r.client.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (r routes) Patch(ctx context.Context, kind schema.GroupVersionKind, namespace, name string, patch []byte) error {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	if err := r.client.Patch(ctx, obj, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("patching: %w", err)
	}
	return nil
}
