package kube

import (
	"context"
	"fmt"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var replicas = fieldpath.NewSet(fieldpath.MakePathOrDie("spec", "replicas"))

// autoscaling answers, during one call, which objects are sized by a
// HorizontalPodAutoscaler. It asks the cluster at most once per namespace, and
// only where somebody has set replicas.
type autoscaling struct {
	target *Target

	mu    sync.Mutex
	known map[string]map[Identity]bool
}

func (t *Target) autoscaling() *autoscaling {
	return &autoscaling{target: t, known: make(map[string]map[Identity]bool)}
}

// without takes the number of replicas out of fields where an autoscaler sizes
// the object: whoever scaled it, the autoscaler has the last word.
func (a *autoscaling) without(ctx context.Context, obj *unstructured.Unstructured, fields *fieldpath.Set) (*fieldpath.Set, error) {
	if fields.Intersection(replicas).Empty() {
		return fields, nil
	}
	sized, err := a.sizes(ctx, obj)
	if err != nil || !sized {
		return fields, err
	}
	return fields.Difference(replicas), nil
}

func (a *autoscaling) sizes(ctx context.Context, obj *unstructured.Unstructured) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	namespace := obj.GetNamespace()
	if a.known[namespace] == nil {
		var list autoscalingv2.HorizontalPodAutoscalerList
		if err := a.target.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return false, fmt.Errorf("looking for autoscalers in namespace %s of cluster %s: %w", namespace, a.target.name, err)
		}
		a.known[namespace] = make(map[Identity]bool, len(list.Items))
		for _, hpa := range list.Items {
			ref := hpa.Spec.ScaleTargetRef
			kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()
			a.known[namespace][Identity{kind, namespace, ref.Name}] = true
		}
	}
	return a.known[namespace][IdentityOf(RefOf(obj))], nil
}
