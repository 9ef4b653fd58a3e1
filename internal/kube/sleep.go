package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Sizes reads how large the workloads among refs are and which CronJobs are
// suspended: what Sleep will change. Absent objects are left out. Store the
// answer before calling Sleep.
func (t *Target) Sizes(ctx context.Context, refs []v1alpha1.ObjectRef) ([]v1alpha1.SleepingObject, error) {
	found := make([]*v1alpha1.SleepingObject, len(refs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, ref := range refs {
		if !scales(ref) && !suspends(ref) {
			continue
		}
		group.Go(func() error {
			obj := bare(ref)
			err := t.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj)
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("reading the size of %s on cluster %s: %w", Describe(ref), t.name, err)
			}
			if err == nil {
				found[i] = sizeOf(ref, obj)
			}
			return nil
		})
	}
	err := group.Wait()
	return present(found), err
}

func sizeOf(ref v1alpha1.ObjectRef, obj *unstructured.Unstructured) *v1alpha1.SleepingObject {
	size := &v1alpha1.SleepingObject{Object: ref}
	if suspends(ref) {
		suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
		size.Suspended = &suspended
		return size
	}
	n := int32(1)
	if replicas, found, err := unstructured.NestedInt64(obj.Object, "spec", "replicas"); found && err == nil {
		n = int32(replicas)
	}
	size.Replicas = &n
	return size
}

// Sleep scales the objects to zero and suspends CronJobs. Idempotent; absent
// objects are left out.
func (t *Target) Sleep(ctx context.Context, sizes []v1alpha1.SleepingObject) error {
	asleep := make([]v1alpha1.SleepingObject, len(sizes))
	for i, size := range sizes {
		none, suspended := int32(0), true
		asleep[i].Object = size.Object
		if size.Replicas != nil {
			asleep[i].Replicas = &none
		}
		if size.Suspended != nil {
			asleep[i].Suspended = &suspended
		}
	}
	return t.resize(ctx, asleep)
}

// Wake gives the objects their sizes back. Idempotent; absent objects are left
// out.
func (t *Target) Wake(ctx context.Context, sizes []v1alpha1.SleepingObject) error {
	return t.resize(ctx, sizes)
}

func scales(ref v1alpha1.ObjectRef) bool {
	switch gvkOf(ref).GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return true
	}
	return false
}

func suspends(ref v1alpha1.ObjectRef) bool {
	return gvkOf(ref).GroupKind() == schema.GroupKind{Group: "batch", Kind: "CronJob"}
}

func (t *Target) resize(ctx context.Context, sizes []v1alpha1.SleepingObject) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, size := range sizes {
		group.Go(func() error {
			if err := t.resizeOne(ctx, size); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("resizing %s on cluster %s: %w", Describe(size.Object), t.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (t *Target) resizeOne(ctx context.Context, size v1alpha1.SleepingObject) error {
	obj, owner := bare(size.Object), client.FieldOwner(v1alpha1.FieldManager)
	switch {
	case size.Suspended != nil:
		return t.Client.Patch(ctx, obj, specPatch("suspend", *size.Suspended), owner)
	case size.Replicas != nil:
		return t.Client.SubResource("scale").Patch(ctx, obj, specPatch("replicas", *size.Replicas), owner)
	}
	return nil
}

// specPatch sets one field of spec.
func specPatch(name string, value any) client.Patch {
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{name: value}})
	if err != nil {
		// Numbers and booleans can always be written.
		panic(err)
	}
	return client.RawPatch(types.MergePatchType, raw)
}
