// Package cluster watches over Clusters: whether each answers, with which
// version and how many ready nodes, and that each has its add-ons. Environments on a cluster that does not
// answer wait for its word instead of each trying for themselves. Start at
// Reconcile.
package cluster

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// How often a cluster is asked.
const (
	// askEvery while it answers.
	askEvery = 30 * time.Second
	// askAgain while it does not.
	askAgain = 10 * time.Second
	// seenEvery bounds how often it is written that nothing changed.
	seenEvery = 5 * time.Minute
)

// Facts are what a cluster says of itself.
type Facts struct {
	Endpoint string
	// CertificateAuthority in PEM, where the kubeconfig has one.
	CertificateAuthority []byte
	Version              string
	// Nodes that are ready.
	Nodes int32
}

// Options are what a Reconciler works with.
type Options struct {
	Client client.Client
	// Ask gets a cluster's facts, within seconds.
	Ask func(ctx context.Context, cluster string) (Facts, error)
	// Drop forgets how to reach a cluster that is gone.
	Drop     func(cluster string)
	Recorder events.EventRecorder
	Clock    func() time.Time
}

// Reconciler reconciles Clusters. Safe for concurrent use.
type Reconciler struct{ Options }

// New makes a Reconciler.
func New(opts Options) *Reconciler { return &Reconciler{opts} }

// SetupWithManager registers the reconciler. Clusters do not wait for each
// other: up to concurrency of them are asked at once.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("cluster").
		For(&v1alpha1.Cluster{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesMetadata(secret, handler.EnqueueRequestsFromMapFunc(r.reachedWith)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// Reconcile asks one cluster, writes down its answer and gives it its add-ons.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.Cluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, cluster); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.Drop(req.Name)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := cluster.DeepCopy()
	facts, err := r.Ask(ctx, cluster.Name)
	if err != nil {
		log.FromContext(ctx).Info("cluster does not answer", "reason", err.Error())
	}
	next := r.note(cluster, facts, err)
	if !equality.Semantic.DeepEqual(before.Status, cluster.Status) {
		if err := r.Client.Status().Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("writing the status of cluster %s: %w", cluster.Name, err))
		}
	}
	if err := r.ensureAddons(ctx, cluster); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: next}, nil
}

// note puts an answer into the status and says when to ask again.
func (r *Reconciler) note(cluster *v1alpha1.Cluster, facts Facts, err error) time.Duration {
	status := &cluster.Status
	status.ObservedGeneration = cluster.Generation
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReachable, Status: metav1.ConditionTrue, ObservedGeneration: cluster.Generation,
		Reason: v1alpha1.ReasonReachable, Message: "answers with version " + facts.Version,
	}
	if err != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonClusterUnreachable, err.Error()
	}
	was := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReachable)
	if was != nil && was.Status != condition.Status {
		kind := corev1.EventTypeNormal
		if err != nil {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(cluster, nil, kind, condition.Reason, "Ask", "%s", condition.Message)
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	if err != nil {
		return askAgain
	}
	now := metav1.NewTime(r.Clock())
	changed := status.Endpoint != facts.Endpoint || !bytes.Equal(status.CertificateAuthority, facts.CertificateAuthority) || status.Version != facts.Version || status.Nodes != facts.Nodes
	if changed || status.SeenAt == nil || now.Sub(status.SeenAt.Time) >= seenEvery {
		status.Endpoint, status.CertificateAuthority = facts.Endpoint, facts.CertificateAuthority
		status.Version, status.Nodes, status.SeenAt = facts.Version, facts.Nodes, &now
	}
	return askEvery
}

// reachedWith wakes the clusters whose kubeconfig a Secret holds.
func (r *Reconciler) reachedWith(ctx context.Context, o client.Object) []reconcile.Request {
	var clusters v1alpha1.ClusterList
	if err := r.Client.List(ctx, &clusters); err != nil {
		return nil // the cache is shutting down
	}
	var requests []reconcile.Request
	for _, c := range clusters.Items {
		if ref := c.Spec.KubeconfigSecret; ref != nil && ref.Namespace == o.GetNamespace() && ref.Name == o.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: c.Name}})
		}
	}
	return requests
}
