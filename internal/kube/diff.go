package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// DiffOptions says how closely to look.
type DiffOptions struct {
	Owner Owner
	// Namespace is searched for objects that nobody we know made. Empty means
	// that extra objects are not looked for.
	Namespace string
	// Proof asks the API server about every object again, even about those that
	// have not changed since they were last compared.
	Proof bool
}

// Diff compares objects with the cluster: fields of ours that were changed or
// removed, fields that others added to our objects, our objects that are
// missing, and extra ones in the namespace. Each difference names the manager
// and the time where the cluster knows them. What legitimate co-owners write
// (status, autoscalers, built-in controllers, defaults) is no difference.
// Values of Secrets are never given. Sorted by object and path.
//
// An error means that the answer is unknown, never that nothing differs.
func (t *Target) Diff(ctx context.Context, objs []*unstructured.Unstructured, opts DiffOptions) ([]v1alpha1.Difference, error) {
	desired, err := prepare(objs, opts.Owner)
	if err != nil {
		return nil, err
	}
	live, err := t.snapshot(ctx, desired, opts.Namespace)
	if err != nil {
		return nil, err
	}
	run := diffRun{Target: t, DiffOptions: opts, scaling: t.autoscaling()}
	differences, err := run.compareAll(ctx, desired, live)
	if err != nil {
		return nil, err
	}
	if opts.Namespace != "" {
		extra, err := t.extra(ctx, desired, live, opts.Namespace)
		if err != nil {
			return nil, err
		}
		differences = append(differences, extra...)
	}
	slices.SortStableFunc(differences, func(a, b v1alpha1.Difference) int {
		return cmp.Or(cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.Namespace, b.Object.Namespace),
			cmp.Compare(a.Object.Name, b.Object.Name), cmp.Compare(a.Path, b.Path))
	})
	return differences, nil
}

// snapshot reads the live objects of the kinds that are wanted: one list for
// each kind of the namespace, others one by one.
func (t *Target) snapshot(ctx context.Context, desired []*unstructured.Unstructured, namespace string) (map[Identity]*unstructured.Unstructured, error) {
	live := make(map[Identity]*unstructured.Unstructured)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for in, names := range collect(refsOf(desired)) {
		group.Go(func() error {
			objs, err := t.fullOf(ctx, in, names, in.namespace != "" && (in.namespace == namespace || len(names) > 1))
			if err != nil {
				return fmt.Errorf("reading %s objects of cluster %s: %w", in.Kind, t.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range objs {
				live[Identity{in.GroupKind(), in.namespace, objs[i].GetName()}] = &objs[i]
			}
			return nil
		})
	}
	return live, group.Wait()
}

func (t *Target) fullOf(ctx context.Context, in collection, names []string, all bool) ([]unstructured.Unstructured, error) {
	if all {
		return t.listFull(ctx, in)
	}
	var objs []unstructured.Unstructured
	for _, name := range names {
		obj := unstructured.Unstructured{}
		obj.SetGroupVersionKind(in.GroupVersionKind)
		err := t.Client.Get(ctx, client.ObjectKey{Namespace: in.namespace, Name: name}, &obj)
		switch {
		case err == nil:
			objs = append(objs, obj)
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return objs, nil
}

// diffRun is one call of Diff.
type diffRun struct {
	*Target
	DiffOptions
	scaling *autoscaling
}

func (r *diffRun) compareAll(ctx context.Context, desired []*unstructured.Unstructured, live map[Identity]*unstructured.Unstructured) ([]v1alpha1.Difference, error) {
	results := make([][]v1alpha1.Difference, len(desired))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, obj := range desired {
		group.Go(func() error {
			found, err := r.compare(ctx, obj, live[IdentityOf(RefOf(obj))])
			if err != nil {
				return fmt.Errorf("comparing %s with cluster %s: %w", Describe(RefOf(obj)), r.name, err)
			}
			results[i] = found
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(results...), nil
}

// compare gives the differences of one object. A dry run says what applying it
// would change; managedFields say what others have added.
func (r *diffRun) compare(ctx context.Context, obj, live *unstructured.Unstructured) ([]v1alpha1.Difference, error) {
	ref := RefOf(obj)
	switch {
	case live == nil && expires(obj):
		return nil, nil
	case live == nil:
		return []v1alpha1.Difference{{Kind: v1alpha1.DifferenceMissing, Object: ref}}, nil
	case isDefinition(ref) && !r.Owner.owns(live, false):
		// It is shared, and so not ours to judge.
		return nil, nil
	}
	wanted, err := digest(obj)
	if err != nil {
		return nil, err
	}
	seen, err := fingerprint(live)
	if err != nil {
		return nil, err
	}
	if known, found := r.verdicts.find(IdentityOf(ref), wanted, seen); found && !r.Proof {
		return known, nil
	}
	differences, err := r.dryRun(ctx, obj, live)
	if err != nil {
		return nil, err
	}
	r.verdicts.keep(IdentityOf(ref), verdict{wanted, seen, differences})
	return differences, nil
}

func (r *diffRun) dryRun(ctx context.Context, obj, live *unstructured.Unstructured) ([]v1alpha1.Difference, error) {
	live, would, err := r.sameMoment(ctx, obj, live)
	if isImmutable(err) {
		// Somebody deleted the object and made another of the name.
		return []v1alpha1.Difference{{
			Kind: v1alpha1.DifferenceChanged, Object: RefOf(obj), Actual: clip(message(err), maxValue),
		}}, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := managedOf(live)
	if err != nil {
		return nil, err
	}
	wouldBe, err := managedOf(would)
	if err != nil {
		return nil, err
	}
	c := comparison{object: RefOf(obj), entries: entries, live: live.Object, secret: obj.GetKind() == "Secret"}
	c.walk(comparable(would), comparable(live), nil)
	if isNamespace(obj) || isDefaultAccount(RefOf(obj)) {
		// They are everybody's to add to.
		return c.differences, nil
	}
	ours := ourFields(wouldBe)
	for i, entry := range entries {
		added, err := r.scaling.without(ctx, obj, intruded(entry))
		if err != nil {
			return nil, err
		}
		c.added(&entries[i], added.Difference(ours), obj.Object)
	}
	return c.differences, nil
}

// sameMoment gives what an object would be after an apply and what it is, as of
// one moment: a controller that writes in between must not look like drift.
func (r *diffRun) sameMoment(ctx context.Context, obj, live *unstructured.Unstructured) (is, would *unstructured.Unstructured, err error) {
	for attempt := 1; ; attempt++ {
		if would, err = r.send(ctx, obj, true); err != nil {
			return nil, nil, err
		}
		if would.GetResourceVersion() == live.GetResourceVersion() || attempt == 5 {
			return live, would, nil
		}
		again := &unstructured.Unstructured{}
		again.SetGroupVersionKind(live.GroupVersionKind())
		if err := r.Client.Get(ctx, client.ObjectKeyFromObject(live), again); err != nil {
			return nil, nil, err
		}
		live = again
	}
}

// added records what one manager added to an object, as few differences as say
// it all.
func (c *comparison) added(entry *managed, fields *fieldpath.Set, desired map[string]any) {
	roots := &fieldpath.Set{}
	fields.Leaves().Iterate(func(path fieldpath.Path) {
		if _, exists := valueAt(c.live, path); !exists || c.reported(path) {
			return
		}
		root := rootOf(path, fields, desired)
		if !roots.Has(root) {
			roots.Insert(root.Copy())
			value, _ := valueAt(c.live, root)
			c.record(v1alpha1.DifferenceAdded, root, nil, value, entry)
		}
	})
}
