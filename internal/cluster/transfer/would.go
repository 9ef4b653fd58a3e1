package transfer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// WouldBe asks the cluster what it would make of an object in the place of the
// one that it has under the same name: with its defaults, and what its admission
// adds. Nothing is written.
func (c *Cluster) WouldBe(ctx context.Context, r Resource, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	r.Version = object.GroupVersionKind().Version
	made, err := replace(ctx, c.dynamic.Resource(r.GroupVersionResource).Namespace(object.GetNamespace()), object, []string{metav1.DryRunAll})
	if err != nil {
		return nil, fmt.Errorf("asking cluster %s what it would make of %s: %w", c.Name, KeyOf(object), err)
	}
	return made, nil
}
