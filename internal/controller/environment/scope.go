package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scope is what one reconcile knows. Fields are filled by the phases, in their
// order.
type scope struct {
	now time.Time
	env *v1alpha1.Environment
	// stored is env as the API server has it.
	stored *v1alpha1.Environment

	// release is the newest one; nil before the first.
	release       *v1alpha1.Release
	storedRelease *v1alpha1.Release
	contents      *release.Contents

	cluster *v1alpha1.Cluster
	target  Target
	wanted  *wanted
	// sources are the Secrets of the project that the release has copies of.
	sources []*corev1.Secret
	// problem is what keeps the environment from going on.
	problem *problem
	// readiness of the newest release's objects; nil when not looked at.
	readiness *kube.Readiness
	failures  []v1alpha1.Failure
	blockers  []kube.Blocker
	// leaving is what the end of a move waits for; blocked: for somebody to do
	// something.
	leaving string
	blocked bool

	// recheck is when to look again although nothing happens; 0 is never.
	recheck time.Duration
	// gone: the Environment exists no more.
	gone bool
}

func newScope(env *v1alpha1.Environment, now time.Time) *scope {
	return &scope{now: now, env: env, stored: env.DeepCopy()}
}

func (s *scope) key() types.NamespacedName { return client.ObjectKeyFromObject(s.env) }

func (s *scope) owner() kube.Owner { return kube.OwnerOf(s.env) }

func (s *scope) namespace() string { return environment.Namespace(s.env) }

// lookAgain asks for another reconcile in d at the latest.
func (s *scope) lookAgain(d time.Duration) {
	if d > 0 && (s.recheck == 0 || d < s.recheck) {
		s.recheck = d
	}
}

// underWay tells whether the newest release has no outcome yet.
func (s *scope) underWay() bool { return s.release != nil && !final(s.release) }

// objects of the newest release, as they are to be now: of a sleeping
// environment, with size zero; CronJobs that run on the cluster that the
// environment left, suspended; without Jobs that were done there; copies of
// Secrets with the values that these have.
func (s *scope) objects() []*unstructured.Unstructured {
	if s.contents == nil {
		return nil
	}
	return s.view(s.contents.Desired.Objects())
}

func (s *scope) view(objects []environment.Object) []*unstructured.Unstructured {
	status := &s.env.Status
	done := make(map[kube.Identity]bool, len(status.JobsDone))
	for _, ref := range status.JobsDone {
		done[kube.IdentityOf(ref)] = true
	}
	elsewhere := status.Left != nil && !status.Left.HandedOver
	plain := make([]*unstructured.Unstructured, 0, len(objects))
	for _, o := range objects {
		copied := environment.CopyOf(o)
		switch {
		case copied != "":
			if source := s.source(copied); source != nil {
				plain = append(plain, environment.Filled(o, source))
			}
		case done[kube.IdentityOf(kube.RefOf(o.Object))]:
		case s.env.Spec.Asleep, elsewhere && isCronJob(o.Object):
			plain = append(plain, asleep(o.Object))
		default:
			plain = append(plain, o.Object)
		}
	}
	return plain
}

func final(r *v1alpha1.Release) bool {
	switch r.Status.Phase {
	case v1alpha1.ReleaseSucceeded, v1alpha1.ReleaseFailed, v1alpha1.ReleaseSuperseded:
		return true
	}
	return false
}

// problem keeps an environment from going on. It is shown in the conditions.
type problem struct {
	// reason of the condition.
	reason string
	// stalled: nothing changes until somebody edits something.
	stalled bool
	// retry is when to try again by ourselves.
	retry time.Duration
	// err says what is wrong.
	err error
}

// Error is the message of the condition.
func (p *problem) Error() string { return p.err.Error() }

// Unwrap gives the cause.
func (p *problem) Unwrap() error { return p.err }

// Pauses before trying again what failed.
const (
	retrySoon = 10 * time.Second
	retryRare = time.Minute
)

func stalled(reason string, err error) *problem {
	return &problem{reason: reason, stalled: true, retry: 5 * time.Minute, err: err}
}

func waiting(reason string, retry time.Duration, err error) *problem {
	return &problem{reason: reason, retry: retry, err: err}
}

// targetError makes a problem of an error of the environment's cluster, where
// it is one that a person should see.
func targetError(err error) error {
	var notOwned *kube.NotOwnedError
	switch {
	case err == nil:
		return nil
	case kube.Unreachable(err):
		return waiting(v1alpha1.ReasonClusterUnreachable, retrySoon, err)
	case errors.As(err, &notOwned):
		p := stalled(v1alpha1.ReasonNotOwned, fmt.Errorf("%w; set spec.adopt (`landfall env create --adopt`) to take over", err))
		p.retry = retryRare
		return p
	}
	return err
}

// persist writes the status where it changed. It fails with a conflict when
// somebody else wrote since it was read: the inventory must not be lost.
func (r *Reconciler) persist(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.stored.Status, s.env.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{})
	written := s.env.DeepCopy()
	if err := r.Client.Status().Patch(ctx, written, patch); err != nil {
		return fmt.Errorf("writing the status of environment %s: %w", s.env.Name, err)
	}
	s.env.ResourceVersion = written.ResourceVersion
	s.stored = s.env.DeepCopy()
	return nil
}

// persistRelease writes the newest release's journal where it changed.
func (r *Reconciler) persistRelease(ctx context.Context, s *scope) error {
	if s.release == nil || equality.Semantic.DeepEqual(s.storedRelease.Status, s.release.Status) {
		return nil
	}
	written := s.release.DeepCopy()
	if err := r.Client.Status().Patch(ctx, written, client.MergeFrom(s.storedRelease)); err != nil {
		return fmt.Errorf("writing the journal of release %s: %w", s.release.Name, err)
	}
	s.storedRelease = s.release.DeepCopy()
	return nil
}

// isConflict tells whether all that went wrong is that somebody else wrote.
func isConflict(err error) bool { return apierrors.IsConflict(err) }

// union adds refs to an inventory, keeping its order.
func union(inventory, refs []v1alpha1.ObjectRef) []v1alpha1.ObjectRef {
	at := make(map[kube.Identity]int, len(inventory))
	joined := slices.Clone(inventory)
	for i, ref := range joined {
		at[kube.IdentityOf(ref)] = i
	}
	for _, ref := range refs {
		if i, ok := at[kube.IdentityOf(ref)]; ok {
			joined[i] = ref
			continue
		}
		at[kube.IdentityOf(ref)] = len(joined)
		joined = append(joined, ref)
	}
	return joined
}

// minus gives the refs that are not among others.
func minus(refs []v1alpha1.ObjectRef, others ...[]v1alpha1.ObjectRef) []v1alpha1.ObjectRef {
	without := map[kube.Identity]bool{}
	for _, list := range others {
		for _, ref := range list {
			without[kube.IdentityOf(ref)] = true
		}
	}
	var left []v1alpha1.ObjectRef
	for _, ref := range refs {
		if !without[kube.IdentityOf(ref)] {
			left = append(left, ref)
		}
	}
	return left
}

func refsOf(objects []environment.Object) []v1alpha1.ObjectRef {
	refs := make([]v1alpha1.ObjectRef, len(objects))
	for i, o := range objects {
		refs[i] = kube.RefOf(o.Object)
	}
	return refs
}

func refsOfObjects(objs []*unstructured.Unstructured) []v1alpha1.ObjectRef {
	refs := make([]v1alpha1.ObjectRef, len(objs))
	for i, o := range objs {
		refs[i] = kube.RefOf(o)
	}
	return refs
}

// listed names at most five objects.
func listed(refs []v1alpha1.ObjectRef) string {
	var names []string
	for i, ref := range refs {
		if i == 5 {
			names = append(names, fmt.Sprintf("and %d more", len(refs)-i))
			break
		}
		names = append(names, kube.Describe(ref))
	}
	return strings.Join(names, ", ")
}
