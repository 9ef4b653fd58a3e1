package environment

import (
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// changeCluster begins a move where the environment is to run on another
// cluster than it does. From then on the cluster that it left is not touched
// until somebody finishes the move; where it runs there already, as after a
// move, the sides change places. What keeps it from moving is shown, and the
// environment is looked after where it is.
func (r *Reconciler) changeCluster(ctx context.Context, s *scope) error {
	status, want := &s.env.Status, s.env.Spec.Cluster
	if status.Cluster == "" && len(status.Inventory) > 0 {
		status.Cluster = want // it was made before that was written down
	}
	if status.Cluster == "" || status.Cluster == want {
		return nil
	}
	if s.problem = r.mayMove(ctx, s); s.problem != nil {
		s.lookAgain(s.problem.retry)
		return nil
	}
	done, err := r.jobsDone(ctx, s)
	if err != nil {
		return err
	}
	if s.arriving() && len(status.Inventory) == 0 && status.Left.Cluster == want {
		s.turnBack()
	} else {
		s.changeSides(done)
	}
	summarize(s)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	r.Reached(pointMove)
	r.event(s, normal, v1alpha1.ReasonMoving, "Move", "moves to cluster %s", want)
	return nil
}

// mayMove tells what keeps the environment from moving now; nil is nothing.
func (r *Reconciler) mayMove(ctx context.Context, s *scope) *problem {
	status, want := &s.env.Status, s.env.Spec.Cluster
	left := status.Left
	switch {
	case left != nil && left.Cluster != want:
		return stalled(v1alpha1.ReasonMoveRefused, fmt.Errorf(
			"cannot move to %s: it moved from %s to %s and that is not finished; `landfall env finish %s` finishes it, `landfall env move %s --to %s` goes back",
			want, left.Cluster, status.Cluster, s.env.Name, s.env.Name, left.Cluster))
	case left != nil && finishAsked(s.env):
		return stalled(v1alpha1.ReasonMoveRefused, fmt.Errorf("cannot move back to %s: what was left there is being removed", want))
	}
	if _, p := r.findCluster(ctx, want); p != nil {
		p.reason, p.err = v1alpha1.ReasonMoveRefused, fmt.Errorf("cannot move: %w", p.err)
		return p
	}
	old, gone := r.findCluster(ctx, status.Cluster)
	if gone != nil {
		return nil // nothing to compare with, or to wait for
	}
	if s.underWay() {
		return waiting(v1alpha1.ReasonMoving, waitRecheck, fmt.Errorf("moves to %s once release %s has ended on %s", want, s.release.Name, old.Name))
	}
	same, err := r.sameCluster(ctx, status.Cluster, want)
	switch {
	case err != nil:
		return waiting(v1alpha1.ReasonMoveRefused, retrySoon, fmt.Errorf("cannot move yet: %w", err))
	case same:
		return stalled(v1alpha1.ReasonMoveRefused, fmt.Errorf("cannot move to %s: it is the same cluster as %s under another name", want, status.Cluster))
	}
	return nil
}

// findCluster gives a Cluster that exists and answers as far as is known.
func (r *Reconciler) findCluster(ctx context.Context, name string) (*v1alpha1.Cluster, *problem) {
	cluster := &v1alpha1.Cluster{}
	switch err := r.Client.Get(ctx, types.NamespacedName{Name: name}, cluster); {
	case apierrors.IsNotFound(err):
		return nil, stalled(v1alpha1.ReasonClusterNotFound, fmt.Errorf("cluster %s does not exist: `landfall cluster list` shows what there is", name))
	case err != nil:
		return nil, waiting(v1alpha1.ReasonClusterUnreachable, retrySoon, fmt.Errorf("reading cluster %s: %w", name, err))
	}
	if message, down := unreachable(cluster); down {
		return nil, waiting(v1alpha1.ReasonClusterUnreachable, retryRare, fmt.Errorf("cluster %s does not answer: %s", name, message))
	}
	return cluster, nil
}

// sameCluster tells whether two Clusters lead to one: a move between them would
// end with the removal of what it made.
func (r *Reconciler) sameCluster(ctx context.Context, a, b string) (bool, error) {
	var ids [2]types.UID
	for i, name := range []string{a, b} {
		target, err := r.Targets(ctx, name)
		if err != nil {
			return false, err
		}
		if ids[i], err = target.ID(ctx); err != nil {
			return false, err
		}
	}
	return ids[0] == ids[1], nil
}

// changeSides lets the environment run on the cluster of its spec, and what runs
// until now be left behind.
func (s *scope) changeSides(done []v1alpha1.ObjectRef) {
	status := &s.env.Status
	before := v1alpha1.LeftBehind{}
	if status.Left != nil {
		before = *status.Left
	}
	status.Left = &v1alpha1.LeftBehind{
		Cluster: status.Cluster, Namespace: s.namespace(), Release: status.Release,
		Inventory: status.Inventory, Sleep: status.Sleep, MovedAt: metav1.NewTime(s.now),
		// CronJobs stay on the side that has them: after a way back, on this one.
		HandedOver: status.Left != nil && !before.HandedOver,
	}
	status.Cluster, status.Inventory = s.env.Spec.Cluster, before.Inventory
	if before.Cluster != "" {
		status.Sleep = before.Sleep
	}
	status.JobsDone = minus(done, before.Inventory)
	s.forgetRun()
}

// turnBack ends a move that has not applied anything yet.
func (s *scope) turnBack() {
	status := &s.env.Status
	left := status.Left
	status.Cluster, status.Inventory, status.Sleep, status.Left = left.Cluster, left.Inventory, left.Sleep, nil
	s.forgetRun()
	if s.release != nil {
		status.InputsHash = s.release.Spec.InputsHash
	}
}

// forgetRun forgets what was seen on the other cluster.
func (s *scope) forgetRun() {
	status := &s.env.Status
	status.InputsHash, status.Components, status.Drift = "", nil, nil
}

func (s *scope) arriving() bool { return environment.Arriving(s.env) }

// awaitArrival ends the reconcile of an environment whose newest release runs on
// the cluster that it left: it must not be applied, compared or healed here.
func (r *Reconciler) awaitArrival(_ context.Context, s *scope) error {
	if !s.arriving() {
		return nil
	}
	if s.problem != nil {
		return s.problem
	}
	return waiting(v1alpha1.ReasonMoving, retrySoon, fmt.Errorf("has no release on cluster %s yet", s.env.Status.Cluster))
}

// jobsDone gives the one-off Jobs that some release of the environment has
// completed, wherever it ran.
func (r *Reconciler) jobsDone(ctx context.Context, s *scope) ([]v1alpha1.ObjectRef, error) {
	releases, err := r.releasesOf(ctx, s.env)
	if err != nil {
		return nil, err
	}
	done := s.env.Status.JobsDone
	for i := range releases {
		if releases[i].Status.Phase != v1alpha1.ReleaseSucceeded {
			continue
		}
		k, err := r.contents.keep(ctx, &releases[i])
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		done = union(done, k.jobs)
	}
	return done, nil
}

// resolver finds images; for a move of an environment that is to run the same,
// those that run already, wherever their tags point by now.
func (r *Reconciler) resolver(s *scope) version.Resolver {
	in, resolver := s.wanted.input, r.Resolver.With(s.wanted.credentials)
	if !s.arriving() || s.contents == nil || !sameButCluster(s.contents.Environment, s.env.Spec) ||
		!equality.Semantic.DeepEqual(s.contents.Blueprint, in.Blueprint.Spec) {
		return resolver
	}
	return &carried{Resolver: resolver, digests: s.contents.Desired.Digests()}
}

func sameButCluster(a, b v1alpha1.EnvironmentSpec) bool {
	a.Cluster, b.Cluster = "", ""
	return sameWish(a, b)
}

// carried resolves images to digests that are known, by repository.
type carried struct {
	version.Resolver
	digests map[string]string
}

// Image is part of version.Resolver.
func (c *carried) Image(ctx context.Context, reference string) (environment.Image, error) {
	if image, tagged := environment.ByTag(reference); tagged && c.digests[image.Repository] != "" {
		image.Digest = c.digests[image.Repository]
		return image, nil
	}
	return c.Resolver.Image(ctx, reference)
}

func finishAsked(env *v1alpha1.Environment) bool {
	asked, _ := environment.FinishAsked(env)
	return asked
}

func finishForced(env *v1alpha1.Environment) bool {
	_, forced := environment.FinishAsked(env)
	return forced
}

// finishMove removes what the environment left behind, once it is asked for and
// the environment runs here: first the CronJobs change sides, so that they never
// run on both, then the rest goes.
func (r *Reconciler) finishMove(ctx context.Context, s *scope) error {
	if !finishAsked(s.env) {
		return nil
	}
	if s.release == nil || s.release.Status.Phase != v1alpha1.ReleaseSucceeded {
		s.lookAgain(waitRecheck)
		s.leaving = "waits until the release here has succeeded"
		return nil
	}
	left := s.env.Status.Left
	if err := r.handOver(ctx, s); err != nil {
		return err
	}
	if !left.HandedOver {
		return nil // said why
	}
	blockers, err := r.removeLeft(ctx, s)
	if err != nil && !finishForced(s.env) {
		return s.finishWaits(err)
	}
	if err == nil && len(blockers) > 0 {
		s.leaving = blockersMessage(blockers)
		s.lookAgain(teardownRecheck)
		return nil
	}
	r.Reached(pointLeave)
	s.env.Status.Left = nil
	note := "nothing is left on cluster " + left.Cluster
	if err != nil {
		note = "left behind on cluster " + left.Cluster + ", as asked: " + err.Error()
	}
	r.event(s, normal, v1alpha1.ReasonMoved, "Finish", "%s", note)
	return nil
}

// handOver suspends the CronJobs on the side that was left, then lets those here
// run.
func (r *Reconciler) handOver(ctx context.Context, s *scope) error {
	left := s.env.Status.Left
	if !left.HandedOver {
		if err := r.suspendLeft(ctx, left); err != nil && !finishForced(s.env) {
			return s.finishWaits(err)
		}
		r.Reached(pointHandOver)
		left.HandedOver = true
		if err := r.persist(ctx, s); err != nil {
			return err
		}
	}
	if s.env.Spec.Asleep {
		return nil // waking will do it
	}
	return targetError(s.target.Wake(ctx, s.schedules()))
}

func (r *Reconciler) suspendLeft(ctx context.Context, left *v1alpha1.LeftBehind) error {
	target, err := r.reachLeft(ctx, left)
	if err != nil || target == nil {
		return err
	}
	var running []v1alpha1.SleepingObject
	for _, ref := range left.Inventory {
		if ref.Kind == "CronJob" {
			running = append(running, v1alpha1.SleepingObject{Object: ref, Suspended: new(bool)})
		}
	}
	return target.Sleep(ctx, running)
}

// schedules gives the CronJobs of the newest release as it wants them.
func (s *scope) schedules() []v1alpha1.SleepingObject {
	var wanted []v1alpha1.SleepingObject
	for _, size := range resized(nil, s) {
		if size.Suspended != nil {
			wanted = append(wanted, size)
		}
	}
	return wanted
}

// reachLeft reaches the cluster that was left; nil, with no error, where there
// is no such Cluster any more, and with it nothing to remove.
func (r *Reconciler) reachLeft(ctx context.Context, left *v1alpha1.LeftBehind) (Target, error) {
	_, p := r.findCluster(ctx, left.Cluster)
	switch {
	case p == nil:
		return r.Targets(ctx, left.Cluster)
	case p.reason == v1alpha1.ReasonClusterNotFound:
		return nil, nil
	}
	return nil, p
}

// removeLeft takes one more step towards removing what is on the cluster that
// was left.
func (r *Reconciler) removeLeft(ctx context.Context, s *scope) ([]kube.Blocker, error) {
	left := s.env.Status.Left
	target, err := r.reachLeft(ctx, left)
	if err != nil || target == nil {
		return nil, err
	}
	if s.env.DeletionTimestamp.IsZero() {
		same, err := r.sameCluster(ctx, left.Cluster, s.env.Status.Cluster)
		if err != nil {
			return nil, err
		}
		if same {
			return nil, fmt.Errorf("%s and %s are the same cluster by now: nothing is removed there", left.Cluster, s.env.Status.Cluster)
		}
	}
	return target.Teardown(ctx, s.owner(), left.Namespace, left.Inventory)
}

// finishWaits says what the end of a move waits for; the environment itself
// runs.
func (s *scope) finishWaits(err error) error {
	s.leaving = fmt.Sprintf("%s; `landfall env finish %s --force` leaves there what is there", err, s.env.Name)
	s.blocked = true
	s.lookAgain(retrySoon)
	return nil
}

// noteMove writes how far a move is into the conditions.
func (s *scope) noteMove() {
	left, here := s.env.Status.Left, s.env.Status.Cluster
	switch {
	case left == nil:
		s.dropCondition(v1alpha1.ConditionMoving)
	case s.blocked:
		s.condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonFinishBlocked, "removing what is left on "+left.Cluster+": "+s.leaving)
	case finishAsked(s.env):
		message := "removing what is left on " + left.Cluster
		if s.leaving != "" {
			message += ": " + s.leaving
		}
		s.condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonFinishing, message)
	case s.arriving() || s.release == nil || s.release.Status.Phase != v1alpha1.ReleaseSucceeded:
		s.condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonMoving,
			fmt.Sprintf("moving to %s; %s runs there, untouched; `landfall env move %s --to %s` goes back", here, left.Cluster, s.env.Name, left.Cluster))
	default:
		s.condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonMoved,
			fmt.Sprintf("runs on %s, and still on %s; `landfall env finish %s` removes it there, `landfall env move %s --to %s` goes back", here, left.Cluster, s.env.Name, s.env.Name, left.Cluster))
	}
}
