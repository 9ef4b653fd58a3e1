package environment

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// leastWarning is the least time before its expiry that an environment warns.
const leastWarning = 15 * time.Minute

// checkExpiry deletes an environment whose time has come and warns of it
// before.
func (r *Reconciler) checkExpiry(ctx context.Context, s *scope) error {
	expires, warns := expiry(s.env)
	s.env.Status.ExpiresAt = expires
	switch {
	case expires == nil:
		meta.RemoveStatusCondition(&s.env.Status.Conditions, v1alpha1.ConditionExpiring)
	case !s.now.Before(expires.Time):
		return r.expire(ctx, s)
	case !s.now.Before(warns):
		left := expires.Sub(s.now).Round(time.Second)
		message := fmt.Sprintf("deleted at %s unless extended: `landfall env extend %s`", expires.UTC().Format(time.RFC3339), s.env.Name)
		if s.condition(v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpiresSoon, message) {
			r.event(s, warning, v1alpha1.ReasonExpiresSoon, "Expire", "expires in %s: %s", left, message)
		}
		s.lookAgain(expires.Sub(s.now))
	default:
		s.condition(v1alpha1.ConditionExpiring, metav1.ConditionFalse, v1alpha1.ReasonNotExpiring, "expires at "+expires.UTC().Format(time.RFC3339))
		s.lookAgain(warns.Sub(s.now))
	}
	return nil
}

func (r *Reconciler) expire(ctx context.Context, s *scope) error {
	r.event(s, normal, "Expired", "Delete", "its time to live of %s is over", s.env.Spec.TTL.Duration)
	err := r.Client.Delete(ctx, s.env, client.Preconditions{UID: &s.env.UID, ResourceVersion: &s.env.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting environment %s: %w", s.env.Name, err)
	}
	s.gone = true
	return nil
}

// expiry gives when an environment ends and from when on it warns: a tenth of
// its life before, and at least leastWarning. Nil means that it stays.
func expiry(env *v1alpha1.Environment) (expires *metav1.Time, warns time.Time) {
	if env.Spec.TTL == nil || env.Spec.TTL.Duration <= 0 {
		return nil, time.Time{}
	}
	ttl := env.Spec.TTL.Duration
	at := metav1.NewTime(env.CreationTimestamp.Add(ttl))
	return &at, at.Add(-max(ttl/10, leastWarning))
}

// addFinalizer keeps the Environment until its objects are gone.
func (r *Reconciler) addFinalizer(ctx context.Context, s *scope) error {
	if controllerutil.ContainsFinalizer(s.env, v1alpha1.Finalizer) {
		return nil
	}
	changed := s.env.DeepCopy()
	controllerutil.AddFinalizer(changed, v1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, changed, patch); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	changed.Status = s.stored.Status
	status := s.env.Status
	s.env, s.stored = changed.DeepCopy(), changed
	s.env.Status = status
	r.Reached(pointFinalizer)
	return nil
}
