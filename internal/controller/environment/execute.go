package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// waitRecheck is when a release that waits is looked at again should an event
// be missed.
const waitRecheck = 5 * time.Second

// executeRelease carries out the newest release as far as it goes now.
func (r *Reconciler) executeRelease(ctx context.Context, s *scope) error {
	if !s.underWay() {
		return nil
	}
	if err := r.startRelease(ctx, s); err != nil {
		return err
	}
	steps := plan(s.contents.Desired, s.release.Spec.Cause)
	for {
		todo, left := next(steps, s.release.Status.Steps)
		if !left {
			return r.finish(ctx, s, v1alpha1.ReleaseSucceeded, nil)
		}
		entry := begin(&s.release.Status, todo, s.now)
		log.FromContext(ctx).V(1).Info(todo.String(), "release", s.release.Name)
		message, done, err := r.carryOut(ctx, s, todo, s.now.Sub(entry.StartedAt.Time))
		if err != nil {
			return r.stepFailed(ctx, s, entry, err)
		}
		if !done || final(s.release) {
			entry.Message = message
			return nil
		}
		r.Reached(todo.String())
		s.now = r.Clock()
		end(entry, s.now, "%s", message)
	}
}

// startRelease writes down what will be applied before it is: whatever happens
// then, the inventory knows what there may be to remove.
func (r *Reconciler) startRelease(ctx context.Context, s *scope) error {
	status := &s.release.Status
	if status.Phase != v1alpha1.ReleaseProgress {
		at := metav1.NewTime(s.now)
		status.Phase, status.StartedAt, status.Changes = v1alpha1.ReleaseProgress, &at, &v1alpha1.ChangeCounts{}
		if err := r.ownContents(ctx, s.release); err != nil {
			return err
		}
	}
	s.env.Status.Cluster = s.cluster.Name
	s.env.Status.Inventory = union(s.env.Status.Inventory, append(refsOfObjects(s.objects()), refsOf(s.copies())...))
	summarize(s)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	r.Reached(pointInventory)
	return r.persistRelease(ctx, s)
}

// carryOut does one step; not done means that it has to wait.
func (r *Reconciler) carryOut(ctx context.Context, s *scope, todo step, waited time.Duration) (message string, done bool, err error) {
	switch todo.verb {
	case verbClear:
		return r.clearFailedJobs(ctx, s)
	case verbApply:
		return r.apply(ctx, s, s.view(todo.stage.Objects))
	case verbWait:
		return r.wait(ctx, s, s.view(todo.stage.Objects), waited)
	case verbSettle:
		return r.wait(ctx, s, s.objects(), waited)
	case verbPrune:
		return r.prune(ctx, s)
	case verbVerify:
		return r.verify(ctx, s)
	}
	return "", false, fmt.Errorf("unknown step %s", todo)
}

// clearFailedJobs deletes Jobs of the release that a former try left failed:
// they have the same name, and would fail this one at once.
func (r *Reconciler) clearFailedJobs(ctx context.Context, s *scope) (string, bool, error) {
	var jobs []*unstructured.Unstructured
	for _, o := range s.contents.Desired.Objects() {
		if isJob(o.Object) {
			jobs = append(jobs, o.Object)
		}
	}
	readiness, err := s.target.Ready(ctx, jobs)
	if err != nil {
		return "", false, err
	}
	var failed []v1alpha1.ObjectRef
	for _, o := range readiness.Objects {
		if o.State == kube.Failed {
			failed = append(failed, o.Object)
		}
	}
	if len(failed) == 0 {
		return "none", true, nil
	}
	changes, err := s.target.Prune(ctx, failed, s.owner())
	s.lookAgain(time.Second)
	return "deleting " + listed(failed), len(changes.Of(kube.Terminating)) == 0, err
}

func (r *Reconciler) apply(ctx context.Context, s *scope, objs []*unstructured.Unstructured) (string, bool, error) {
	changes, err := s.target.Apply(ctx, objs, kube.ApplyOptions{
		Owner: s.owner(), Adopt: s.env.Spec.Adopt,
		TakeOver: s.release.Spec.Cause == v1alpha1.CauseRollback,
	})
	count(s.release.Status.Changes, changes)
	if err != nil {
		return "", false, err
	}
	if err := r.keepAsleep(ctx, s); err != nil {
		return "", false, err
	}
	return describe(changes.Counts()), true, nil
}

// wait asks whether objects are ready, and gives up where it makes no sense to
// go on.
func (r *Reconciler) wait(ctx context.Context, s *scope, objs []*unstructured.Unstructured, waited time.Duration) (string, bool, error) {
	readiness, err := s.target.Ready(ctx, objs)
	if err != nil {
		return "", false, err
	}
	s.readiness = &readiness
	waiting := readiness.Waiting()
	if len(waiting) == 0 {
		s.release.Status.Failures = nil
		return fmt.Sprintf("%d objects ready", len(readiness.Objects)), true, nil
	}
	timeout := deployTimeout(s.env)
	since := s.now.Sub(s.release.Status.StartedAt.Time)
	s.lookAgain(min(waitRecheck, max(timeout-since, time.Second)))
	s.lookAgain(readiness.Recheck)
	diagnoses, err := r.diagnose(ctx, s, objs, readiness, since >= timeout)
	if err != nil || (diagnoses == nil && since < timeout) {
		return s.howFar(), false, err
	}
	failed, failures := verdict(diagnoses, waiting, waited, since, timeout)
	s.release.Status.Failures = capped(failures)
	if !failed {
		return s.howFar(), false, nil
	}
	return s.howFar(), false, r.finish(ctx, s, v1alpha1.ReleaseFailed, failures)
}

// howFar says how many objects are ready, and why the others are not, or at
// least which.
func (s *scope) howFar() string {
	all, waiting := s.readiness.Objects, s.readiness.Waiting()
	why := "waiting for " + awaited(waiting)
	if failures := s.release.Status.Failures; len(failures) > 0 {
		why = firstFailure(failures)
	}
	return fmt.Sprintf("%d of %d objects ready; %s", len(all)-len(waiting), len(all), why)
}

// diagnoseEvery bounds how often a cluster is asked what is wrong.
const diagnoseEvery = 3 * time.Second

// diagnose asks what is wrong where something is, or where it must be known
// now; nil means that it was not asked.
func (r *Reconciler) diagnose(ctx context.Context, s *scope, objs []*unstructured.Unstructured, readiness kube.Readiness, now bool) ([]kube.Diagnosis, error) {
	if !now && !readiness.Troubled {
		s.release.Status.Failures = nil
		return nil, nil
	}
	last := func(k *recollection) *time.Time { return &k.diagnosed }
	if !now && !r.memory.once(s.key(), last, s.now, diagnoseEvery) {
		s.lookAgain(diagnoseEvery)
		return nil, nil
	}
	diagnoses, err := s.target.Diagnose(ctx, objs)
	if err == nil && diagnoses == nil {
		diagnoses = []kube.Diagnosis{}
	}
	return diagnoses, err
}

// verify compares the cluster with the release: the proof that ends it. A
// rollback goes on until nothing differs; objects that others made are none of
// its business.
func (r *Reconciler) verify(ctx context.Context, s *scope) (string, bool, error) {
	drift, err := r.compare(ctx, s, true)
	if err != nil {
		return "", false, err
	}
	s.release.Status.Proof = drift
	own := healable(drift.Differences)
	if s.release.Spec.Cause != v1alpha1.CauseRollback || own == 0 {
		return proofMessage(drift), true, nil
	}
	message := fmt.Sprintf("%d differences left, putting them back", own)
	if since := s.now.Sub(s.release.Status.StartedAt.Time); since >= deployTimeout(s.env) {
		return message, false, r.finish(ctx, s, v1alpha1.ReleaseFailed, differing(drift))
	}
	_, err = s.target.Heal(ctx, s.objects(), s.owner())
	s.lookAgain(time.Second)
	return message, false, err
}

// stepFailed decides what an error of a step means: that the release has
// failed, or that it is tried again.
func (r *Reconciler) stepFailed(ctx context.Context, s *scope, entry *v1alpha1.ReleaseStep, err error) error {
	var rejected *kube.RejectedError
	if !errors.As(err, &rejected) {
		return targetError(err)
	}
	s.release.Status.Failures = capped(rejected.Failures)
	entry.Message = rejected.Error()
	grace := rejectionGrace
	if onlyQuota(rejected.Failures) {
		grace = deployTimeout(s.env) // what is pruned or scaled down makes room
	}
	if s.now.Sub(entry.StartedAt.Time) >= grace {
		return r.finish(ctx, s, v1alpha1.ReleaseFailed, rejected.Failures)
	}
	s.lookAgain(2 * time.Second)
	return nil
}

// finish notes the outcome of the release.
func (r *Reconciler) finish(ctx context.Context, s *scope, outcome v1alpha1.ReleasePhase, failures []v1alpha1.Failure) error {
	at := metav1.NewTime(r.Clock())
	status := &s.release.Status
	status.Phase, status.FinishedAt, status.Failures = outcome, &at, capped(failures)
	if err := r.persistRelease(ctx, s); err != nil {
		return err
	}
	r.Reached(pointFinish)
	r.Metrics.finished(s.release)
	if outcome == v1alpha1.ReleaseFailed {
		r.event(s, warning, v1alpha1.ReasonDeployFailed, "Release", "release %s failed: %s", s.release.Name, firstFailure(failures))
		return nil
	}
	s.env.Status.Drift = status.Proof
	r.event(s, normal, v1alpha1.ReasonReleased, "Release", "release %s is ready: %s; %s", s.release.Name, describe(*status.Changes), proofMessage(status.Proof))
	return nil
}

func count(total *v1alpha1.ChangeCounts, changes kube.ChangeSet) {
	n := changes.Counts()
	total.Created += n.Created
	total.Configured += n.Configured
	total.Unchanged += n.Unchanged
	total.Deleted += n.Deleted
}

func describe(n v1alpha1.ChangeCounts) string {
	return fmt.Sprintf("%d created, %d configured, %d unchanged, %d deleted", n.Created, n.Configured, n.Unchanged, n.Deleted)
}

func awaited(waiting []kube.ObjectStatus) string {
	refs := make([]v1alpha1.ObjectRef, len(waiting))
	for i, w := range waiting {
		refs[i] = w.Object
	}
	return listed(refs)
}

func onlyQuota(failures []v1alpha1.Failure) bool {
	for _, f := range failures {
		if f.Reason != kube.ReasonQuota {
			return false
		}
	}
	return true
}

func firstFailure(failures []v1alpha1.Failure) string {
	if len(failures) == 0 {
		return "no reason known"
	}
	text := kube.Describe(failures[0].Object) + ": " + words(failures[0])
	if more := len(failures) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// words are what a failure says, with the last line that its container wrote.
func words(f v1alpha1.Failure) string {
	for _, line := range slices.Backward(f.Log) {
		if line = strings.TrimSpace(line); line != "" {
			return f.Message + "; it wrote last: " + line
		}
	}
	return f.Message
}
