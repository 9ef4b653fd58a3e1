package environment

import (
	"context"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Indexes of Environments in the cache.
const (
	indexBlueprint = "spec.blueprint"
	indexCluster   = "spec.cluster"
)

// SetupWithManager registers the reconciler: it is woken by Environments,
// Blueprints, Clusters, Secrets that inputs come from, and by objects, an event
// source for what changes on the environments' clusters.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, objects source.Source, concurrency int) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("environment").
		For(&v1alpha1.Environment{}, builder.WithPredicates(asked())).
		Owns(&v1alpha1.DataCopy{}).
		Watches(&v1alpha1.Blueprint{}, r.using(indexBlueprint), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Cluster{}, r.using(indexCluster), builder.WithPredicates(reachabilityChanged())).
		WatchesMetadata(secret, handler.EnqueueRequestsFromMapFunc(r.usingSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(&noting{Source: objects, note: r.memory.noteChange}).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for field, values := range map[string]func(*v1alpha1.Environment) []string{
		indexBlueprint: func(e *v1alpha1.Environment) []string { return []string{e.Spec.Blueprint} },
		indexCluster:   environment.Clusters,
	} {
		extract := func(o client.Object) []string { return values(o.(*v1alpha1.Environment)) }
		if err := indexer.IndexField(ctx, &v1alpha1.Environment{}, field, extract); err != nil {
			return err
		}
	}
	return indexer.IndexField(ctx, &v1alpha1.Release{}, indexEnvironment, func(o client.Object) []string {
		return []string{o.(*v1alpha1.Release).Spec.Environment}
	})
}

// asked lets through what people change, not our own writing of the status.
func asked() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
}

// reachabilityChanged lets through Clusters that are to be reached otherwise,
// or that answer again or no more.
func reachabilityChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			_, before := unreachable(e.ObjectOld.(*v1alpha1.Cluster))
			_, now := unreachable(e.ObjectNew.(*v1alpha1.Cluster))
			return before != now
		},
	})
}

// unreachable tells whether a cluster is known not to answer, and why.
func unreachable(c *v1alpha1.Cluster) (message string, down bool) {
	condition := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReachable)
	if condition == nil || condition.Status != metav1.ConditionFalse {
		return "", false
	}
	return condition.Message, true
}

// using wakes the environments that use an object.
func (r *Reconciler) using(index string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		opts := []client.ListOption{client.MatchingFields{index: o.GetName()}}
		if o.GetNamespace() != "" {
			opts = append(opts, client.InNamespace(o.GetNamespace()))
		}
		var envs v1alpha1.EnvironmentList
		if err := r.Client.List(ctx, &envs, opts...); err != nil {
			return nil // the cache is shutting down
		}
		requests := make([]reconcile.Request, len(envs.Items))
		for i := range envs.Items {
			requests[i].NamespacedName = client.ObjectKeyFromObject(&envs.Items[i])
		}
		return requests
	})
}

func (r *Reconciler) usingSecret(_ context.Context, o client.Object) []reconcile.Request {
	users := r.memory.usersOf(client.ObjectKeyFromObject(o))
	requests := make([]reconcile.Request, len(users))
	for i, user := range users {
		requests[i].NamespacedName = user
	}
	return requests
}

// noting is an event source that also notes whose objects changed.
type noting struct {
	source.Source
	note func(types.NamespacedName)
}

// Start is part of source.Source.
func (n *noting) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	return n.Source.Start(ctx, &notingQueue{TypedRateLimitingInterface: queue, note: n.note})
}

type notingQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	note func(types.NamespacedName)
}

// Add is part of workqueue.TypedInterface.
func (q *notingQueue) Add(req reconcile.Request) {
	q.note(req.NamespacedName)
	q.TypedRateLimitingInterface.Add(req)
}
