package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	// teardownRecheck is when a deletion under way is looked at again.
	teardownRecheck = time.Second
	// blockedAfter is how long a deletion may take before what holds it is
	// called a blocker and looked at less often.
	blockedAfter   = time.Minute
	blockedRecheck = 10 * time.Second
)

// finalize removes what an Environment has made, in reverse: its objects and
// namespace, then the stores they used, then its releases. Each step is safe to
// repeat, and what is absent is done.
func (r *Reconciler) finalize(ctx context.Context, s *scope) error {
	if !controllerutil.ContainsFinalizer(s.env, v1alpha1.Finalizer) {
		s.gone = true
		return nil
	}
	s.env.Status.Phase = v1alpha1.PhaseDeleting
	if err := r.remove(ctx, s); err != nil || len(s.blockers) > 0 {
		if !s.abandoned(err) {
			return s.deletionWaits(err)
		}
		r.event(s, warning, "Abandoned", "Delete", "left behind as asked: %s", s.leftovers(err))
	}
	return r.forgetReleases(ctx, s)
}

// abandoned tells whether to give up what is left: asked for, and not just
// because a deletion that goes well takes its time.
func (s *scope) abandoned(err error) bool {
	asked := s.env.Annotations[v1alpha1.AnnotationAbandon] == "true"
	return asked && (err != nil || s.now.Sub(s.env.DeletionTimestamp.Time) > blockedAfter)
}

// remove takes away what is on the cluster and on the servers of stores.
func (r *Reconciler) remove(ctx context.Context, s *scope) error {
	if s.env.Status.Left != nil {
		blockers, err := r.removeLeft(ctx, s)
		if err != nil {
			return targetError(err)
		}
		if s.blockers = blockers; len(blockers) > 0 {
			return nil
		}
		s.env.Status.Left = nil
	}
	err := r.reachCluster(ctx, s)
	var p *problem
	switch {
	case errors.As(err, &p) && p.reason == v1alpha1.ReasonClusterNotFound:
		r.event(s, warning, v1alpha1.ReasonClusterNotFound, "Delete", "cluster %s is gone, and with it this environment's objects", environment.Cluster(s.env))
	case err != nil:
		return err
	default:
		if s.blockers, err = s.target.Teardown(ctx, s.owner(), s.namespace(), s.env.Status.Inventory); err != nil {
			return targetError(err)
		}
		r.Reached(pointTeardown)
		if len(s.blockers) > 0 {
			return nil
		}
		s.env.Status.Inventory = nil
	}
	if err := r.endSeed(ctx, s); err != nil || len(s.blockers) > 0 {
		return err
	}
	if err := r.removeStores(ctx, s); err != nil {
		return waiting(v1alpha1.ReasonStoreNotReady, retrySoon, err)
	}
	return nil
}

// forgetReleases deletes the releases and lets go of the Environment. The
// garbage collector would delete them too, but later: an environment created
// anew under the name must not meet them.
func (r *Reconciler) forgetReleases(ctx context.Context, s *scope) error {
	mine := []client.DeleteAllOfOption{client.InNamespace(s.env.Namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: s.env.Name}}
	if err := r.Client.DeleteAllOf(ctx, &v1alpha1.Release{}, mine...); err != nil {
		return fmt.Errorf("deleting releases: %w", err)
	}
	if err := r.Client.DeleteAllOf(ctx, &corev1.Secret{}, append(mine, client.HasLabels{labelRelease})...); err != nil {
		return fmt.Errorf("deleting contents of releases: %w", err)
	}
	r.Reached(pointForget)
	changed := s.env.DeepCopy()
	controllerutil.RemoveFinalizer(changed, v1alpha1.Finalizer)
	if err := r.Client.Patch(ctx, changed, client.MergeFromWithOptions(s.env, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	s.gone = true
	return nil
}

// deletionWaits says what the deletion waits for.
func (s *scope) deletionWaits(err error) error {
	var p *problem
	if err != nil && !errors.As(err, &p) {
		return err
	}
	if p != nil {
		p.err = fmt.Errorf("%w; `landfall env delete %s --abandon` deletes it all the same and leaves the rest behind", p.err, s.env.Name)
		return p
	}
	s.lookAgain(teardownRecheck)
	if s.now.Sub(s.env.DeletionTimestamp.Time) > blockedAfter {
		s.recheck = blockedRecheck
	}
	return nil
}

func (s *scope) leftovers(err error) string {
	if err != nil {
		return err.Error()
	}
	return blockersMessage(s.blockers)
}

func blockersMessage(blockers []kube.Blocker) string {
	if len(blockers) == 0 {
		return "nothing"
	}
	text := blockers[0].String()
	if more := len(blockers) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// deletion sums up a deletion under way.
func (s *scope) deletion() (reason, message string) {
	switch {
	case s.problem != nil:
		return v1alpha1.ReasonDeletionBlocked, s.problem.Error()
	case len(s.blockers) > 0 && s.now.Sub(s.env.DeletionTimestamp.Time) > blockedAfter:
		return v1alpha1.ReasonDeletionBlocked, blockersMessage(s.blockers)
	case len(s.blockers) > 0:
		return v1alpha1.ReasonDeleting, blockersMessage(s.blockers)
	}
	return v1alpha1.ReasonDeleting, "deleting what it has made"
}
