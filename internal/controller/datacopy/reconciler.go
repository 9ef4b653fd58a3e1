// Package datacopy carries out DataCopies: it finds the stores and the mask,
// decides whether the copy is allowed, lets a Job near the data do the work, and
// writes down how far that is. Journal and state of the Job are in ConfigMaps,
// so that pod and controller may be killed at any moment. What is copied and how
// is internal/datacopy's. Start at Reconcile.
package datacopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// lookAgain is how often a Job that runs is looked at.
	lookAgain = time.Second
	// tryAgain is the pause after what may pass by itself.
	tryAgain = 5 * time.Second
)

// Options are what a Reconciler works with. All are required; without an Image
// copies stay pending and say so.
type Options struct {
	// Client writes; its reads of DataCopies come from a cache.
	Client client.Client
	// Live reads from the API server.
	Live     client.Reader
	Recorder events.EventRecorder
	Clock    func() time.Time
	// Image is Landfall's own, which the Jobs run.
	Image string
}

// Reconciler reconciles DataCopies. Safe for concurrent use on different ones.
type Reconciler struct{ Options }

// New makes a Reconciler.
func New(opts Options) *Reconciler { return &Reconciler{opts} }

// SetupWithManager registers the reconciler: it is woken by DataCopies and
// their Jobs.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	asked := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("datacopy").
		For(&v1alpha1.DataCopy{}, builder.WithPredicates(asked)).
		Owns(&batchv1.Job{}, builder.OnlyMetadata).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// Reconcile does what can be done now for one DataCopy.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	dc := &v1alpha1.DataCopy{}
	// Live: whether a Job is made is decided from the status.
	if err := r.Live.Get(ctx, req.NamespacedName, dc); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !dc.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // what it made is owned, and goes with it
	}
	stored := dc.DeepCopy()
	again, err := r.reconcile(ctx, dc)
	again, err = r.conclude(dc, again, err)
	summarize(dc, r.Clock())
	return ctrl.Result{RequeueAfter: again}, errors.Join(err, r.persist(ctx, stored, dc))
}

func (r *Reconciler) reconcile(ctx context.Context, dc *v1alpha1.DataCopy) (time.Duration, error) {
	if request := dc.Annotations[v1alpha1.AnnotationResumeRequested]; dc.Status.Phase == v1alpha1.DataCopyFailed && request != dc.Status.ResumedRequest {
		return r.resume(ctx, dc, request)
	}
	if !dc.Status.Phase.Final() {
		if err := r.ensure(ctx, dc); err != nil {
			return 0, err
		}
		if again, err := r.observe(ctx, dc); err != nil || !dc.Status.Phase.Final() {
			return again, err
		}
	}
	return 0, r.forgetSecrets(ctx, dc)
}

// conclude turns what is wrong into a status: final where only another copy can
// mend it, to be tried again otherwise.
func (r *Reconciler) conclude(dc *v1alpha1.DataCopy, again time.Duration, err error) (time.Duration, error) {
	if err == nil {
		return again, nil
	}
	message := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		message += " (" + hint + ")"
	}
	switch fault.ClassOf(err) {
	case fault.Refused, fault.Invalid, fault.NotFound:
		r.finish(dc, v1alpha1.DataCopyFailed, reasonOf(fault.ClassOf(err)), message)
		return 0, nil
	}
	if dc.Status.Phase == "" {
		dc.Status.Phase = v1alpha1.DataCopyPending
	}
	dc.Status.Message = message
	return tryAgain, nil
}

// reasonOf names why a copy failed that cannot be tried again.
func reasonOf(class fault.Class) string {
	switch class {
	case fault.Refused:
		return v1alpha1.ReasonRefused
	case fault.Invalid, fault.NotFound:
		return v1alpha1.ReasonInvalid
	}
	return v1alpha1.ReasonCopyFailed
}

// finish notes the end.
func (r *Reconciler) finish(dc *v1alpha1.DataCopy, phase v1alpha1.DataCopyPhase, reason, message string) {
	now := metav1.NewTime(r.Clock())
	dc.Status.Phase, dc.Status.Message, dc.Status.FinishedAt = phase, message, &now
	kind := "Normal"
	if phase != v1alpha1.DataCopySucceeded {
		kind = "Warning"
	}
	setReady(dc, reason, message, now.Time)
	r.Recorder.Eventf(dc, nil, kind, reason, "Copy", "%s", message)
}

// summarize writes the conditions that follow from the phase.
func summarize(dc *v1alpha1.DataCopy, now time.Time) {
	status := &dc.Status
	status.ObservedGeneration = dc.Generation
	if !status.Phase.Final() {
		reason := v1alpha1.ReasonCopying
		setReady(dc, reason, status.Message, now)
	}
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	set := func(kind string, holds bool) {
		condition := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: ready.Reason, ObservedGeneration: dc.Generation, LastTransitionTime: metav1.NewTime(now)}
		if holds {
			condition.Status, condition.Message = metav1.ConditionTrue, ready.Message
		}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	set(v1alpha1.ConditionReconciling, !status.Phase.Final())
	set(v1alpha1.ConditionStalled, status.Phase == v1alpha1.DataCopyFailed || status.Phase == v1alpha1.DataCopyDifferent)
}

func setReady(dc *v1alpha1.DataCopy, reason, message string, now time.Time) {
	ready := metav1.ConditionFalse
	if dc.Status.Phase == v1alpha1.DataCopySucceeded {
		ready = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&dc.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: ready, Reason: reason, Message: shortened(message),
		ObservedGeneration: dc.Generation, LastTransitionTime: metav1.NewTime(now),
	})
}

// shortened keeps a message within what a condition takes.
func shortened(message string) string {
	const most = 4000
	if len(message) > most {
		return message[:most] + "…"
	}
	return message
}

func (r *Reconciler) persist(ctx context.Context, stored, dc *v1alpha1.DataCopy) error {
	if equality.Semantic.DeepEqual(stored.Status, dc.Status) {
		return nil
	}
	err := r.Client.Status().Patch(ctx, dc.DeepCopy(), client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of data copy %s: %w", dc.Name, err)
	}
	return nil
}
