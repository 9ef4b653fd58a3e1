// Package frontdoor leads HTTP by hostname to the services of a cluster: from
// Ingress objects of one class to a routing table (pure), and from the table
// to HAProxy (package haproxy), which never drops a request over a change.
// Package controller/frontdoor watches the cluster for it. Start at Build.
package frontdoor

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// classAnnotation is how Ingresses named their class before the field.
const classAnnotation = "kubernetes.io/ingress.class"

// Table says which requests go where. Equal clusters give equal tables.
type Table struct {
	// Routes, sorted; at most one for each host, path and kind of match.
	Routes []Route
	// Backends that routes refer to, sorted by name.
	Backends []Backend
	// Refused says which rules were left out and why.
	Refused []string
}

// Route leads requests to a backend.
type Route struct {
	// Host in lower case; "*.DOMAIN" for any one label; "" for every host.
	Host string
	// Path begins with a slash and, but for Exact, matches whole elements.
	Path    string
	Exact   bool
	Backend string
	Owner   Owner
}

// Owner says whose a route is.
type Owner struct {
	// Ingress is NAMESPACE/NAME.
	Ingress string
	// Project and Environment are empty for Ingresses that Landfall did not
	// make.
	Project, Environment string
}

// Backend is one port of one Service.
type Backend struct {
	// Name is unique and fit for HAProxy.
	Name string
	// Servers are the addresses that are ready, as HOST:PORT, sorted.
	Servers []string
}

// Cluster is what a table is made of. Objects are only read.
type Cluster struct {
	Ingresses []networkingv1.Ingress
	Services  []corev1.Service
	Slices    []discoveryv1.EndpointSlice
}

// Build makes the table for the Ingresses of a class. Where two claim the same
// host and path, the older has it. What cannot be routed is refused with a
// reason and does not hinder the rest.
func Build(c Cluster, class string) Table {
	b := builder{
		services: map[string]*corev1.Service{}, slices: map[string][]*discoveryv1.EndpointSlice{},
		taken: map[Route]string{}, backends: map[string]Backend{},
	}
	for i := range c.Services {
		b.services[c.Services[i].Namespace+"/"+c.Services[i].Name] = &c.Services[i]
	}
	for i := range c.Slices {
		key := c.Slices[i].Namespace + "/" + c.Slices[i].Labels[discoveryv1.LabelServiceName]
		b.slices[key] = append(b.slices[key], &c.Slices[i])
	}
	for _, ingress := range byAge(c.Ingresses, class) {
		b.add(ingress)
	}
	return b.table()
}

func byAge(ingresses []networkingv1.Ingress, class string) []*networkingv1.Ingress {
	var ours []*networkingv1.Ingress
	for i := range ingresses {
		if ClassOf(&ingresses[i]) == class && ingresses[i].DeletionTimestamp == nil {
			ours = append(ours, &ingresses[i])
		}
	}
	slices.SortFunc(ours, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return ours
}

// ClassOf gives the class of an Ingress, "" for none.
func ClassOf(ingress *networkingv1.Ingress) string {
	if ingress.Spec.IngressClassName != nil {
		return *ingress.Spec.IngressClassName
	}
	return ingress.Annotations[classAnnotation]
}

type builder struct {
	services map[string]*corev1.Service
	slices   map[string][]*discoveryv1.EndpointSlice
	taken    map[Route]string // host, path and kind → Ingress
	backends map[string]Backend
	routes   []Route
	refused  []string
}

func (b *builder) add(ingress *networkingv1.Ingress) {
	owner := Owner{
		Ingress:     ingress.Namespace + "/" + ingress.Name,
		Project:     ingress.Labels[v1alpha1.LabelProject],
		Environment: ingress.Labels[v1alpha1.LabelEnvironment],
	}
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			exact := path.PathType != nil && *path.PathType == networkingv1.PathTypeExact
			b.route(ingress, owner, rule.Host, path.Path, exact, path.Backend.Service)
		}
	}
	if fallback := ingress.Spec.DefaultBackend; fallback != nil {
		b.route(ingress, owner, "", "/", false, fallback.Service)
	}
}

func (b *builder) route(ingress *networkingv1.Ingress, owner Owner, host, path string, exact bool, to *networkingv1.IngressServiceBackend) {
	refuse := func(format string, args ...any) {
		b.refused = append(b.refused, fmt.Sprintf("%s: %s%s: %s", owner.Ingress, host, path, fmt.Sprintf(format, args...)))
	}
	if path == "" {
		path = "/"
	}
	if !printable(host) || !printable(path) || !strings.HasPrefix(path, "/") {
		refuse("the host or path has characters that no URL has")
		return
	}
	if to == nil {
		refuse("it leads to no service")
		return
	}
	if !exact {
		path = strings.TrimRight(path, "/") + "/"
	}
	route := Route{Host: strings.ToLower(host), Path: path, Exact: exact}
	if other, taken := b.taken[route]; taken {
		refuse("Ingress %s has it already", other)
		return
	}
	backend, reason := b.backend(ingress.Namespace, to)
	if reason != "" {
		refuse("%s", reason)
		return
	}
	b.taken[route] = owner.Ingress
	route.Backend, route.Owner = backend, owner
	b.routes = append(b.routes, route)
}

// backend makes the backend of a Service's port, once. The Service may be
// absent: then it has no servers, and requests get the page that says so.
func (b *builder) backend(namespace string, to *networkingv1.IngressServiceBackend) (name, reason string) {
	portName := to.Port.Name
	if portName == "" {
		portName = fmt.Sprint(to.Port.Number)
	}
	name = strings.Join([]string{namespace, to.Name, portName}, "_")
	if _, done := b.backends[name]; done {
		return name, ""
	}
	key := namespace + "/" + to.Name
	service, ok := b.services[key]
	if !ok {
		b.backends[name] = Backend{Name: name}
		return name, ""
	}
	for _, port := range service.Spec.Ports {
		if port.Name == to.Port.Name && to.Port.Name != "" || port.Port == to.Port.Number && to.Port.Number != 0 {
			b.backends[name] = Backend{Name: name, Servers: servers(b.slices[key], port.Name)}
			return name, ""
		}
	}
	return "", fmt.Sprintf("Service %s has no port %s", key, portName)
}

// servers lists the ready addresses of one port. Addresses that stop are not
// ready, so that requests drain away from them.
func servers(endpoints []*discoveryv1.EndpointSlice, portName string) []string {
	var found []string
	for _, slice := range endpoints {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, port := range slice.Ports {
			if port.Port == nil || (port.Name != nil && *port.Name != portName) {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
					continue
				}
				for _, address := range endpoint.Addresses {
					found = append(found, net.JoinHostPort(address, fmt.Sprint(*port.Port)))
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (b *builder) table() Table {
	t := Table{Routes: b.routes, Refused: b.refused}
	slices.SortFunc(t.Routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Backend, b.Backend))
	})
	for _, backend := range b.backends {
		t.Backends = append(t.Backends, backend)
	}
	slices.SortFunc(t.Backends, func(a, b Backend) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

// Find gives the route that a request for host and path takes; it is how the
// pages know whose request failed.
func (t Table) Find(host, path string) (Route, bool) {
	host = strings.ToLower(host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, parent, _ := strings.Cut(host, ".")
	for _, candidate := range []string{host, "*." + parent, ""} {
		best, found := Route{}, false
		for _, route := range t.Routes {
			if route.Host != candidate || !route.matches(path) {
				continue
			}
			if !found || route.Exact || (!best.Exact && len(route.Path) > len(best.Path)) {
				best, found = route, true
			}
		}
		if found {
			return best, true
		}
	}
	return Route{}, false
}

func (r Route) matches(path string) bool {
	if r.Exact {
		return path == r.Path
	}
	return strings.HasPrefix(path+"/", r.Path)
}

// printable refuses what could break out of a line of HAProxy's files.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"'\#{}$%`, c) })
}
