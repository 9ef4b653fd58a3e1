package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// ApplyOptions says for whom and how objects are applied.
type ApplyOptions struct {
	// Owner whose objects these are; others' are refused.
	Owner Owner
	// Adopt takes over objects that exist already and are not the owner's.
	Adopt bool
	// Force deletes and creates anew objects whose immutable fields changed.
	// Jobs of the owner need no force.
	Force bool
	// TakeOver also removes fields that others added to the objects, as Heal
	// does: a rollback wants what was released and nothing else.
	TakeOver bool
	// DryRun sends everything for validation only; nothing is stored.
	DryRun bool
}

// Apply brings objects to the cluster by server-side apply: definitions and
// namespaces first, configuration before workloads, webhooks last, several at
// once within each. It marks them as the owner's (labels, and the annotation
// on namespaces); objs are not changed. A CustomResourceDefinition that exists
// already and is not the owner's is shared, and skipped. To the ServiceAccount
// that Kubernetes makes in every namespace the object's fields are added.
//
// Errors: *NotOwnedError and *TerminatingError before anything was applied;
// *RejectedError with the reasons after everything else was applied;
// Unreachable(err) for a cluster that does not answer. The change set says what
// was done even then. Applying the same again is safe and leaves everything
// unchanged.
func (t *Target) Apply(ctx context.Context, objs []*unstructured.Unstructured, opts ApplyOptions) (ChangeSet, error) {
	desired, err := prepare(objs, opts.Owner)
	if err != nil {
		return nil, err
	}
	live, err := t.existing(ctx, refsOf(desired), opts.Owner)
	if err != nil {
		return nil, err
	}
	if err := mayApply(desired, live, opts); err != nil {
		return nil, err
	}
	var changes ChangeSet
	var rejected []v1alpha1.Failure
	run := applyRun{Target: t, ApplyOptions: opts, live: live, scaling: t.autoscaling()}
	for _, wave := range waves(desired) {
		done, failures, err := run.wave(ctx, wave)
		changes = append(changes, done...)
		rejected = append(rejected, failures...)
		if err != nil {
			return changes, err
		}
		if err := t.established(ctx, wave, opts.DryRun); err != nil {
			return changes, err
		}
	}
	if len(rejected) > 0 {
		return changes, &RejectedError{Failures: rejected}
	}
	return changes, nil
}

// prepare copies the objects, marked as the owner's and in order of apply.
func prepare(objs []*unstructured.Unstructured, owner Owner) ([]*unstructured.Unstructured, error) {
	desired := make([]*unstructured.Unstructured, len(objs))
	for i, obj := range objs {
		desired[i] = owner.stamp(obj)
		if _, found := obj.Object["stringData"]; !found || obj.GetKind() != "Secret" {
			continue
		}
		// The server keeps stringData as data; what it keeps must be what we own.
		if err := normalize.Unstructured(desired[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", Describe(RefOf(obj)), err)
		}
	}
	sort.Sort(ssa.SortableUnstructureds(desired))
	return desired, nil
}

func refsOf(objs []*unstructured.Unstructured) []v1alpha1.ObjectRef {
	refs := make([]v1alpha1.ObjectRef, len(objs))
	for i, obj := range objs {
		refs[i] = RefOf(obj)
	}
	return refs
}

// mayApply refuses objects that are not the owner's, and those that are on
// their way out: what is applied to them would vanish with them.
func mayApply(desired []*unstructured.Unstructured, live map[Identity]*metav1.PartialObjectMetadata, opts ApplyOptions) error {
	var foreign NotOwnedError
	var ending TerminatingError
	for _, obj := range desired {
		ref := RefOf(obj)
		found := live[IdentityOf(ref)]
		switch {
		case found == nil:
		case found.DeletionTimestamp != nil:
			ending.Objects = append(ending.Objects, ref)
		case isDefaultAccount(ref) && found.Labels[v1alpha1.LabelEnvironment] == "":
		case !opts.Adopt && !isDefinition(ref) && !opts.Owner.owns(found, isNamespace(obj)):
			foreign.Objects = append(foreign.Objects, ref)
			foreign.Owners = append(foreign.Owners, ownerNamed(found))
		}
	}
	switch {
	case len(foreign.Objects) > 0:
		return &foreign
	case len(ending.Objects) > 0:
		return &ending
	}
	return nil
}

// waves splits sorted objects where the later need the earlier: definitions,
// namespaces and other objects of the whole cluster, configuration, workloads,
// webhooks.
func waves(sorted []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	split := make([][]*unstructured.Unstructured, 5)
	for _, obj := range sorted {
		n := waveOf(RefOf(obj))
		split[n] = append(split[n], obj)
	}
	return slices.DeleteFunc(split, func(wave []*unstructured.Unstructured) bool { return len(wave) == 0 })
}

func waveOf(ref v1alpha1.ObjectRef) int {
	switch ref.Kind {
	case "CustomResourceDefinition":
		return 0
	case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		return 4
	case "ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "LimitRange",
		"PersistentVolumeClaim", "NetworkPolicy", "Service":
		return 2
	}
	if ref.Namespace == "" {
		return 1
	}
	return 3
}

// applyRun is one call of Apply.
type applyRun struct {
	*Target
	ApplyOptions
	live    map[Identity]*metav1.PartialObjectMetadata
	scaling *autoscaling
}

// wave applies objects side by side. It goes on past objects that the server
// rejects and stops at anything else.
func (r *applyRun) wave(ctx context.Context, wave []*unstructured.Unstructured) (ChangeSet, []v1alpha1.Failure, error) {
	changes := make([]*Change, len(wave))
	failures := make([]*v1alpha1.Failure, len(wave))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, obj := range wave {
		group.Go(func() error {
			ref := RefOf(obj)
			change, err := r.apply(ctx, obj, r.live[IdentityOf(ref)])
			if err == nil {
				changes[i] = &Change{Object: ref, Action: change.Action, Reason: change.Reason}
				return nil
			}
			if failures[i] = rejection(obj, err); failures[i] != nil {
				return nil
			}
			return fmt.Errorf("applying %s to cluster %s: %w", Describe(ref), r.name, err)
		})
	}
	err := group.Wait()
	return present(changes), present(failures), err
}

// present gives the values that are there, in order.
func present[T any](values []*T) []T {
	var there []T
	for _, v := range values {
		if v != nil {
			there = append(there, *v)
		}
	}
	return there
}

// apply applies one object of which live exists, nil for nothing.
func (r *applyRun) apply(ctx context.Context, obj *unstructured.Unstructured, live *metav1.PartialObjectMetadata) (Change, error) {
	ours := live != nil && r.Owner.owns(live, isNamespace(obj))
	if live != nil && !ours && isDefinition(RefOf(obj)) && !r.Adopt {
		return Change{Action: Skipped, Reason: "exists already and is shared"}, nil
	}
	takenOver := false
	if live != nil && (r.TakeOver || !ours) && !r.DryRun {
		var err error
		if takenOver, err = r.takeOver(ctx, obj, live, r.Owner, r.scaling); err != nil {
			return Change{}, err
		}
	}
	answer, err := r.send(ctx, obj, r.DryRun)
	switch {
	case r.DryRun && live == nil && apierrors.IsNotFound(err):
		// Its namespace is yet to be created.
		return Change{Action: Created}, nil
	case isImmutable(err) && live != nil && !r.DryRun && (r.Force || ours && obj.GetKind() == "Job"):
		if err := r.remove(ctx, RefOf(obj), live); err != nil {
			return Change{}, err
		}
		live = nil
		answer, err = r.send(ctx, obj, false)
	}
	if err != nil {
		return Change{}, err
	}
	if !r.DryRun {
		r.watches.remember(answer)
	}
	switch {
	case live == nil:
		return Change{Action: Created}, nil
	case takenOver || altered(live, answer, obj):
		return Change{Action: Configured}, nil
	}
	return Change{Action: Unchanged}, nil
}

// send applies one object, once more where it was changed at the same moment.
func (t *Target) send(ctx context.Context, obj *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	opts := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldManager), client.ForceOwnership}
	if dryRun {
		opts = append(opts, client.DryRunAll)
	}
	for attempt := 1; ; attempt++ {
		answer := obj.DeepCopy()
		err := t.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), opts...)
		if apierrors.IsConflict(err) && attempt < 3 {
			continue
		}
		return answer, err
	}
}

// altered tells whether an apply changed anything. Kinds that count their
// generations tell by that and by the metadata that is ours; their version also
// changes with their status.
func altered(before *metav1.PartialObjectMetadata, after, desired *unstructured.Unstructured) bool {
	if before.ResourceVersion == after.GetResourceVersion() {
		return false
	}
	return after.GetGeneration() == 0 || before.Generation != after.GetGeneration() ||
		!includes(before.Labels, desired.GetLabels()) || !includes(before.Annotations, desired.GetAnnotations()) ||
		!equality.Semantic.DeepEqual(ourEntry(before), ourEntry(after))
}

func includes(all, some map[string]string) bool {
	for key, value := range some {
		if found, ok := all[key]; !ok || found != value {
			return false
		}
	}
	return true
}

func ourEntry(obj metav1.Object) metav1.ManagedFieldsEntry {
	for _, entry := range obj.GetManagedFields() {
		if isOurs(entry) {
			return entry
		}
	}
	return metav1.ManagedFieldsEntry{}
}

// removePatience is how long the deletion of an object to be made anew may
// take.
const removePatience = 10 * time.Second

// remove deletes one object and waits until its name is free.
func (t *Target) remove(ctx context.Context, ref v1alpha1.ObjectRef, live *metav1.PartialObjectMetadata) error {
	err := t.Client.Delete(ctx, bare(ref),
		client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &live.UID})
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	return poll(ctx, removePatience, func() (bool, error) {
		found, err := t.getMetadata(ctx, gvkOf(ref), ref.Namespace, ref.Name)
		if err == nil && found != nil && len(found.Finalizers) > 0 {
			err = fmt.Errorf("its deletion waits for the finalizers %v", found.Finalizers)
		}
		return found == nil, err
	})
}

// establishPatience is how long a definition may take until its kind is
// served.
const establishPatience = 10 * time.Second

// established waits until the kinds that a wave defined are served: the next
// wave may hold objects of them.
func (t *Target) established(ctx context.Context, wave []*unstructured.Unstructured, dryRun bool) error {
	for _, obj := range wave {
		if !isDefinition(RefOf(obj)) || dryRun {
			continue
		}
		group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(obj.Object, "spec", "names", "kind")
		err := poll(ctx, establishPatience, func() (bool, error) {
			_, err := t.Mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
			if meta.IsNoMatchError(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("waiting for %s to be served by cluster %s: %w", Describe(RefOf(obj)), t.name, err)
		}
	}
	return nil
}

var errPatience = errors.New("it took too long")

// poll asks until done, an error, or the patience is over.
func poll(ctx context.Context, patience time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
