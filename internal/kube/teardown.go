package kube

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Blocker is something that keeps an environment from being gone.
type Blocker struct {
	Object v1alpha1.ObjectRef
	// Finalizers that hold it.
	Finalizers []string
	// Message for people: what is awaited.
	Message string
}

// String reads "Widget shop/a waits for finalizer example.com/clean".
func (b Blocker) String() string { return Describe(b.Object) + " " + b.Message }

// Teardown takes one more step towards removing an environment and says what
// is left; nothing left means it is gone. Call it again until then. The order:
// custom resources while their controllers still run, then everything else in
// reverse order of apply, then the namespace. A namespace that was adopted, or
// is not the owner's, stays. Absent is success.
func (t *Target) Teardown(ctx context.Context, owner Owner, namespace string, refs []v1alpha1.ObjectRef) ([]Blocker, error) {
	home, err := t.getMetadata(ctx, namespaceKind, "", namespace)
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s of cluster %s: %w", namespace, t.name, err)
	}
	if home == nil || home.DeletionTimestamp != nil {
		// Its contents are the namespace controller's business by now.
		refs = slices.DeleteFunc(slices.Clone(refs), func(ref v1alpha1.ObjectRef) bool { return ref.Namespace == namespace })
	}
	custom, rest, definitions := teardownOrder(refs)
	if blockers, err := t.pruneBlockers(ctx, custom, owner); err != nil || len(blockers) > 0 {
		return blockers, err
	}
	blockers, err := t.pruneBlockers(ctx, rest, owner)
	if err != nil {
		return nil, err
	}
	if home != nil {
		holding, err := t.removeNamespace(ctx, owner, namespace)
		if err != nil || len(holding) > 0 {
			// What holds the namespace says more than what is in it.
			return holding, err
		}
	}
	defined, err := t.pruneBlockers(ctx, definitions, owner)
	return append(blockers, defined...), err
}

var namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")

// teardownOrder splits objects: custom resources go first, definitions last.
func teardownOrder(refs []v1alpha1.ObjectRef) (custom, rest, definitions []v1alpha1.ObjectRef) {
	for _, ref := range refs {
		switch {
		case gvkOf(ref) == namespaceKind:
		case isDefinition(ref):
			definitions = append(definitions, ref)
		case !scheme.Scheme.IsGroupRegistered(gvkOf(ref).Group):
			custom = append(custom, ref)
		default:
			rest = append(rest, ref)
		}
	}
	return custom, rest, definitions
}

// pruneBlockers deletes objects and names those that are still there.
func (t *Target) pruneBlockers(ctx context.Context, refs []v1alpha1.ObjectRef, owner Owner) ([]Blocker, error) {
	changes, err := t.Prune(ctx, refs, owner)
	if err != nil {
		return nil, err
	}
	var blockers []Blocker
	for _, change := range changes.Of(Terminating) {
		blockers = append(blockers, Blocker{
			Object: change.Object, Message: change.Reason,
			Finalizers: finalizersIn(change.Reason),
		})
	}
	return blockers, nil
}

func finalizersIn(reason string) []string {
	list, found := strings.CutPrefix(reason, "waits for finalizer ")
	if !found {
		return nil
	}
	return strings.Split(list, ", ")
}

// removeNamespace deletes the namespace where it is ours to delete, and says
// what it still waits for.
func (t *Target) removeNamespace(ctx context.Context, owner Owner, name string) ([]Blocker, error) {
	var namespace corev1.Namespace
	err := t.Client.Get(ctx, client.ObjectKey{Name: name}, &namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s of cluster %s: %w", name, t.name, err)
	}
	if !owner.owns(&namespace, true) {
		return nil, nil
	}
	if namespace.Annotations[annotationAdopted] != "" {
		return nil, t.giveBack(ctx, namespaceRef(name), v1alpha1.FieldManager, adoptionManager)
	}
	if namespace.DeletionTimestamp == nil {
		err := t.Client.Delete(ctx, &namespace, client.Preconditions{UID: &namespace.UID})
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("deleting namespace %s of cluster %s: %w", name, t.name, err)
		}
	}
	return t.namespaceBlockers(ctx, &namespace)
}

// giveBack takes what managers have put on an object off it.
func (t *Target) giveBack(ctx context.Context, ref v1alpha1.ObjectRef, managers ...string) error {
	for _, manager := range managers {
		nothing := client.ApplyConfigurationFromUnstructured(bare(ref))
		err := t.Client.Apply(ctx, nothing, client.FieldOwner(manager), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("giving back %s of cluster %s: %w", Describe(ref), t.name, err)
		}
	}
	return nil
}

// namespaceBlockers names what a namespace that is being deleted waits for. The
// namespace itself comes last: what is in it says more.
func (t *Target) namespaceBlockers(ctx context.Context, namespace *corev1.Namespace) ([]Blocker, error) {
	self := Blocker{
		Object:     namespaceRef(namespace.Name),
		Finalizers: namespace.Finalizers, Message: "is being deleted",
	}
	if len(namespace.Finalizers) > 0 {
		self.Message = heldBy(namespace.Finalizers)
	}
	var blockers []Blocker
	for _, condition := range namespace.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case corev1.NamespaceDeletionDiscoveryFailure:
			blockers = append(blockers, brokenAPIs(condition.Message)...)
		case corev1.NamespaceContentRemaining:
			remaining, err := t.remaining(ctx, namespace.Name, condition.Message)
			if err != nil {
				return nil, err
			}
			blockers = append(blockers, remaining...)
			if len(remaining) == 0 {
				self.Message = "is being deleted: " + clip(condition.Message, 300)
			}
		case corev1.NamespaceDeletionContentFailure:
			self.Message = "is being deleted: " + clip(condition.Message, 300)
		}
	}
	return append(blockers, self), nil
}

// staleAPI matches the groups that the namespace controller could not discover:
// "metrics.k8s.io/v1beta1: stale GroupVersion discovery".
var staleAPI = regexp.MustCompile(`([a-z0-9.-]+)/(v[0-9][a-z0-9]*): `)

// brokenAPIs names the API services whose servers do not answer: a namespace
// cannot be known to be empty until they do.
func brokenAPIs(message string) []Blocker {
	var blockers []Blocker
	for _, match := range staleAPI.FindAllStringSubmatch(message, -1) {
		name := match[2] + "." + match[1]
		if slices.ContainsFunc(blockers, func(b Blocker) bool { return b.Object.Name == name }) {
			continue
		}
		blockers = append(blockers, Blocker{
			Object:  v1alpha1.ObjectRef{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService", Name: name},
			Message: "does not answer, so nobody knows what is left: repair or delete it",
		})
	}
	return blockers
}

// remainingKind matches kinds of which objects are left: "widgets.example.com
// has 1 resource instances", or "pods. has 2 resource instances".
var remainingKind = regexp.MustCompile(`([a-z0-9-]+)\.([a-z0-9.-]*) has \d+ resource instances`)

// maxBlockers is how many objects of a kind are named.
const maxBlockers = 5

// remaining names the objects that are left of the kinds in a namespace
// controller's message, those with finalizers first.
func (t *Target) remaining(ctx context.Context, namespace, message string) ([]Blocker, error) {
	var blockers []Blocker
	for _, match := range remainingKind.FindAllStringSubmatch(message, -1) {
		kind, err := t.Mapper.KindFor(schema.GroupVersionResource{Group: match[2], Resource: match[1]})
		if err != nil {
			// Where discovery is broken the kinds it knows are named all the same.
			continue
		}
		objs, err := t.listMetadata(ctx, collection{kind, namespace})
		if err != nil {
			return nil, fmt.Errorf("looking for what is left in namespace %s of cluster %s: %w", namespace, t.name, err)
		}
		slices.SortStableFunc(objs, func(a, b metav1.PartialObjectMetadata) int {
			return min(len(b.Finalizers), 1) - min(len(a.Finalizers), 1)
		})
		for _, obj := range objs[:min(len(objs), maxBlockers)] {
			blockers = append(blockers, Blocker{
				Object:     v1alpha1.ObjectRef{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: namespace, Name: obj.Name},
				Finalizers: obj.Finalizers, Message: heldBy(obj.Finalizers),
			})
		}
	}
	return blockers, nil
}
