// Package leftovers finds what Kubernetes itself made outside of a cluster, in
// the cloud: load balancers, volumes, machines. Terraform does not know of it,
// so it would stay, cost money and keep networks from being removed. It is
// taken away in order while the cluster still runs, and waited for until it is
// really gone. It must not know Terraform. Start at Find.
package leftovers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Stage orders removals: each begins when what was before is gone.
type Stage int

// Stages. What blocks others goes first; machines go last, as the controllers
// that remove the rest run on them.
const (
	// Blockers would keep pods from being evicted.
	Blockers Stage = iota
	// Entrances are load balancers, made for Services, Ingresses and Gateways.
	Entrances
	// Users of volumes keep them from being removed.
	Users
	// Volumes are disks.
	Volumes
	// Makers would make machines anew for the pods of those that go.
	Makers
	// Machines that the cluster made for itself.
	Machines
)

var stages = []string{"what blocks evictions", "load balancers", "what uses volumes", "volumes", "what makes machines", "machines"}

// String is the stage in words.
func (s Stage) String() string { return stages[s] }

// MarshalText makes stages readable for programs, too.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Leftover is one object whose removal takes something outside away.
type Leftover struct {
	Stage     Stage  `json:"stage"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Why says what is outside.
	Why string `json:"why"`

	group schema.GroupVersionKind
	// volume is what has to be gone, too.
	volume string
}

// String reads "Service shop/web".
func (l Leftover) String() string {
	if l.Namespace == "" {
		return l.Kind + " " + l.Name
	}
	return l.Kind + " " + l.Namespace + "/" + l.Name
}

// finder is one way in which Kubernetes makes something outside.
type finder func(context.Context, client.Client) ([]Leftover, error)

// finders of everything, in the order of their stages.
var finders = []finder{disruptionBudgets, services, ingresses, entrances, volumes, machines}

// Find lists what there is, in the order in which it has to go. What cannot be
// read is an error: it may be there.
func Find(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	var all []Leftover
	for _, find := range finders {
		some, err := find(ctx, cluster)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Leftover) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

func disruptionBudgets(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	var list policyv1.PodDisruptionBudgetList
	if err := cluster.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing PodDisruptionBudgets: %w", err)
	}
	var found []Leftover
	for i := range list.Items {
		b := &list.Items[i]
		if b.Status.DisruptionsAllowed == 0 && b.Status.ExpectedPods > 0 {
			found = append(found, of(Blockers, policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), b, fmt.Sprintf("lets none of %d pods be evicted", b.Status.ExpectedPods)))
		}
	}
	return found, nil
}

func services(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	var list corev1.ServiceList
	if err := cluster.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing Services: %w", err)
	}
	var found []Leftover
	for i := range list.Items {
		s := &list.Items[i]
		// The finalizer is there as long as the load balancer is, also when the
		// type has been changed since.
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer || slices.Contains(s.Finalizers, loadBalancerFinalizer) {
			found = append(found, of(Entrances, corev1.SchemeGroupVersion.WithKind("Service"), s, "load balancer "+address(s.Status.LoadBalancer.Ingress)))
		}
	}
	return found, nil
}

// loadBalancerFinalizer is the cloud controllers' own; see
// https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/#garbage-collecting-load-balancers
const loadBalancerFinalizer = "service.kubernetes.io/load-balancer-cleanup"

func address(all []corev1.LoadBalancerIngress) string {
	for _, one := range all {
		return cmp.Or(one.Hostname, one.IP)
	}
	return "without an address"
}

// cloudControllers make a load balancer for an Ingress of a class of theirs, by
// the class's controller; a class in an annotation names some of them, too.
var cloudControllers = map[string]string{
	"ingress.k8s.aws/alb":           "AWS load balancer",
	"k8s.io/ingress-gce":            "Google Cloud load balancer",
	"k8s.io/ingress-gce-internal":   "Google Cloud load balancer",
	"networking.gke.io/ingress-gce": "Google Cloud load balancer",
	"azure/application-gateway":     "Azure application gateway",
}

var annotatedClasses = map[string]string{
	"alb": "AWS load balancer", "gce": "Google Cloud load balancer", "gce-internal": "Google Cloud load balancer",
	"azure/application-gateway": "Azure application gateway", "azure-application-gateway": "Azure application gateway",
}

func ingresses(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	var classes networkingv1.IngressClassList
	if err := cluster.List(ctx, &classes); err != nil {
		return nil, fmt.Errorf("listing IngressClasses: %w", err)
	}
	byClass := map[string]string{}
	for _, class := range classes.Items {
		byClass[class.Name] = cloudControllers[class.Spec.Controller]
	}
	var list networkingv1.IngressList
	if err := cluster.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing Ingresses: %w", err)
	}
	var found []Leftover
	for i := range list.Items {
		ingress := &list.Items[i]
		made := annotatedClasses[ingress.Annotations["kubernetes.io/ingress.class"]]
		if ingress.Spec.IngressClassName != nil {
			made = byClass[*ingress.Spec.IngressClassName]
		}
		if made != "" {
			found = append(found, of(Entrances, networkingv1.SchemeGroupVersion.WithKind("Ingress"), ingress, made))
		}
	}
	return found, nil
}

func of(stage Stage, kind schema.GroupVersionKind, o client.Object, why string) Leftover {
	return Leftover{Stage: stage, Kind: kind.Kind, Namespace: o.GetNamespace(), Name: o.GetName(), Why: why, group: kind}
}

// object is what to ask for, and delete.
func (l Leftover) object() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(l.group)
	u.SetNamespace(l.Namespace)
	u.SetName(l.Name)
	return u
}

// ErrNotGone says that something did not go in time.
var ErrNotGone = errors.New("still there")

// Remove takes all away, stage by stage, and waits until it is gone: objects
// with the finalizers of controllers that remove what is outside, and volumes.
// What is gone already is fine. Watch is told what is waited for.
func Remove(ctx context.Context, cluster client.Client, all []Leftover, patience time.Duration, watch func(Stage, int)) error {
	for stage := range Stage(len(stages)) {
		waiting := inStage(all, stage)
		if stage == Machines && len(inStage(all, Makers)) > 0 {
			// Machines that were made since the first look are the same leftover.
			now, err := machines(ctx, cluster)
			if err != nil {
				return err
			}
			waiting = inStage(now, stage)
		}
		if len(waiting) == 0 {
			continue
		}
		if err := removeAll(ctx, cluster, waiting); err != nil {
			return err
		}
		if err := untilGone(ctx, cluster, waiting, patience, func(n int) { watch(stage, n) }); err != nil {
			return fmt.Errorf("removing %s: %w", stage, err)
		}
	}
	return nil
}

func inStage(all []Leftover, stage Stage) []Leftover {
	return slices.DeleteFunc(slices.Clone(all), func(l Leftover) bool { return l.Stage != stage })
}

func removeAll(ctx context.Context, cluster client.Client, all []Leftover) error {
	for _, l := range all {
		err := cluster.Delete(ctx, l.object(), client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			return fmt.Errorf("removing %s: %w", l, err)
		}
	}
	return nil
}

func untilGone(ctx context.Context, cluster client.Client, waiting []Leftover, patience time.Duration, watch func(int)) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		var err error
		if waiting, err = remaining(ctx, cluster, waiting); err != nil {
			return err
		}
		watch(len(waiting))
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("%s, after %s: %w", waiting[0], patience, ErrNotGone)
		case <-time.After(time.Second):
		}
	}
}

func remaining(ctx context.Context, cluster client.Client, all []Leftover) ([]Leftover, error) {
	var still []Leftover
	for _, l := range all {
		there, err := exists(ctx, cluster, l.object())
		if err == nil && !there && l.volume != "" {
			there, err = exists(ctx, cluster, volumeNamed(l.volume))
		}
		if err != nil {
			return nil, fmt.Errorf("looking whether %s is gone: %w", l, err)
		}
		if there {
			still = append(still, l)
		}
	}
	return still, nil
}

func exists(ctx context.Context, cluster client.Reader, u *unstructured.Unstructured) (bool, error) {
	err := cluster.Get(ctx, client.ObjectKeyFromObject(u), u)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}
