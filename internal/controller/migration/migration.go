// Package migration runs Migrations: for each that is under way, or done with
// the way back still open, one goroutine of the leader carries it out by
// traffic.Executor, with its journal in the object's status. The reconciler
// beside it starts and stops those, gives them people's words, and holds a
// deletion until traffic is where it belongs. It decides nothing about weights.
//
// Start at Reconcile, then run.
package migration

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// conflictEvery is how soon a migration is looked at again that waits for
// another one on the same router.
const conflictEvery = 5 * time.Second

// by is who says words that no person said.
const by = "landfall"

// Options are what a Reconciler works with. All but Reached are required.
type Options struct {
	// Client reads from a cache, but Secrets and ConfigMaps from the API server.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Binder makes routers and guards.
	Binder   Binder
	Recorder events.EventRecorder
	Clock    func() time.Time
	// Registerer of metrics.
	Registerer prometheus.Registerer
	// Reached is told of every named point of the work; see
	// traffic.CrashPoints.
	Reached func(point string)
}

// Binder makes what a migration works with; migration.Binder does.
type Binder interface {
	Router(ctx context.Context, m *v1alpha1.Migration) (traffic.Router, error)
	Guards(ctx context.Context, m *v1alpha1.Migration, router traffic.Router) (guards []traffic.Guard, close func())
}

// Reconciler reconciles Migrations. Safe for concurrent use on different ones.
type Reconciler struct {
	Options

	// worker names this process: no other one, before or after, has the name.
	worker  string
	runs    *runs
	metrics *Metrics
}

// New makes a Reconciler.
func New(opts Options) *Reconciler {
	host, err := os.Hostname()
	if err != nil {
		host = "landfall"
	}
	return &Reconciler{
		Options: opts, worker: fmt.Sprintf("%s-%s", host, uuid.NewUUID()),
		runs: newRuns(), metrics: newMetrics(opts.Registerer),
	}
}

// SetupWithManager registers the reconciler, and what ends its work when the
// process is no longer the leader.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	if err := mgr.Add(manager.RunnableFunc(r.runs.serve)); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("migration").
		For(&v1alpha1.Migration{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, phaseChanged()))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// phaseChanged lets through what a deletion waits for.
func phaseChanged() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool { return !o.GetDeletionTimestamp().IsZero() })
}

// Reconcile sees to it that the migration is run as its object says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	m := &v1alpha1.Migration{}
	err := r.Client.Get(ctx, req.NamespacedName, m)
	switch {
	case apierrors.IsNotFound(err):
		r.runs.stop(req.NamespacedName)
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	case !m.DeletionTimestamp.IsZero():
		return r.release(ctx, m)
	}
	if !controllerutil.ContainsFinalizer(m, v1alpha1.FinalizerMigration) {
		if err := r.patch(ctx, m, func() { controllerutil.AddFinalizer(m, v1alpha1.FinalizerMigration) }); err != nil {
			return ctrl.Result{}, err
		}
	}
	if migration.Phase(m) == traffic.Finished {
		r.runs.stop(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if refusal, err := r.refusal(ctx, m); err != nil || refusal != nil {
		return r.refuse(ctx, m, refusal, err)
	}
	return ctrl.Result{}, r.runs.see(m, r.run)
}

// refusal says why a migration that has not begun must not begin.
func (r *Reconciler) refusal(ctx context.Context, m *v1alpha1.Migration) (*refused, error) {
	if j := m.Status.Journal; j != nil && j.Attempt == migration.Attempt(m) {
		return nil, nil
	}
	if err := migration.Definition(m).Validate(); err != nil {
		return &refused{reason: v1alpha1.ReasonInvalid, message: err.Error()}, nil
	}
	var all v1alpha1.MigrationList
	if err := r.Client.List(ctx, &all); err != nil {
		return nil, err
	}
	for i := range all.Items {
		if place := migration.Conflict(m, &all.Items[i]); place != "" {
			return &refused{
				reason:  v1alpha1.ReasonConflict,
				message: fmt.Sprintf("migration %s/%s works on %s: say `landfall migrate finish` to it, or delete it", all.Items[i].Namespace, all.Items[i].Name, place),
				again:   conflictEvery,
			}, nil
		}
	}
	return nil, nil
}

// refused is why a migration cannot begin as it is.
type refused struct {
	reason, message string
	again           time.Duration
}

// refuse writes down why it does not begin.
func (r *Reconciler) refuse(ctx context.Context, m *v1alpha1.Migration, why *refused, err error) (ctrl.Result, error) {
	if err != nil {
		return ctrl.Result{}, err
	}
	before := m.DeepCopy()
	m.Status.Phase, m.Status.Reason, m.Status.ObservedGeneration = v1alpha1.MigrationPending, why.message, m.Generation
	migration.SetCondition(m, v1alpha1.ConditionStalled, metav1.ConditionTrue, why.reason, why.message)
	migration.SetCondition(m, v1alpha1.ConditionReady, metav1.ConditionFalse, why.reason, why.message)
	meta.RemoveStatusCondition(&m.Status.Conditions, v1alpha1.ConditionReconciling)
	if !equality.Semantic.DeepEqual(before.Status, m.Status) {
		r.Recorder.Eventf(m, nil, corev1.EventTypeWarning, why.reason, "Begin", "%s", why.message)
		if err := r.Client.Status().Update(ctx, m); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: why.again}, nil
}

// release lets a deleted object go once traffic is where it belongs: what is
// under way returns first, what has returned lets go of the new side, and what
// is completed waits for a person, since either end may be meant.
func (r *Reconciler) release(ctx context.Context, m *v1alpha1.Migration) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(m, v1alpha1.FinalizerMigration) {
		r.runs.stop(client.ObjectKeyFromObject(m))
		return ctrl.Result{}, nil
	}
	phase := migration.Phase(m)
	switch {
	case phase == traffic.Finished, m.Status.Journal == nil, m.Annotations[v1alpha1.AnnotationAbandon] == "true":
		r.runs.stop(client.ObjectKeyFromObject(m))
		err := r.patch(ctx, m, func() { controllerutil.RemoveFinalizer(m, v1alpha1.FinalizerMigration) })
		return ctrl.Result{}, client.IgnoreNotFound(err)
	case phase == traffic.Completed:
		return ctrl.Result{}, r.holdDeletion(ctx, m)
	case phase == traffic.Reverted:
		return ctrl.Result{}, r.say(ctx, m, traffic.SayFinish)
	default:
		return ctrl.Result{}, r.say(ctx, m, traffic.SayAbort)
	}
}

// patch changes the object and nothing that somebody else wrote.
func (r *Reconciler) patch(ctx context.Context, m *v1alpha1.Migration, change func()) error {
	before := m.DeepCopy()
	change()
	return r.Client.Patch(ctx, m, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// say says a word for the deletion, once.
func (r *Reconciler) say(ctx context.Context, m *v1alpha1.Migration, verb traffic.Verb) error {
	said := false
	for _, word := range migration.Words(m, 0) {
		said = said || word.By == by && word.Verb == verb
	}
	if !said {
		word := traffic.Word{Verb: verb, By: by, At: r.Clock(), Why: "the migration is being deleted"}
		if err := r.patch(ctx, m, func() { migration.Say(m, word) }); err != nil {
			return fmt.Errorf("saying %s to migration %s: %w", verb, m.Name, err)
		}
	}
	return r.runs.see(m, r.run)
}

// holdDeletion tells once why a completed migration is still there.
func (r *Reconciler) holdDeletion(ctx context.Context, m *v1alpha1.Migration) error {
	known := false
	r.runs.with(client.ObjectKeyFromObject(m), func(one *run) { known, one.told = one.told, true })
	if !known {
		r.Recorder.Eventf(m, nil, corev1.EventTypeWarning, v1alpha1.ReasonDeletionBlocked, "Delete",
			"all traffic goes to %s: say `landfall migrate finish %s` to let go of %s, or `landfall migrate abort %s` to return to it; then it is deleted",
			m.Spec.To.Name, m.Name, m.Spec.From.Name, m.Name)
	}
	return r.runs.see(m, r.run)
}

// explain puts an error into the object's conditions and events.
func (r *Reconciler) explain(ctx context.Context, m *v1alpha1.Migration, err error) {
	text := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		text += ": " + hint
	}
	r.Recorder.Eventf(m, nil, corev1.EventTypeWarning, v1alpha1.ReasonCannotRun, "Run", "%s", migration.Shorten(text))
	latest := &v1alpha1.Migration{}
	if r.Live.Get(ctx, client.ObjectKeyFromObject(m), latest) != nil {
		return // the API server is away: it will be tried again
	}
	migration.SetCondition(latest, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCannotRun, text)
	migration.SetCondition(latest, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonCannotRun, text)
	meta.RemoveStatusCondition(&latest.Status.Conditions, v1alpha1.ConditionStalled)
	if updateErr := r.Client.Status().Update(ctx, latest); updateErr != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("writing why a migration cannot run", "error", updateErr)
	}
}
