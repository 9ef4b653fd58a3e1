package preflight

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// snapshot is what a cluster is like: what it serves, its nodes, its classes,
// and what is there that others have to get along with.
type snapshot struct {
	name, version string
	// issuer of service account tokens; empty if the cluster does not say.
	issuer     string
	serves     map[schema.GroupKind]transfer.Resource
	unreadable []transfer.Unreadable

	nodes           []corev1.Node
	namespaces      map[string]corev1.Namespace
	quotas          []corev1.ResourceQuota
	limits          []corev1.LimitRange
	services        []corev1.Service
	ingresses       []networkingv1.Ingress
	pods            []corev1.Pod
	storageClasses  []storagev1.StorageClass
	ingressClasses  []networkingv1.IngressClass
	priorityClasses []schedulingv1.PriorityClass
	runtimeClasses  []nodev1.RuntimeClass
	gatewayClasses  []gatewayClass
	// drivers are the CSI drivers that run on some node.
	drivers map[string]bool
	// backed are Services with a ready endpoint, as NAMESPACE/NAME.
	backed   map[string]bool
	webhooks []webhook
	// autoscaler is what makes nodes where pods find none; empty for nothing.
	autoscaler string

	readyNodes []*corev1.Node // see usable
}

// gatewayClass is what matters of a GatewayClass.
type gatewayClass struct {
	name, controller string
	accepted         bool
}

// webhook is one admission webhook.
type webhook struct {
	configuration, name string
	namespace, service  string // empty for one behind a URL
	closed              bool   // failurePolicy: Fail
	rules               []admissionv1.RuleWithOperations
	namespaces, objects *metav1.LabelSelector
}

// infrastructure are the kinds that make up a snapshot of any side.
var infrastructure = []schema.GroupKind{
	{Kind: "Node"}, {Kind: "Service"}, {Kind: "Namespace"},
	{Group: "storage.k8s.io", Kind: "StorageClass"}, {Group: "storage.k8s.io", Kind: "CSINode"},
	{Group: "networking.k8s.io", Kind: "IngressClass"}, {Group: "gateway.networking.k8s.io", Kind: "GatewayClass"},
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, {Group: "node.k8s.io", Kind: "RuntimeClass"},
}

// inhabitants are the kinds that matter only where something comes.
var inhabitants = []schema.GroupKind{
	{Kind: "Pod"}, {Kind: "ResourceQuota"}, {Kind: "LimitRange"},
	{Group: "apps", Kind: "Deployment"},
	{Group: "networking.k8s.io", Kind: "Ingress"}, {Group: "discovery.k8s.io", Kind: "EndpointSlice"},
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"},
}

func newSnapshot(name string) *snapshot {
	return &snapshot{name: name, namespaces: map[string]corev1.Namespace{}, drivers: map[string]bool{}, backed: map[string]bool{}}
}

// take keeps what matters of one object. One that is not what its kind says is
// unreadable.
func (s *snapshot) take(u *unstructured.Unstructured) {
	if err := s.keep(u); err != nil {
		s.unreadable = append(s.unreadable, transfer.Unreadable{What: transfer.KeyOf(u).String(), Reason: err.Error()})
	}
}

func (s *snapshot) keep(u *unstructured.Unstructured) error {
	switch u.GetKind() {
	case "Node":
		return add(u, &s.nodes)
	case "Namespace":
		var one []corev1.Namespace
		if err := add(u, &one); err != nil {
			return err
		}
		s.namespaces[u.GetName()] = one[0]
	case "Service":
		return add(u, &s.services)
	case "ResourceQuota":
		return add(u, &s.quotas)
	case "LimitRange":
		return add(u, &s.limits)
	case "Ingress":
		return add(u, &s.ingresses)
	case "Pod":
		return add(u, &s.pods)
	case "Deployment":
		s.lookForAutoscaler(u)
	case "EndpointSlice":
		return s.keepEndpoints(u)
	default:
		return s.keepClass(u)
	}
	return nil
}

func (s *snapshot) keepClass(u *unstructured.Unstructured) error {
	switch u.GetKind() {
	case "StorageClass":
		return add(u, &s.storageClasses)
	case "IngressClass":
		return add(u, &s.ingressClasses)
	case "PriorityClass":
		return add(u, &s.priorityClasses)
	case "RuntimeClass":
		return add(u, &s.runtimeClasses)
	case "GatewayClass":
		s.gatewayClasses = append(s.gatewayClasses, gatewayClassOf(u))
	case "CSINode":
		var one []storagev1.CSINode
		if err := add(u, &one); err != nil {
			return err
		}
		for _, driver := range one[0].Spec.Drivers {
			s.drivers[driver.Name] = true
		}
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		return s.keepWebhooks(u)
	}
	return nil
}

func gatewayClassOf(u *unstructured.Unstructured) gatewayClass {
	class := gatewayClass{name: u.GetName()}
	class.controller, _, _ = unstructured.NestedString(u.Object, "spec", "controllerName")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	class.accepted = slices.ContainsFunc(conditions, func(c any) bool {
		condition, _ := c.(map[string]any)
		return condition["type"] == "Accepted" && condition["status"] == "True"
	})
	return class
}

// keepEndpoints notes Services with an endpoint that is ready, or does not say
// that it is not.
func (s *snapshot) keepEndpoints(u *unstructured.Unstructured) error {
	var one []discoveryv1.EndpointSlice
	if err := add(u, &one); err != nil {
		return err
	}
	for _, e := range one[0].Endpoints {
		if e.Conditions.Ready == nil || *e.Conditions.Ready {
			s.backed[u.GetNamespace()+"/"+one[0].Labels[discoveryv1.LabelServiceName]] = true
		}
	}
	return nil
}

// keepWebhooks reads both kinds of webhook configurations: what matters of them
// is spelled alike.
func (s *snapshot) keepWebhooks(u *unstructured.Unstructured) error {
	var one []admissionv1.ValidatingWebhookConfiguration
	if err := add(u, &one); err != nil {
		return err
	}
	for _, hook := range one[0].Webhooks {
		w := webhook{
			configuration: u.GetKind() + " " + u.GetName(), name: hook.Name, rules: hook.Rules,
			closed:     hook.FailurePolicy == nil || *hook.FailurePolicy == admissionv1.Fail,
			namespaces: hook.NamespaceSelector, objects: hook.ObjectSelector,
		}
		if service := hook.ClientConfig.Service; service != nil {
			w.namespace, w.service = service.Namespace, service.Name
		}
		s.webhooks = append(s.webhooks, w)
	}
	return nil
}

// lookForAutoscaler knows the Cluster Autoscaler by its usual name and label.
func (s *snapshot) lookForAutoscaler(u *unstructured.Unstructured) {
	labels := u.GetLabels()
	if strings.Contains(u.GetName(), "cluster-autoscaler") || labels["app.kubernetes.io/name"] == "cluster-autoscaler" || strings.Contains(labels["app.kubernetes.io/name"], "aws-cluster-autoscaler") {
		s.autoscaler = "the Cluster Autoscaler"
	}
}

// lookForKarpenter knows Karpenter, and EKS Auto Mode, by their kind.
func (s *snapshot) lookForKarpenter() {
	if _, ok := s.serves[schema.GroupKind{Group: "karpenter.sh", Kind: "NodePool"}]; ok {
		s.autoscaler = "Karpenter"
	}
}

// usable are the nodes that take pods: ready and not cordoned. They are told
// once all nodes were read.
func (s *snapshot) usable() []*corev1.Node {
	if s.readyNodes == nil {
		for i := range s.nodes {
			if n := &s.nodes[i]; !n.Spec.Unschedulable && ready(n) {
				s.readyNodes = append(s.readyNodes, n)
			}
		}
	}
	return s.readyNodes
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// labelsOf are the labels that a namespace will have on the target: those that
// it has there, or else those that come along.
func (w *world) labelsOf(namespace string) map[string]string {
	if there, ok := w.to.namespaces[namespace]; ok {
		return there.Labels
	}
	labels := map[string]string{}
	for k, v := range w.in.namespaces[namespace].Labels {
		labels[k] = v
	}
	labels[corev1.LabelMetadataName] = namespace
	return labels
}

// add appends the object as its Go type.
func add[T any](u *unstructured.Unstructured, all *[]T) (err error) {
	// What the API server accepted converts; what it sends may still be broken
	// by something in between, and the converter panics on some of that.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading %s: %v", transfer.KeyOf(u), r)
		}
	}()
	var one T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &one); err != nil {
		return err
	}
	*all = append(*all, one)
	return nil
}
