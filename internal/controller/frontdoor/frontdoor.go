// Package frontdoor keeps the front door in step with a cluster: it watches
// Ingresses of one class, and what they lead to, and gives the proxy a new
// table at each change. Start at Reconciler.Reconcile.
package frontdoor

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/frontdoor"
	"github.com/landfall-dev/landfall/internal/frontdoor/haproxy"
)

// reloadPause is the least time between two reloads: changes in between are
// gathered. Changes that need no reload are made at once.
const reloadPause = time.Second

// Proxy is what serves the table; *haproxy.Proxy is one.
type Proxy interface {
	Apply(ctx context.Context, table frontdoor.Table) (haproxy.Outcome, error)
	WouldReload(table frontdoor.Table) bool
	Done() <-chan struct{}
}

// Reconciler has one piece of work: the whole table.
type Reconciler struct {
	Client client.Client
	Proxy  Proxy
	Pages  *frontdoor.Pages
	// Class of the Ingresses to serve.
	Class string
	// Address is written into their status: an IP address or a hostname;
	// nothing is written when it is empty.
	Address string
	// Environments says that the cluster has Landfall's kinds.
	Environments bool
	Clock        func() time.Time

	ready    atomic.Bool
	reloaded time.Time
	refused  string
	died     chan event.GenericEvent
}

// Ready says whether a table is in service.
func (r *Reconciler) Ready() bool { return r.ready.Load() }

// SetupWithManager registers the reconciler; any change leads to the one key.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.died = make(chan event.GenericEvent)
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "table"}}}
	})
	b := ctrl.NewControllerManagedBy(mgr).Named("front-door").
		Watches(&networkingv1.Ingress{}, all).
		Watches(&corev1.Service{}, all).
		Watches(&discoveryv1.EndpointSlice{}, all).
		WatchesRawSource(source.Channel(r.died, all))
	if r.Environments {
		b = b.Watches(&v1alpha1.Environment{}, all)
	}
	return b.Complete(r)
}

// Reconcile reads the cluster, serves the table, and tells the Ingresses.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	found, phases, err := r.gather(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	table := frontdoor.Build(found, r.Class)
	r.Pages.Update(table, phases)
	if pause := reloadPause - r.Clock().Sub(r.reloaded); pause > 0 && r.Proxy.WouldReload(table) {
		return reconcile.Result{RequeueAfter: pause}, nil
	}
	if err := r.serve(ctx, table); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, r.tell(ctx, found.Ingresses)
}

func (r *Reconciler) gather(ctx context.Context) (frontdoor.Cluster, map[string]v1alpha1.Phase, error) {
	var ingresses networkingv1.IngressList
	var services corev1.ServiceList
	var slices discoveryv1.EndpointSliceList
	var environments v1alpha1.EnvironmentList
	lists := []client.ObjectList{&ingresses, &services, &slices}
	if r.Environments {
		lists = append(lists, &environments)
	}
	for _, list := range lists {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return frontdoor.Cluster{}, nil, fmt.Errorf("reading the cluster: %w", err)
		}
	}
	phases := make(map[string]v1alpha1.Phase, len(environments.Items))
	for i := range environments.Items {
		env := &environments.Items[i]
		phases[env.Namespace+"/"+env.Name] = env.Status.Phase
	}
	return frontdoor.Cluster{Ingresses: ingresses.Items, Services: services.Items, Slices: slices.Items}, phases, nil
}

func (r *Reconciler) serve(ctx context.Context, table frontdoor.Table) error {
	log := ctrl.LoggerFrom(ctx)
	outcome, err := r.Proxy.Apply(ctx, table)
	if err != nil {
		return fmt.Errorf("serving %d routes: %w", len(table.Routes), err)
	}
	r.ready.Store(true)
	switch outcome {
	case haproxy.Started:
		go r.watchProxy(r.Proxy.Done())
		r.reloaded = r.Clock()
	case haproxy.Reloaded:
		r.reloaded = r.Clock()
	}
	if outcome != haproxy.Unchanged {
		log.Info("serving", "outcome", outcome, "routes", len(table.Routes), "backends", len(table.Backends))
	}
	if refused := fmt.Sprint(table.Refused); refused != r.refused {
		r.refused = refused
		for _, reason := range table.Refused {
			log.Info("left out", "rule", reason)
		}
	}
	return nil
}

// watchProxy asks for a reconcile, which starts the proxy again, when it ends.
func (r *Reconciler) watchProxy(ended <-chan struct{}) {
	<-ended
	r.ready.Store(false)
	r.died <- event.GenericEvent{Object: &networkingv1.Ingress{}}
}

// tell writes the address into the status of Ingresses that lack it.
func (r *Reconciler) tell(ctx context.Context, ingresses []networkingv1.Ingress) error {
	if r.Address == "" {
		return nil
	}
	wanted := networkingv1.IngressLoadBalancerIngress{Hostname: r.Address}
	if net.ParseIP(r.Address) != nil {
		wanted = networkingv1.IngressLoadBalancerIngress{IP: r.Address}
	}
	for i := range ingresses {
		ingress := &ingresses[i]
		if frontdoor.ClassOf(ingress) != r.Class || ingress.DeletionTimestamp != nil || has(ingress, wanted) {
			continue
		}
		changed := ingress.DeepCopy()
		changed.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{wanted}
		if err := r.Client.Status().Patch(ctx, changed, client.MergeFrom(ingress)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("writing the status of Ingress %s/%s: %w", ingress.Namespace, ingress.Name, err)
		}
	}
	return nil
}

func has(ingress *networkingv1.Ingress, wanted networkingv1.IngressLoadBalancerIngress) bool {
	addresses := ingress.Status.LoadBalancer.Ingress
	return len(addresses) == 1 && addresses[0].IP == wanted.IP && addresses[0].Hostname == wanted.Hostname
}

// HasEnvironments says whether a cluster has Landfall's kinds.
func HasEnvironments(mapper meta.RESTMapper) (bool, error) {
	_, err := mapper.RESTMapping(v1alpha1.GroupVersion.WithKind("Environment").GroupKind(), v1alpha1.GroupVersion.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}
