package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/ssa"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Prune deletes the owner's objects in reverse order of apply, without waiting
// for finalizers: what still terminates is reported with what holds it. Absent
// objects are Deleted; objects that are no longer the owner's are Skipped, and
// so are CustomResourceDefinitions of which anybody has objects, because
// deleting the definition would delete those. The ServiceAccount that Kubernetes
// makes in every namespace is Skipped, too: it loses our fields. Never more than refs names;
// deciding what may go is the caller's matter. Namespaces are Teardown's.
func (t *Target) Prune(ctx context.Context, refs []v1alpha1.ObjectRef, owner Owner) (ChangeSet, error) {
	ordered := slices.Clone(refs)
	slices.SortFunc(ordered, func(a, b v1alpha1.ObjectRef) int { return -applyOrder(a, b) })
	live, err := t.existing(ctx, ordered, owner)
	if err != nil {
		return nil, err
	}
	var changes ChangeSet
	for len(ordered) > 0 {
		n := slices.IndexFunc(ordered, func(ref v1alpha1.ObjectRef) bool { return waveOf(ref) != waveOf(ordered[0]) })
		if n < 0 {
			n = len(ordered)
		}
		done, err := t.pruneWave(ctx, ordered[:n], live, owner)
		changes = append(changes, done...)
		if err != nil {
			return changes, err
		}
		ordered = ordered[n:]
	}
	return changes, nil
}

// applyOrder compares two objects by when they are applied.
func applyOrder(a, b v1alpha1.ObjectRef) int {
	if n := waveOf(a) - waveOf(b); n != 0 {
		return n
	}
	pair := ssa.SortableMetas{metaOf(a), metaOf(b)}
	switch {
	case pair.Less(0, 1):
		return -1
	case pair.Less(1, 0):
		return 1
	}
	return 0
}

func metaOf(ref v1alpha1.ObjectRef) object.ObjMetadata {
	return object.ObjMetadata{GroupKind: gvkOf(ref).GroupKind(), Namespace: ref.Namespace, Name: ref.Name}
}

func (t *Target) pruneWave(ctx context.Context, refs []v1alpha1.ObjectRef, live map[Identity]*metav1.PartialObjectMetadata, owner Owner) (ChangeSet, error) {
	changes := make([]*Change, len(refs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, ref := range refs {
		group.Go(func() error {
			change, err := t.pruneOne(ctx, ref, live[IdentityOf(ref)], owner)
			if err != nil {
				return fmt.Errorf("deleting %s from cluster %s: %w", Describe(ref), t.name, err)
			}
			change.Object = ref
			changes[i] = &change
			return nil
		})
	}
	err := group.Wait()
	return present(changes), err
}

func (t *Target) pruneOne(ctx context.Context, ref v1alpha1.ObjectRef, live *metav1.PartialObjectMetadata, owner Owner) (Change, error) {
	id := IdentityOf(ref)
	t.verdicts.forget(id)
	switch {
	case live == nil:
		return Change{Action: Deleted}, nil
	case ref.Kind == "Namespace":
		return Change{Action: Skipped, Reason: "a namespace goes with its environment only"}, nil
	case !owner.owns(live, false):
		return Change{Action: Skipped, Reason: "it is not this environment's any more"}, nil
	case live.DeletionTimestamp != nil:
		return Change{Action: Terminating, Reason: heldBy(live.Finalizers)}, nil
	}
	if isDefaultAccount(ref) {
		return Change{Action: Skipped, Reason: "the account of the namespace stays, without what was added to it"}, t.giveBack(ctx, ref, v1alpha1.FieldManager)
	}
	if isDefinition(ref) {
		if used, err := t.definitionUsed(ctx, ref); err != nil || used != "" {
			return Change{Action: Skipped, Reason: used}, err
		}
	}
	err := t.Client.Delete(ctx, bare(ref),
		client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &live.UID})
	switch {
	case apierrors.IsConflict(err):
		return Change{Action: Skipped, Reason: "somebody made it anew"}, nil
	case client.IgnoreNotFound(err) != nil:
		return Change{}, err
	case len(live.Finalizers) > 0:
		return Change{Action: Terminating, Reason: heldBy(live.Finalizers)}, nil
	}
	return Change{Action: Deleted}, nil
}

// heldBy says what keeps a deleted object there.
func heldBy(finalizers []string) string {
	if len(finalizers) == 0 {
		return "waits for what it owns to be gone"
	}
	return "waits for finalizer " + strings.Join(finalizers, ", ")
}

// definitionUsed says why a CustomResourceDefinition must stay; empty when
// nobody has objects of its kind.
func (t *Target) definitionUsed(ctx context.Context, ref v1alpha1.ObjectRef) (string, error) {
	definition := bare(ref)
	if err := t.Client.Get(ctx, client.ObjectKey{Name: ref.Name}, definition); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	for _, v := range sliceAt(definition.Object, "spec", "versions") {
		version, ok := v.(map[string]any)
		if !ok || version["served"] != true {
			continue
		}
		var list metav1.PartialObjectMetadataList
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: text(version, "name"), Kind: kind + "List"})
		if err := t.Client.List(ctx, &list, client.Limit(1)); err != nil {
			return "", fmt.Errorf("looking for objects of its kind: %w", err)
		}
		if len(list.Items) > 0 {
			return fmt.Sprintf("there are still %s objects, for example %s/%s", kind, list.Items[0].Namespace, list.Items[0].Name), nil
		}
		return "", nil
	}
	return "", nil
}
