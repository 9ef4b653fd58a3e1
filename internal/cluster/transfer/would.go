package transfer

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// WouldBe asks the cluster what it would make of an object in the place of the
// one that it has under the same name: with its defaults, and what its admission
// adds. Where that one cannot become it, it is asked about a new object. Nothing
// is written.
func (c *Cluster) WouldBe(ctx context.Context, r Resource, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	r.Version = object.GroupVersionKind().Version
	resource := c.dynamic.Resource(r.GroupVersionResource).Namespace(object.GetNamespace())
	made, err := replace(ctx, resource, object, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: manager})
	if apierrors.IsInvalid(err) {
		anew := object.DeepCopy()
		anew.SetName(object.GetName() + "-anew")
		if made, err = resource.Create(ctx, anew, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err == nil {
			made.SetName(object.GetName())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("asking cluster %s what it would make of %s: %w", c.Name, KeyOf(object), err)
	}
	return made, nil
}
