package frontdoor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

func ptr[T any](v T) *T { return &v }

type rule struct {
	host, path string
	exact      bool
	service    string
	port       int32
}

func ingress(namespace, name string, age time.Duration, rules ...rule) networkingv1.Ingress {
	in := networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name,
		CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Add(-age)),
		Labels:            map[string]string{v1alpha1.LabelProject: "default", v1alpha1.LabelEnvironment: namespace},
	}}
	in.Spec.IngressClassName = ptr(v1alpha1.IngressClass)
	for _, r := range rules {
		kind := networkingv1.PathTypePrefix
		if r.exact {
			kind = networkingv1.PathTypeExact
		}
		in.Spec.Rules = append(in.Spec.Rules, networkingv1.IngressRule{Host: r.host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: r.path, PathType: &kind,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: r.service, Port: networkingv1.ServiceBackendPort{Number: r.port},
				}},
			}}},
		}})
	}
	return in
}

func service(namespace, name string, port int32) corev1.Service {
	return corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: port}}},
	}
}

func endpoints(namespace, service string, port int32, ready ...string) discoveryv1.EndpointSlice {
	slice := discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: service + "-x", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr("http"), Port: &port}},
	}
	for _, address := range ready {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(true)}})
	}
	slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.9.9.9"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(false)}})
	return slice
}

func shop() Cluster {
	return Cluster{
		Ingresses: []networkingv1.Ingress{
			ingress("staging", "web", time.Hour, rule{"web.staging.localhost", "/", false, "web", 80}, rule{"Staging.localhost", "", false, "web", 80}),
			ingress("pr-1", "web", time.Minute, rule{"web.pr-1.localhost", "/", false, "web", 80}, rule{"web.pr-1.localhost", "/api", false, "api", 80}, rule{"web.pr-1.localhost", "/health", true, "api", 80}),
		},
		Services: []corev1.Service{service("staging", "web", 80), service("pr-1", "web", 80), service("pr-1", "api", 80)},
		Slices: []discoveryv1.EndpointSlice{
			endpoints("staging", "web", 8080, "10.1.0.5", "10.1.0.4"), endpoints("pr-1", "web", 8080, "10.1.0.6"),
		},
	}
}

func TestBuild(t *testing.T) {
	got := Build(shop(), v1alpha1.IngressClass)
	staging := Owner{Ingress: "staging/web", Project: "default", Environment: "staging"}
	pr := Owner{Ingress: "pr-1/web", Project: "default", Environment: "pr-1"}
	want := Table{
		Routes: []Route{
			{Host: "staging.localhost", Path: "/", Backend: "staging_web_80", Owner: staging},
			{Host: "web.pr-1.localhost", Path: "/", Backend: "pr-1_web_80", Owner: pr},
			{Host: "web.pr-1.localhost", Path: "/api/", Backend: "pr-1_api_80", Owner: pr},
			{Host: "web.pr-1.localhost", Path: "/health", Exact: true, Backend: "pr-1_api_80", Owner: pr},
			{Host: "web.staging.localhost", Path: "/", Backend: "staging_web_80", Owner: staging},
		},
		Backends: []Backend{
			{Name: "pr-1_api_80"},
			{Name: "pr-1_web_80", Servers: []string{"10.1.0.6:8080"}},
			{Name: "staging_web_80", Servers: []string{"10.1.0.4:8080", "10.1.0.5:8080"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBuildRefusesWithReason(t *testing.T) {
	other := ingress("x", "other-class", 0, rule{"other.localhost", "/", false, "web", 80})
	other.Spec.IngressClassName = ptr("nginx")
	c := Cluster{
		Ingresses: []networkingv1.Ingress{
			ingress("x", "thief", time.Minute, rule{"web.localhost", "/", false, "web", 80}),
			ingress("x", "first", time.Hour, rule{"web.localhost", "/", false, "web", 80}),
			ingress("x", "port", time.Minute, rule{"port.localhost", "/", false, "web", 81}),
			ingress("x", "evil", time.Minute, rule{"evil.localhost", "/\n    server evil 1.1.1.1:80", false, "web", 80}),
			ingress("x", "relative", time.Minute, rule{"rel.localhost", "api", false, "web", 80}),
			other,
		},
		Services: []corev1.Service{service("x", "web", 80)},
	}
	got := Build(c, v1alpha1.IngressClass)
	if len(got.Routes) != 1 || got.Routes[0].Owner.Ingress != "x/first" {
		t.Errorf("routes: %+v", got.Routes)
	}
	want := []string{
		"x/evil: evil.localhost/\n    server evil 1.1.1.1:80: the host or path has characters that no URL has",
		"x/port: port.localhost/: Service x/web has no port 81",
		"x/relative: rel.localhostapi: the host or path has characters that no URL has",
		"x/thief: web.localhost/: Ingress x/first has it already",
	}
	if diff := cmp.Diff(want, got.Refused); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	table := Build(shop(), v1alpha1.IngressClass)
	wild := ingress("w", "wild", 0, rule{"*.wild.localhost", "/", false, "web", 80}, rule{"", "/any", false, "web", 80})
	wildTable := Build(Cluster{Ingresses: []networkingv1.Ingress{wild}}, v1alpha1.IngressClass)
	tests := []struct {
		table            Table
		host, path, want string
	}{
		{table, "web.pr-1.localhost", "/", "pr-1_web_80"},
		{table, "WEB.pr-1.localhost:8080", "/apiary", "pr-1_web_80"},
		{table, "web.pr-1.localhost", "/api", "pr-1_api_80"},
		{table, "web.pr-1.localhost", "/api/x", "pr-1_api_80"},
		{table, "web.pr-1.localhost", "/health", "pr-1_api_80"},
		{table, "web.pr-1.localhost", "/health/x", "pr-1_web_80"},
		{table, "nobody.localhost", "/", ""},
		{wildTable, "a.wild.localhost", "/x", "w_web_80"},
		{wildTable, "a.b.wild.localhost", "/x", ""},
		{wildTable, "else.where", "/any/x", "w_web_80"},
	}
	for _, tt := range tests {
		if got, _ := tt.table.Find(tt.host, tt.path); got.Backend != tt.want {
			t.Errorf("%s%s leads to %q, want %q", tt.host, tt.path, got.Backend, tt.want)
		}
	}
}
