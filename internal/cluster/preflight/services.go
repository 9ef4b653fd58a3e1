package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

const loadBalancers = "https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer"

// fixedInCloud are annotations that name something of which a cloud has one.
var fixedInCloud = []string{
	"service.beta.kubernetes.io/aws-load-balancer-eip-allocations",
	"service.beta.kubernetes.io/aws-load-balancer-private-ipv4-addresses",
	"service.beta.kubernetes.io/aws-load-balancer-name",
	"alb.ingress.kubernetes.io/load-balancer-name",
	"external-dns.alpha.kubernetes.io/hostname",
}

// findServices looks for addresses and names that only one side can have.
func findServices(w *world) []Finding {
	addresses := map[string]string{}
	for i := range w.to.services {
		s := &w.to.services[i]
		for _, address := range s.Spec.ClusterIPs {
			addresses[address] = s.Namespace + "/" + s.Name
		}
	}
	var found []Finding
	for i := range w.in.services {
		s := &w.in.services[i]
		object := "Service " + s.Namespace + "/" + s.Name
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
			found = append(found, w.loadBalancer(s, object))
		}
		found = append(found, w.fixedNames(s.Annotations, object)...)
		for _, address := range s.Spec.ClusterIPs {
			if by := addresses[address]; address != corev1.ClusterIPNone && by != "" && by != s.Namespace+"/"+s.Name {
				found = append(found, Finding{
					Severity: Block, Objects: []string{object}, Source: "https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/",
					What:   fmt.Sprintf("its address %s is that of Service %s on %s", address, by, w.to.name),
					Remedy: "Let the target choose the address.",
				})
			}
		}
	}
	return append(found, w.ingressHosts()...)
}

func (w *world) loadBalancer(s *corev1.Service, object string) Finding {
	f := Finding{
		Severity: Note, Objects: []string{object}, Source: loadBalancers,
		What:   "its load balancer on " + w.to.name + " will be a new one, with another address",
		Remedy: "Move its hostname by a Migration, and tell whoever knows it by address.",
	}
	if s.Spec.LoadBalancerIP != "" {
		f.Severity = Warn
		f.What = fmt.Sprintf("it asks for the address %s, which %s has", s.Spec.LoadBalancerIP, w.from.name)
		f.Remedy = "Take another address there, and move the hostname."
	}
	return f
}

// fixedNames are annotations by which two clusters would want the same thing of
// a cloud.
func (w *world) fixedNames(annotations map[string]string, object string) []Finding {
	var found []Finding
	for _, name := range fixedInCloud {
		if annotations[name] == "" {
			continue
		}
		found = append(found, Finding{
			Severity: Warn, Objects: []string{object}, Source: loadBalancers,
			What:   fmt.Sprintf("annotation %s names what %s already has: both sides would fight for it", name, w.from.name),
			Remedy: "Give it another value on the target until the move is over.",
		})
	}
	return found
}

// ingressHosts are hostnames that an Ingress of the target serves already.
func (w *world) ingressHosts() []Finding {
	served := map[string]string{}
	for i := range w.to.ingresses {
		in := &w.to.ingresses[i]
		for host := range hosts(in) {
			served[host] = in.Namespace + "/" + in.Name
		}
	}
	var found []Finding
	for i := range w.in.ingresses {
		in := &w.in.ingresses[i]
		object := "Ingress " + in.Namespace + "/" + in.Name
		found = append(found, w.fixedNames(in.Annotations, object)...)
		for _, host := range slices.Sorted(maps.Keys(hosts(in))) {
			if by := served[host]; by != "" && by != in.Namespace+"/"+in.Name {
				found = append(found, Finding{
					Severity: Warn, Objects: []string{object}, Source: "https://kubernetes.io/docs/concepts/services-networking/ingress/",
					What:   fmt.Sprintf("%s is served by Ingress %s on %s", strings.Replace(host, " ", ", path ", 1), by, w.to.name),
					Remedy: "Remove one of both.",
				})
			}
		}
	}
	return found
}

// hosts and paths that an Ingress serves: "shop.example.org /".
func hosts(in *networkingv1.Ingress) map[string]bool {
	all := map[string]bool{}
	for _, rule := range in.Spec.Rules {
		if rule.HTTP == nil || rule.Host == "" {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			all[rule.Host+" "+path.Path] = true
		}
	}
	return all
}
