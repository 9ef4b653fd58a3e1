// Package baseline says of every environment whether it is as its blueprint's
// Baseline says: it runs the HTTP checks at their interval, compares containers
// with host specs after every release and now and then, counts objectives, and
// writes status.baseline, which is its alone. It changes nothing else. Start at
// Reconcile.
package baseline

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/kube"
)

// Times.
const (
	// hostSpecsEvery is how often containers are compared while the release
	// stays the same.
	hostSpecsEvery = 10 * time.Minute
	// settleFor is how soon a deploying environment is looked at again.
	settleFor = 5 * time.Second
	// lookTime bounds one look at one environment.
	lookTime = 2 * time.Minute
)

// Options are what a Reconciler works with. All are required.
type Options struct {
	// Client reads from a cache, but Secrets from the API server.
	Client client.Client
	// Target reaches the clusters that environments run on, by name.
	Target func(ctx context.Context, cluster string) (*kube.Target, error)
	Clock  func() time.Time
}

// Reconciler reconciles Environments with regard to their baseline alone. Safe
// for concurrent use on different Environments.
type Reconciler struct {
	Options

	mu    sync.Mutex
	known map[types.UID]definition
}

// definition is a Baseline that was read, of one generation.
type definition struct {
	generation int64
	*baseline.Definition
}

// New makes a Reconciler.
func New(opts Options) *Reconciler {
	return &Reconciler{Options: opts, known: map[types.UID]definition{}}
}

// SetupWithManager registers the reconciler: it is woken by Environments that
// change phase or release, by Blueprints and by Baselines.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("baseline").
		For(&v1alpha1.Environment{}, builder.WithPredicates(movedOn())).
		Watches(&v1alpha1.Blueprint{}, handler.EnqueueRequestsFromMapFunc(r.ofBlueprint), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Baseline{}, handler.EnqueueRequestsFromMapFunc(r.ofBaseline), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// movedOn lets through changes of what runs, not of what was found out.
func movedOn() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, now := e.ObjectOld.(*v1alpha1.Environment), e.ObjectNew.(*v1alpha1.Environment)
		return before.Generation != now.Generation || before.Status.Phase != now.Status.Phase ||
			before.Status.LastSuccessful != now.Status.LastSuccessful
	}}
}

func (r *Reconciler) ofBlueprint(ctx context.Context, o client.Object) []reconcile.Request {
	return r.environments(ctx, o.GetNamespace(), func(env *v1alpha1.Environment) bool { return env.Spec.Blueprint == o.GetName() })
}

func (r *Reconciler) ofBaseline(ctx context.Context, o client.Object) []reconcile.Request {
	return r.environments(ctx, o.GetNamespace(), func(env *v1alpha1.Environment) bool {
		bp := &v1alpha1.Blueprint{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Spec.Blueprint}, bp)
		return err == nil && bp.Spec.Baseline == o.GetName()
	})
}

func (r *Reconciler) environments(ctx context.Context, project string, wanted func(*v1alpha1.Environment) bool) []reconcile.Request {
	var envs v1alpha1.EnvironmentList
	if err := r.Client.List(ctx, &envs, client.InNamespace(project)); err != nil {
		return nil // the cache is shutting down
	}
	var requests []reconcile.Request
	for i := range envs.Items {
		if wanted(&envs.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&envs.Items[i])})
		}
	}
	return requests
}

// Reconcile looks at one environment, if it is time, and writes down what it
// saw.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	env := &v1alpha1.Environment{}
	if err := r.Client.Get(ctx, req.NamespacedName, env); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !env.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	bp := &v1alpha1.Blueprint{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Spec.Blueprint}, bp)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("reading blueprint %s: %w", env.Spec.Blueprint, err)
	}
	if bp.Spec.Baseline == "" {
		return ctrl.Result{}, r.write(ctx, env, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	status, again := r.look(ctx, env, bp)
	return ctrl.Result{RequeueAfter: again}, r.write(ctx, env, status)
}

// look gives what is known of the environment now, and when to look again.
func (r *Reconciler) look(ctx context.Context, env *v1alpha1.Environment, bp *v1alpha1.Blueprint) (*v1alpha1.BaselineStatus, time.Duration) {
	l := newLook(r, env, bp.Spec.Baseline)
	defined, err := r.definition(ctx, env.Namespace, bp.Spec.Baseline)
	if err != nil {
		return l.unknown(err.Error()), baseline.DefaultInterval
	}
	switch env.Status.Phase {
	case v1alpha1.PhaseAsleep:
		return l.unknown("the environment is asleep"), 0 // waking it wakes us
	case v1alpha1.PhaseReady, v1alpha1.PhaseDegraded, v1alpha1.PhaseFailed:
	default:
		return l.keep("nothing was looked at yet"), settleFor
	}
	if wait := l.wait(defined); wait > 0 {
		return l.previous, wait
	}
	l.runChecks(ctx, defined)
	l.verifyHostSpecs(ctx, defined)
	return l.conclude(defined), defined.Interval
}

// definition reads a Baseline, or remembers it.
func (r *Reconciler) definition(ctx context.Context, project, name string) (definition, error) {
	object := &v1alpha1.Baseline{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Namespace: project, Name: name}, object); {
	case apierrors.IsNotFound(err):
		return definition{}, fmt.Errorf("baseline %s does not exist: `landfall baseline create` makes one", name)
	case err != nil:
		return definition{}, err
	}
	r.mu.Lock()
	known, ok := r.known[object.UID]
	r.mu.Unlock()
	if ok && known.generation == object.Generation {
		return known, nil
	}
	read, err := baseline.Read(name, object.Spec)
	if err != nil {
		return definition{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known = definition{object.Generation, read}
	r.known[object.UID] = known
	return known, nil
}

// write writes status.baseline and nothing else.
func (r *Reconciler) write(ctx context.Context, env *v1alpha1.Environment, status *v1alpha1.BaselineStatus) error {
	if equality.Semantic.DeepEqual(env.Status.Baseline, status) {
		return nil
	}
	before := env.DeepCopy()
	changed := env.DeepCopy()
	changed.Status.Baseline = status
	err := r.Client.Status().Patch(ctx, changed, client.MergeFrom(before))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the baseline of environment %s: %w", env.Name, err)
	}
	return nil
}

// secrets are those that checks refer to.
func (r *Reconciler) secrets(ctx context.Context, project, name string) (func(string) string, error) {
	secret := &corev1.Secret{}
	if name != "" {
		if err := r.Client.Get(ctx, client.ObjectKey{Namespace: project, Name: name}, secret); err != nil {
			return nil, fmt.Errorf("reading Secret %s: %w", name, err)
		}
	}
	return func(key string) string { return string(secret.Data[key]) }, nil
}

func at(t time.Time) *metav1.Time {
	stamp := metav1.NewTime(t.Truncate(time.Second))
	return &stamp
}
