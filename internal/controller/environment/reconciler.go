// Package environment brings Environments to what they say: a release is made
// of their inputs, stored, applied stage by stage, watched until it is ready,
// pruned and proved, and from then on watched for drift.
//
// It never waits: every reconcile does what can be done now, writes down how
// far it came and returns; events of the objects wake it again. The journal in
// the Release's status and the inventory in the Environment's are all the
// memory it needs, so a crash at any point is followed by going on. Rendering,
// version resolution, stores and everything done to a cluster belong to other
// packages. Start at Reconcile; plan.go has the steps of a release.
package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Target is what the reconciler asks of an environment's cluster; *kube.Target
// says what each verb promises.
type Target interface {
	Apply(ctx context.Context, objs []*unstructured.Unstructured, opts kube.ApplyOptions) (kube.ChangeSet, error)
	Prune(ctx context.Context, refs []v1alpha1.ObjectRef, owner kube.Owner) (kube.ChangeSet, error)
	Ready(ctx context.Context, objs []*unstructured.Unstructured) (kube.Readiness, error)
	Diagnose(ctx context.Context, objs []*unstructured.Unstructured) ([]kube.Diagnosis, error)
	Diff(ctx context.Context, objs []*unstructured.Unstructured, opts kube.DiffOptions) ([]v1alpha1.Difference, error)
	Heal(ctx context.Context, objs []*unstructured.Unstructured, owner kube.Owner) (kube.ChangeSet, error)
	Sizes(ctx context.Context, refs []v1alpha1.ObjectRef) ([]v1alpha1.SleepingObject, error)
	Sleep(ctx context.Context, sizes []v1alpha1.SleepingObject) error
	Wake(ctx context.Context, sizes []v1alpha1.SleepingObject) error
	ID(ctx context.Context) (types.UID, error)
	Teardown(ctx context.Context, owner kube.Owner, namespace string, refs []v1alpha1.ObjectRef) ([]kube.Blocker, error)
}

// Options are what a Reconciler works with. All fields but Reached and Metrics
// are required.
type Options struct {
	// Client reads from a cache that has the indexes of SetupWithManager, but
	// Secrets from the API server.
	Client client.Client
	// Live reads from the API server itself.
	Live client.Reader
	// Targets finds clusters by the name of their Cluster.
	Targets func(ctx context.Context, cluster string) (Target, error)
	// APIs says what a cluster serves, for rendering charts.
	APIs func(ctx context.Context, cluster string) environment.APIs
	// Resolver finds images and charts.
	Resolver version.Resolver
	// OpenStore reaches a server that environments get stores on, by the
	// administrator's address.
	OpenStore func(serverURL string) (store.Provisioner, error)
	// Recorder of Events.
	Recorder events.EventRecorder
	// Clock tells the time.
	Clock func() time.Time
	// Reached is called at every named point of CrashPoints, for tests that end
	// the process there.
	Reached func(point string)
	// Metrics counts releases.
	Metrics *Metrics
}

// Reconciler reconciles Environments. Safe for concurrent use on different
// Environments.
type Reconciler struct {
	Options
	secrets  *secretCache
	contents *contentCache
	memory   *memory
}

// New makes a Reconciler.
func New(opts Options) *Reconciler {
	if opts.Reached == nil {
		opts.Reached = func(string) {}
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	return &Reconciler{
		Options:  opts,
		secrets:  newSecretCache(opts.Client, opts.Live),
		contents: newContentCache(opts.Live),
		memory:   newMemory(),
	}
}

// phase is one named step of a reconcile.
type phase struct {
	name string
	run  func(context.Context, *scope) error
}

// phases in order. A phase that cannot go on returns a *problem and ends the
// reconcile; problems with the inputs alone are kept for the status, since what
// runs must be looked after all the same.
func (r *Reconciler) phases() []phase {
	return []phase{
		{"check the expiry", r.checkExpiry},
		{"keep until cleaned up", r.addFinalizer},
		{"find the newest release", r.findRelease},
		{"move if it is to run elsewhere", r.changeCluster},
		{"reach the cluster", r.reachCluster},
		{"gather the inputs", r.gatherInputs},
		{"make a release if they changed", r.ensureRelease},
		{"wait for the first release here", r.awaitArrival},
		{"put to sleep or wake", r.sleepOrWake},
		{"read the credentials for registries", r.gatherCredentials},
		{"carry out the release", r.executeRelease},
		{"renew the credentials for registries", r.renewCredentials},
		{"look at what runs", r.observe},
		{"compare with the release", r.checkDrift},
		{"finish the move", r.finishMove},
	}
}

// Reconcile does what can be done now for one Environment.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	env := &v1alpha1.Environment{}
	// Live: the cache lags behind our own writes, and what to prune or apply is
	// decided from the status.
	if err := r.Live.Get(ctx, req.NamespacedName, env); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.memory.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := newScope(env, r.Clock())
	var err error
	if env.DeletionTimestamp.IsZero() {
		err = r.reconcile(ctx, s)
	} else {
		err = r.finalize(ctx, s)
	}
	if s.gone {
		r.memory.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	return r.conclude(ctx, s, err)
}

func (r *Reconciler) reconcile(ctx context.Context, s *scope) error {
	for _, p := range r.phases() {
		if err := p.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if s.gone {
			return nil
		}
	}
	return nil
}

// conclude writes the status and says when to look again. An error that is no
// problem to show goes to the queue, which tries again with growing pauses.
func (r *Reconciler) conclude(ctx context.Context, s *scope, err error) (ctrl.Result, error) {
	var p *problem
	if errors.As(err, &p) {
		s.problem, err = p, nil
	}
	if s.problem != nil {
		s.lookAgain(s.problem.retry)
	}
	if err == nil {
		summarize(s)
		r.announce(s)
	}
	err = errors.Join(err, r.persistRelease(ctx, s), r.persist(ctx, s))
	if isConflict(err) {
		log.FromContext(ctx).V(1).Info("somebody else changed the environment, looking again")
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.recheck}, nil
}
