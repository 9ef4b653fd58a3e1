package environment

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// routing of the cluster, or nil.
func (r *renderer) routing() *v1alpha1.Routing {
	if r.in.Cluster == nil {
		return nil
	}
	return r.in.Cluster.Spec.Routing
}

func publicPort(p *part) *v1alpha1.Port {
	for i := range p.Ports {
		if p.Ports[i].Public {
			return &p.Ports[i]
		}
	}
	return nil
}

// hostnames that a public component answers on, the one to show first.
func (r *renderer) hostnames(p *part) []string {
	env := cmp.Or(r.in.Environment.Spec.Hostname, r.in.Environment.Name+"."+r.routing().Domain)
	public := 0
	for i := range r.parts {
		if publicPort(&r.parts[i]) != nil {
			public++
		}
	}
	names := []string{p.Name + "." + env}
	if public == 1 {
		names = append(append(names, env), r.in.Environment.Spec.Aliases...)
	}
	return names
}

// urls of the public components.
func (r *renderer) urls() []v1alpha1.URL {
	routing := r.routing()
	if routing == nil {
		return nil
	}
	scheme, port := "http", ""
	if routing.TLS {
		scheme = "https"
	}
	if routing.Port != nil {
		port = fmt.Sprintf(":%d", *routing.Port)
	}
	var urls []v1alpha1.URL
	for i := range r.parts {
		if p := &r.parts[i]; publicPort(p) != nil {
			urls = append(urls, v1alpha1.URL{Component: p.Name, URL: scheme + "://" + r.hostnames(p)[0] + port})
		}
	}
	slices.SortFunc(urls, func(a, b v1alpha1.URL) int { return cmp.Compare(a.Component, b.Component) })
	return urls
}

// routes make the component's public port reachable: a policy that lets
// requests in, and a route of the cluster's kind.
func (r *renderer) routes(p *part) []Object {
	port, routing := publicPort(p), r.routing()
	if port == nil || routing == nil {
		return nil
	}
	policy := r.publicPolicy(p, port, routing)
	if routing.Gateway != nil {
		return []Object{policy, r.httpRoute(p, port, routing.Gateway)}
	}
	return []Object{policy, r.ingress(p, port, routing)}
}

// publicPolicy lets the cluster's entry reach the public port: the namespaces
// that routing names or, where it names none, anybody.
func (r *renderer) publicPolicy(p *part, port *v1alpha1.Port, routing *v1alpha1.Routing) Object {
	var from []networkingv1.NetworkPolicyPeer
	for _, namespace := range slices.Sorted(slices.Values(routing.AllowFrom)) {
		from = append(from, networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}})
	}
	return object(p.Name, "networking.k8s.io/v1", "NetworkPolicy", &networkingv1.NetworkPolicy{
		ObjectMeta: r.meta(p.Name, p.Name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: r.selector(p.Name)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  from,
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(port.Port))}},
			}},
		},
	})
}

func (r *renderer) ingress(p *part, port *v1alpha1.Port, routing *v1alpha1.Routing) Object {
	hosts := r.hostnames(p)
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: p.Name, Port: networkingv1.ServiceBackendPort{Name: port.Name},
	}}
	spec := networkingv1.IngressSpec{IngressClassName: new(routing.IngressClassName)}
	for _, host := range hosts {
		spec.Rules = append(spec.Rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: new(networkingv1.PathTypePrefix), Backend: backend,
			}}},
		}})
	}
	if routing.TLS { // without a secret's name: the controller's default certificate
		spec.TLS = []networkingv1.IngressTLS{{Hosts: hosts}}
	}
	return object(p.Name, "networking.k8s.io/v1", "Ingress", &networkingv1.Ingress{ObjectMeta: r.meta(p.Name, p.Name), Spec: spec})
}

func (r *renderer) httpRoute(p *part, port *v1alpha1.Port, gateway *v1alpha1.GatewayRef) Object {
	spec := gatewayv1.HTTPRouteSpec{
		CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{
			Namespace: new(gatewayv1.Namespace(gateway.Namespace)), Name: gatewayv1.ObjectName(gateway.Name),
		}}},
		Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(p.Name), Port: new(port.Port)},
		}}}}},
	}
	for _, host := range r.hostnames(p) {
		spec.Hostnames = append(spec.Hostnames, gatewayv1.Hostname(host))
	}
	return object(p.Name, "gateway.networking.k8s.io/v1", "HTTPRoute", &gatewayv1.HTTPRoute{ObjectMeta: r.meta(p.Name, p.Name), Spec: spec})
}
