package frontdoor

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/frontdoor"
	"github.com/landfall-dev/landfall/internal/frontdoor/haproxy"
)

// proxy notes what it is given.
type proxy struct {
	tables  []frontdoor.Table
	reload  bool
	outcome haproxy.Outcome
	err     error
	done    chan struct{}
}

func (p *proxy) Apply(_ context.Context, table frontdoor.Table) (haproxy.Outcome, error) {
	if p.err != nil {
		return "", p.err
	}
	p.tables = append(p.tables, table)
	return p.outcome, nil
}
func (p *proxy) WouldReload(frontdoor.Table) bool { return p.reload }
func (p *proxy) Done() <-chan struct{}            { return p.done }

func objects() []client.Object {
	class, port, ready := v1alpha1.IngressClass, int32(8080), true
	other := "nginx"
	ingress := func(name, host string, class *string) *networkingv1.Ingress {
		return &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: "staging", Name: name, Labels: map[string]string{
				v1alpha1.LabelProject: "default", v1alpha1.LabelEnvironment: "staging",
			}},
			Spec: networkingv1.IngressSpec{IngressClassName: class, Rules: []networkingv1.IngressRule{{
				Host: host,
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
				}}}},
			}}},
		}
	}
	return []client.Object{
		ingress("web", "web.staging.localhost", &class), ingress("foreign", "foreign.localhost", &other),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "staging", Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: "staging", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: &port}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.4"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		},
		&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "staging"}, Status: v1alpha1.EnvironmentStatus{Phase: v1alpha1.PhaseAsleep}},
	}
}

func setup(t *testing.T) (*Reconciler, *proxy) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	p := &proxy{outcome: haproxy.Reloaded, done: make(chan struct{})}
	return &Reconciler{
		Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects()...).WithStatusSubresource(&networkingv1.Ingress{}).Build(),
		Proxy:  p, Pages: &frontdoor.Pages{}, Class: v1alpha1.IngressClass, Address: "127.0.0.1", Environments: true,
		Clock: func() time.Time { return time.Unix(1000, 0) }, died: make(chan event.GenericEvent, 1),
	}, p
}

func TestReconcileServesAndTells(t *testing.T) {
	r, p := setup(t)
	if r.Ready() {
		t.Error("ready before anything is served")
	}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{}); err != nil {
		t.Fatal(err)
	}
	want := []frontdoor.Backend{{Name: "staging_web_80", Servers: []string{"10.1.0.4:8080"}}}
	if len(p.tables) != 1 || !cmp.Equal(want, p.tables[0].Backends) || !r.Ready() {
		t.Errorf("served %+v, ready %v", p.tables, r.Ready())
	}
	address := func(name string) []networkingv1.IngressLoadBalancerIngress {
		var ingress networkingv1.Ingress
		if err := r.Client.Get(t.Context(), client.ObjectKey{Namespace: "staging", Name: name}, &ingress); err != nil {
			t.Fatal(err)
		}
		return ingress.Status.LoadBalancer.Ingress
	}
	if got := address("web"); len(got) != 1 || got[0].IP != "127.0.0.1" {
		t.Errorf("status of ours: %+v", got)
	}
	if got := address("foreign"); len(got) != 0 {
		t.Errorf("status of another class: %+v", got)
	}
	response := httptest.NewRecorder()
	r.Pages.ServeHTTP(response, httptest.NewRequest("GET", "http://web.staging.localhost/", nil))
	if !strings.Contains(response.Body.String(), "is asleep") {
		t.Errorf("page: %s", response.Body)
	}
}

func TestReloadsAreGathered(t *testing.T) {
	r, p := setup(t)
	p.reload = true
	r.reloaded = r.Clock().Add(-reloadPause / 4)
	result, err := r.Reconcile(t.Context(), reconcile.Request{})
	if err != nil || result.RequeueAfter != reloadPause*3/4 || len(p.tables) != 0 {
		t.Errorf("%+v, %v, %d tables", result, err, len(p.tables))
	}
	p.reload = false // a change that needs no reload is made at once
	if _, err := r.Reconcile(t.Context(), reconcile.Request{}); err != nil || len(p.tables) != 1 {
		t.Errorf("%v, %d tables", err, len(p.tables))
	}
}

func TestDeadProxyIsNotReadyAndAsksForAReconcile(t *testing.T) {
	r, p := setup(t)
	p.outcome = haproxy.Started
	if _, err := r.Reconcile(t.Context(), reconcile.Request{}); err != nil {
		t.Fatal(err)
	}
	close(p.done)
	select {
	case <-r.died:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody asked")
	}
	if r.Ready() {
		t.Error("still ready")
	}
}

func TestRefusedTableIsAnError(t *testing.T) {
	r, p := setup(t)
	p.err = errors.New("refused")
	if _, err := r.Reconcile(t.Context(), reconcile.Request{}); !errors.Is(err, p.err) || r.Ready() {
		t.Errorf("%v, ready %v", err, r.Ready())
	}
}

func TestHasEnvironments(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	if has, err := HasEnvironments(mapper); has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	mapper.Add(v1alpha1.GroupVersion.WithKind("Environment"), meta.RESTScopeNamespace)
	if has, err := HasEnvironments(mapper); !has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
}
