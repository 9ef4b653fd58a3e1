// Package hostname keeps the hostnames of environments in Route 53 while the
// controller runs: it looks at the hosted zones when an environment or a cluster
// has changed, and now and then. Start at Reconcile.
package hostname

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
)

// How often a zone is looked at.
const (
	// gather is the least time between two looks: what changes meanwhile goes into
	// one batch a zone, and the account's requests are spared.
	gather = 10 * time.Second
	// lookEvery finds what others have changed.
	lookEvery = 10 * time.Minute
)

// Options are what a Reconciler works with.
type Options struct {
	Client client.Client
	// Open reaches an account by a Secret in Landfall's own namespace.
	Open     hostname.Open
	Recorder events.EventRecorder
	Clock    func() time.Time
}

// Reconciler reconciles all hosted zones together: a hostname is in the zone
// with the longest name, and an environment's may be in several. Only one run at
// a time.
type Reconciler struct {
	Options

	looked time.Time
}

// New makes a Reconciler.
func New(opts Options) *Reconciler { return &Reconciler{Options: opts} }

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: "zones"}}}
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("hostname").
		Watches(&v1alpha1.Cluster{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Environment{}, all, builder.WithPredicates(predicate.Funcs{UpdateFunc: concerns})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
}

// concerns says that an environment's hostnames, or where they lead, may be
// others now.
func concerns(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.Environment), e.ObjectNew.(*v1alpha1.Environment)
	return before.Generation != after.Generation || before.Status.Cluster != after.Status.Cluster ||
		(before.Status.Left == nil) != (after.Status.Left == nil) || !slices.Equal(hostname.Hosts(before), hostname.Hosts(after))
}

// Reconcile brings the zones to what clusters and environments want.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	if wait := gather - r.Clock().Sub(r.looked); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	r.looked = r.Clock()
	var clusters v1alpha1.ClusterList
	var envs v1alpha1.EnvironmentList
	if err := errors.Join(r.Client.List(ctx, &clusters), r.Client.List(ctx, &envs)); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing clusters and environments: %w", err)
	}
	zonesOf := hostname.ZonesOf(clusters.Items)
	if len(zonesOf) == 0 {
		return ctrl.Result{}, nil
	}
	plans, failed := hostname.Plans(ctx, r.Open, clusters.Items, envs.Items)
	for _, plan := range plans {
		if err := r.carry(ctx, plan); err != nil {
			failed[plan.ZoneID] = err
		}
	}
	errs := []error{r.note(ctx, zonesOf, envs.Items, plans, failed)}
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		errs = append(errs, failed[id])
	}
	if err := errors.Join(errs...); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: lookEvery}, nil
}

// carry applies a plan and says what was done. A zone that somebody else is
// changing is an error like others: it is read anew soon.
func (r *Reconciler) carry(ctx context.Context, plan hostname.Plan) error {
	done, err := hostname.Carry(ctx, r.Open, plan)
	for _, step := range plan.Steps[:done] {
		log.FromContext(ctx).Info("hostname", "zone", plan.Zone, "action", step.Action, "hostname", step.Hostname, "for", step.Resource)
	}
	return err
}

// note writes into each environment what became of its hostnames.
func (r *Reconciler) note(ctx context.Context, zonesOf map[string][]string, envs []v1alpha1.Environment, plans []hostname.Plan, failed map[string]error) error {
	var errs []error
	for i := range envs {
		env := &envs[i]
		zones := zonesOf[env.Status.Cluster]
		if env.DeletionTimestamp != nil || len(zones) == 0 {
			continue
		}
		before := env.DeepCopy()
		condition := conditionOf(env, zones, plans, failed)
		was := meta.FindStatusCondition(env.Status.Conditions, condition.Type)
		if condition.Reason == v1alpha1.ReasonHostnameRefused && (was == nil || was.Message != condition.Message) {
			r.Recorder.Eventf(env, nil, corev1.EventTypeWarning, condition.Reason, "Record", "%s", condition.Message)
		}
		meta.SetStatusCondition(&env.Status.Conditions, condition)
		if equality.Semantic.DeepEqual(before.Status, env.Status) {
			continue
		}
		// The list of conditions is written whole: whoever was quicker wins, and the
		// next look writes this again.
		err := r.Client.Status().Patch(ctx, env, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("writing the status of environment %s/%s: %w", env.Namespace, env.Name, err))
		}
	}
	return errors.Join(errs...)
}

// conditionOf an environment says whether its hostnames are in DNS.
func conditionOf(env *v1alpha1.Environment, zones []string, plans []hostname.Plan, failed map[string]error) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionHostnames, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHostnamesRecorded, ObservedGeneration: env.Generation}
	var refused, waiting, unknown []string
	for _, id := range zones {
		if err := failed[id]; err != nil {
			unknown = append(unknown, err.Error())
		}
	}
	for _, plan := range plans {
		for _, refusal := range plan.Refused {
			switch {
			case refusal.Resource != hostname.Resource(env):
			case refusal.Waiting:
				waiting = append(waiting, refusal.Hostname+": "+refusal.Reason)
			default:
				refused = append(refused, refusal.Hostname+": "+refusal.Reason)
			}
		}
	}
	switch {
	case len(refused) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonHostnameRefused, strings.Join(refused, "; ")
	case len(unknown) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonHostnamesUnknown, strings.Join(unknown, "; ")
	case len(waiting) > 0:
		c.Message = strings.Join(waiting, "; ")
	}
	return c
}
