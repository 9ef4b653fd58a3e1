package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Heal puts objects back to what was released: it applies them and removes the
// fields that others added to them. Extra objects are not its matter. Errors
// are those of Apply.
func (t *Target) Heal(ctx context.Context, objs []*unstructured.Unstructured, owner Owner) (ChangeSet, error) {
	return t.Apply(ctx, objs, ApplyOptions{Owner: owner, TakeOver: true})
}

// takeOver makes the fields that others added to an object ours, so that the
// apply that follows removes those it does not mention: the server itself then
// keeps lists, defaults and unions right. It tells whether there were any. A
// namespace that is adopted is marked, and keeps what others put on it, as does
// the ServiceAccount that Kubernetes makes.
func (t *Target) takeOver(ctx context.Context, obj *unstructured.Unstructured, live *metav1.PartialObjectMetadata, owner Owner, scaling *autoscaling) (bool, error) {
	if isDefaultAccount(RefOf(obj)) {
		return false, nil
	}
	if isNamespace(obj) {
		if owner == (Owner{}) || owner.owns(live, true) {
			return false, nil
		}
		return true, t.markAdopted(ctx, live.Name)
	}
	for attempt := 1; ; attempt++ {
		patch, err := takeOverPatch(ctx, obj, live, scaling)
		if err != nil || patch == nil {
			return false, err
		}
		err = t.Client.Patch(ctx, bare(RefOf(obj)), client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(v1alpha1.FieldManager))
		if !apierrors.IsConflict(err) || attempt == 3 {
			return err == nil, err
		}
		if live, err = t.getMetadata(ctx, live.GroupVersionKind(), live.Namespace, live.Name); err != nil || live == nil {
			return false, err
		}
	}
}

// jsonPatch is one operation of RFC 6902.
type jsonPatch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// takeOverPatch rewrites managedFields so that foreign fields are ours; nil
// when there are none. It fails on any change made in between.
func takeOverPatch(ctx context.Context, obj *unstructured.Unstructured, live *metav1.PartialObjectMetadata, scaling *autoscaling) ([]byte, error) {
	entries, err := managedOf(live)
	if err != nil {
		return nil, err
	}
	taken := &fieldpath.Set{}
	var kept []metav1.ManagedFieldsEntry
	var ours *managed
	for i, entry := range entries {
		if isOurs(entry.ManagedFieldsEntry) && entry.APIVersion == obj.GetAPIVersion() {
			ours = &entries[i]
			continue
		}
		foreign, err := scaling.without(ctx, obj, intruded(entry))
		if err != nil {
			return nil, err
		}
		rest := entry.ManagedFieldsEntry
		if !foreign.Empty() {
			taken = taken.Union(foreign)
			left := entry.fields.Difference(foreign)
			if left.Empty() {
				continue
			}
			if rest.FieldsV1, err = encode(left); err != nil {
				return nil, err
			}
		}
		kept = append(kept, rest)
	}
	if taken.Empty() {
		return nil, nil
	}
	if ours == nil {
		ours = &managed{metav1.ManagedFieldsEntry{
			Manager: v1alpha1.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
			APIVersion: obj.GetAPIVersion(), FieldsType: "FieldsV1",
		}, &fieldpath.Set{}}
	}
	if ours.FieldsV1, err = encode(ours.fields.Union(taken)); err != nil {
		return nil, err
	}
	return json.Marshal([]jsonPatch{
		{"replace", "/metadata/managedFields", append(kept, ours.ManagedFieldsEntry)},
		{"replace", "/metadata/resourceVersion", live.ResourceVersion},
	})
}

func encode(fields *fieldpath.Set) (*metav1.FieldsV1, error) {
	raw, err := fields.ToJSON()
	if err != nil {
		return nil, fmt.Errorf("writing managed fields: %w", err)
	}
	return &metav1.FieldsV1{Raw: raw}, nil
}

// adoptionManager keeps the mark on an adopted namespace, whatever is applied
// to it later.
const adoptionManager = v1alpha1.FieldManager + "-adoption"

func (t *Target) markAdopted(ctx context.Context, name string) error {
	mark := bare(namespaceRef(name))
	mark.SetAnnotations(map[string]string{annotationAdopted: "true"})
	err := t.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(mark), client.FieldOwner(adoptionManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("marking namespace %s as adopted: %w", name, err)
	}
	return nil
}
