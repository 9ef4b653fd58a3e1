package environment

import (
	"context"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// asleep gives an object as it is in a sleeping environment. Objects without a
// size of their own (an autoscaler decides) stay as they are: they are scaled.
func asleep(o *unstructured.Unstructured) *unstructured.Unstructured {
	switch {
	case isScalable(o):
		if _, sized, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "replicas"); sized {
			o = o.DeepCopy()
			_ = unstructured.SetNestedField(o.Object, int64(0), "spec", "replicas")
		}
	case isCronJob(o):
		o = o.DeepCopy()
		_ = unstructured.SetNestedField(o.Object, true, "spec", "suspend")
	}
	return o
}

func isScalable(o *unstructured.Unstructured) bool {
	switch o.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps":
		return true
	}
	return false
}

func isJob(o *unstructured.Unstructured) bool {
	return o.GroupVersionKind().GroupKind().String() == "Job.batch"
}

func isCronJob(o *unstructured.Unstructured) bool {
	return o.GroupVersionKind().GroupKind().String() == "CronJob.batch"
}

// sleepOrWake scales everything to zero, or back to the exact sizes, as the
// spec says.
func (r *Reconciler) sleepOrWake(ctx context.Context, s *scope) error {
	if s.contents == nil {
		return nil
	}
	if !s.env.Spec.Asleep {
		return r.wake(ctx, s)
	}
	if isAsleep(s.env) && len(s.sleepless()) == 0 {
		return nil
	}
	if err := r.rememberSizes(ctx, s); err != nil {
		return err
	}
	if err := s.target.Sleep(ctx, s.env.Status.Sleep); err != nil {
		return targetError(err)
	}
	r.Reached(pointSleep)
	return nil
}

// sleepless gives the objects that can be put to sleep and whose size is not
// remembered.
func (s *scope) sleepless() []v1alpha1.ObjectRef {
	var refs []v1alpha1.ObjectRef
	for _, o := range s.contents.Desired.Objects() {
		if isScalable(o.Object) || isCronJob(o.Object) {
			refs = append(refs, kube.RefOf(o.Object))
		}
	}
	return minus(refs, refsOfSleepers(s.env.Status.Sleep))
}

// rememberSizes writes down the sizes before anything is scaled. What is
// written already is never asked again: it may be scaled by now.
func (r *Reconciler) rememberSizes(ctx context.Context, s *scope) error {
	unknown := s.sleepless()
	if len(unknown) == 0 {
		return nil
	}
	sizes, err := s.target.Sizes(ctx, unknown)
	if err != nil {
		return targetError(err)
	}
	if len(sizes) == 0 {
		return nil
	}
	s.env.Status.Sleep = append(s.env.Status.Sleep, sizes...)
	summarize(s)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	r.Reached(pointSizes)
	return nil
}

// keepAsleep puts to sleep what a deploy to a sleeping environment has just
// applied, and lets the release decide the sizes that it has.
func (r *Reconciler) keepAsleep(ctx context.Context, s *scope) error {
	if !s.env.Spec.Asleep {
		return nil
	}
	s.env.Status.Sleep = resized(s.env.Status.Sleep, s)
	if err := r.rememberSizes(ctx, s); err != nil {
		return err
	}
	return s.target.Sleep(ctx, s.env.Status.Sleep)
}

// resized gives the sizes with those that the newest release sets itself;
// what it no longer has is left out.
func resized(sizes []v1alpha1.SleepingObject, s *scope) []v1alpha1.SleepingObject {
	known := map[kube.Identity]int{}
	for i, size := range sizes {
		known[kube.IdentityOf(size.Object)] = i
	}
	var now []v1alpha1.SleepingObject
	for _, o := range s.contents.Desired.Objects() {
		ref := kube.RefOf(o.Object)
		size := v1alpha1.SleepingObject{Object: ref}
		i, found := known[kube.IdentityOf(ref)]
		if found {
			size = sizes[i]
		}
		switch {
		case isScalable(o.Object):
			if n, sized, _ := unstructured.NestedInt64(o.Object.Object, "spec", "replicas"); sized {
				replicas := int32(n)
				size.Replicas = &replicas
			}
		case isCronJob(o.Object):
			suspended, _, _ := unstructured.NestedBool(o.Object.Object, "spec", "suspend")
			size.Suspended = &suspended
		}
		if size.Replicas != nil || size.Suspended != nil {
			now = append(now, size)
		}
	}
	return now
}

func (r *Reconciler) wake(ctx context.Context, s *scope) error {
	if len(s.env.Status.Sleep) == 0 {
		return nil
	}
	sizes := s.env.Status.Sleep
	if left := s.env.Status.Left; left != nil && !left.HandedOver {
		// CronJobs run on the side that was left.
		sizes = slices.DeleteFunc(slices.Clone(sizes), func(o v1alpha1.SleepingObject) bool { return o.Suspended != nil })
	}
	if err := s.target.Wake(ctx, sizes); err != nil {
		return targetError(err)
	}
	r.Reached(pointWake)
	s.env.Status.Sleep = nil
	return nil
}

func refsOfSleepers(sizes []v1alpha1.SleepingObject) []v1alpha1.ObjectRef {
	refs := make([]v1alpha1.ObjectRef, len(sizes))
	for i, size := range sizes {
		refs[i] = size.Object
	}
	return refs
}
