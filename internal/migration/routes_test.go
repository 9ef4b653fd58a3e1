package migration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/gatewayapi"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// gatewayCRDs are the kinds that the tests use, as Gateway API ships them.
func gatewayCRDs(t *testing.T) {
	t.Helper()
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatalf("looking for Gateway API's definitions: %v", err)
	}
	for _, kind := range []string{"httproutes", "referencegrants"} {
		c := kubetest.Client(t, "kubetest")
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "config/crd/standard/gateway.networking.k8s.io_"+kind+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, crd := range kubetest.Objects(t, string(text)) {
			if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(crd), client.ForceOwnership); err != nil {
				t.Fatal(err)
			}
			kubetest.Eventually(t, func() string {
				if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), crd); err != nil {
					return err.Error()
				}
				if !strings.Contains(fmt.Sprint(crd.Object["status"]), "Established") {
					return kind + " are not known yet"
				}
				return ""
			})
		}
	}
	kubetest.Eventually(t, func() string { // discovery follows a little later
		routes := &unstructured.UnstructuredList{}
		routes.SetGroupVersionKind(schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRouteList"})
		if err := kubetest.Client(t, "kubetest").List(t.Context(), routes); err != nil {
			return err.Error()
		}
		return ""
	})
}

const routeScene = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public}]
  hostnames: [shop.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /api}}]
    backendRefs: [{name: api, port: 80, weight: 3}, {name: api-next, port: 80}]
  - name: shop
    matches: [{path: {type: PathPrefix, value: /}}]
    timeouts: {request: 10s}
    backendRefs: [{name: servers, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: servers}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: servers-1, labels: {kubernetes.io/service-name: servers}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1], conditions: {ready: true}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes-1, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.2], conditions: {ready: true}}]
`

// gateway is a small gateway: it accepts routes and carries HTTP by them.
type gateway struct {
	client client.Client
	key    client.ObjectKey
	route  atomic.Pointer[gatewayv1.HTTPRoute]
	// said is the generation that the route's status speaks of.
	said    atomic.Int64
	proxies map[string]*httputil.ReverseProxy
	front   *httptest.Server
}

func startGateway(t *testing.T, c client.Client, namespace string) *gateway {
	t.Helper()
	g := &gateway{client: c, key: client.ObjectKey{Namespace: namespace, Name: "web"}, proxies: map[string]*httputil.ReverseProxy{}}
	for _, name := range []string{"servers", "kubernetes"} {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(backend.Close)
		address, _ := url.Parse(backend.URL)
		g.proxies[name] = httputil.NewSingleHostReverseProxy(address)
	}
	g.front = httptest.NewServer(g)
	t.Cleanup(g.front.Close)
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			g.look(ctx)
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Cleanup(func() { stop(); group.Wait() })
	kubetest.Eventually(t, func() string {
		if g.said.Load() == 0 {
			return "the gateway has not taken the route up"
		}
		return ""
	})
	return g
}

// look takes the route up as it is now, and says so in its status.
func (g *gateway) look(ctx context.Context) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRoute"})
	if err := g.client.Get(ctx, g.key, obj); err != nil {
		return
	}
	route := &gatewayv1.HTTPRoute{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, route); err != nil {
		return
	}
	if g.said.Load() == route.Generation {
		return
	}
	g.route.Store(route)
	var conditions []any
	for _, kind := range []string{"Accepted", "ResolvedRefs"} {
		conditions = append(conditions, map[string]any{
			"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": route.Generation, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		})
	}
	obj.Object["status"] = map[string]any{"parents": []any{map[string]any{
		"parentRef": map[string]any{"name": "public"}, "controllerName": "example.com/gateway", "conditions": conditions,
	}}}
	if err := g.client.Status().Update(ctx, obj); err == nil {
		g.said.Store(route.Generation)
	}
}

// ServeHTTP takes the rule of the shop, or the one with one more header.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var chosen *gatewayv1.HTTPRouteRule
	for i, rule := range g.route.Load().Spec.Rules {
		match := rule.Matches[0]
		pinned := len(match.Headers) > 0
		if *match.Path.Value == "/" && (!pinned && chosen == nil || pinned && r.Header.Get(string(match.Headers[0].Name)) == match.Headers[0].Value) {
			chosen = &g.route.Load().Spec.Rules[i]
		}
	}
	total := int32(0)
	for _, ref := range chosen.BackendRefs {
		total += *ref.Weight
	}
	ball := rand.Int32N(total)
	for _, ref := range chosen.BackendRefs {
		if ball -= *ref.Weight; ball < 0 {
			g.proxies[string(ref.Name)].ServeHTTP(w, r)
			return
		}
	}
}

func (g *gateway) serve(n int, side string) (map[traffic.Side]int, error) {
	counts := map[traffic.Side]int{}
	for range n {
		req, err := http.NewRequest(http.MethodGet, g.front.URL, http.NoBody)
		if err != nil {
			return nil, err
		}
		if side != "" {
			req.Header.Set(traffic.PinHeader, side)
		}
		res, err := g.front.Client().Do(req)
		if err != nil {
			return counts, err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return counts, err
		}
		counts[map[string]traffic.Side{"servers": traffic.Old, "kubernetes": traffic.New}[string(body)]]++
	}
	return counts, nil
}

// line is a connection to the API server that can be disturbed.
type line struct {
	next http.RoundTripper
	mu   sync.Mutex
	// deny, cut and garble are what happens to requests.
	deny, cut, garble bool
}

func (l *line) set(change func(*line)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	deny, cut, garble := l.deny, l.cut && req.Method == http.MethodPatch, l.garble
	l.mu.Unlock()
	if deny {
		text := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"httproutes is forbidden","reason":"Forbidden","code":403}`
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: req}, nil
	}
	res, err := l.next.RoundTrip(req)
	if err != nil || !cut && !garble {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if cut {
		return nil, errors.New("connection reset by peer")
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body[:len(body)/2])), -1
	return res, err
}

// routePair makes a route in a namespace of its own.
func routePair(t *testing.T) *traffictest.Pair {
	t.Helper()
	namespace := kubetest.Namespace(t)
	c := kubetest.Client(t, "somebody")
	for _, obj := range kubetest.Objects(t, routeScene) {
		obj.SetNamespace(namespace)
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	g := startGateway(t, c, namespace)
	wire := &line{}
	config := kubetest.Config(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { wire.next = next; return wire })
	own, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	router := func(service string) traffic.Router {
		r, err := gatewayapi.New(gatewayapi.Config{
			API: routes{own}, Namespace: namespace, Route: "web", Rule: "shop", Hostname: "shop.example.com", Migration: "team/move", Pin: true, Propagation: 30 * time.Millisecond,
			Old: gatewayapi.Target{Name: "vms", Service: "servers", Port: 80}, New: gatewayapi.Target{Name: "pods", Service: service, Port: 80},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return &traffictest.Pair{
		Router:        router("kubernetes"),
		Again:         func() traffic.Router { return router("kubernetes") },
		Unknown:       func() traffic.Router { return router("nowhere") },
		ForeignChange: func(w traffic.Weight) { editWeights(t, c, g.key, w) },
		Deny:          func() { wire.set(func(l *line) { l.deny = true }) },
		Cut:           func() { wire.set(func(l *line) { l.cut = true }) },
		Garble:        func() { wire.set(func(l *line) { l.garble = true }) },
		Restore:       func() { wire.set(func(l *line) { l.deny, l.cut, l.garble = false, false, false }) },
		Break: func(side traffic.Side) {
			name := map[traffic.Side]string{traffic.Old: "servers-1", traffic.New: "kubernetes-1"}[side]
			slice := kubetest.Object(t, "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: "+name+"}}")
			slice.SetNamespace(namespace)
			if err := c.Patch(t.Context(), slice, client.RawPatch("application/json-patch+json", []byte(`[{"op":"replace","path":"/endpoints/0/conditions/ready","value":false}]`))); err != nil {
				t.Error(err)
			}
		},
		Serve: func(n int) (map[traffic.Side]int, error) { return g.serve(n, "") },
		ServePinned: func(n int, side traffic.Side) (map[traffic.Side]int, error) {
			return g.serve(n, map[traffic.Side]string{traffic.Old: "vms", traffic.New: "pods"}[side])
		},
		ComparesEpochs: true,
	}
}

// editWeights does what kubectl edit does; against others it may lose.
func editWeights(t *testing.T, c client.Client, key client.ObjectKey, w traffic.Weight) {
	route := &unstructured.Unstructured{}
	route.SetGroupVersionKind(schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRoute"})
	if err := c.Get(t.Context(), key, route); err != nil {
		t.Error(err)
		return
	}
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	for _, ref := range rules[1].(map[string]any)["backendRefs"].([]any) {
		fields := ref.(map[string]any)
		fields["weight"] = map[any]int64{"servers": int64(traffic.All - w), "kubernetes": int64(w)}[fields["name"]]
	}
	_ = unstructured.SetNestedSlice(route.Object, rules, "spec", "rules")
	_ = c.Update(t.Context(), route)
}

// TestRoutesOfARealAPIServer runs the router's conformance suite against
// Kubernetes, with the kinds as Gateway API ships them.
func TestRoutesOfARealAPIServer(t *testing.T) {
	kubetest.Config(t)
	gatewayCRDs(t)
	traffictest.Run(t, traffictest.Harness{
		New:     routePair,
		Weights: []traffic.Weight{0, 1, 50, 100},
		Skip: map[string]string{
			"Counter": "gateways count in ways of their own", "Drainer": "Gateway API has no such thing", "Watched": "nothing beside a gateway watches",
			"Throttle": "client-go waits as the API server says",
		},
	})
}

// TestGrants: a Service of another namespace needs its namespace's word.
func TestGrants(t *testing.T) {
	kubetest.Config(t)
	gatewayCRDs(t)
	home, away := kubetest.Namespace(t), kubetest.Namespace(t)
	c := kubetest.Client(t, "somebody")
	for _, obj := range kubetest.Objects(t, routeScene) {
		obj.SetNamespace(home)
		if obj.GetName() == "kubernetes" {
			obj.SetNamespace(away)
		}
		if err := c.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	router, err := gatewayapi.New(gatewayapi.Config{
		API: routes{c}, Namespace: home, Route: "web", Hostname: "shop.example.com", Migration: "team/move",
		Old: gatewayapi.Target{Name: "vms", Service: "servers", Port: 80}, New: gatewayapi.Target{Name: "pods", Service: "kubernetes", Namespace: away, Port: 80},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = router.Prepare(t.Context(), &traffictest.Fence{Number: 1})
	if fault.ClassOf(err) != fault.Refused || !strings.Contains(fault.HintOf(err), "ReferenceGrant") {
		t.Fatalf("without a grant: %v (hint %q)", err, fault.HintOf(err))
	}
	grant := kubetest.Object(t, `{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: routes}, spec: {
	  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: `+home+`}], to: [{group: "", kind: Service}]}}`)
	grant.SetNamespace(away)
	if err := c.Create(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if _, err := router.Prepare(t.Context(), &traffictest.Fence{Number: 1}); err != nil {
		t.Errorf("with a grant: %v", err)
	}
}

// TestPatchThatLost: the API server says 422 and names no cause, by which the
// router knows that somebody was quicker.
func TestPatchThatLost(t *testing.T) {
	kubetest.Config(t)
	gatewayCRDs(t)
	namespace := kubetest.Namespace(t)
	c := kubetest.Client(t, "somebody")
	route := kubetest.Objects(t, routeScene)[0]
	route.SetNamespace(namespace)
	if err := c.Create(t.Context(), route); err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRoute"}
	for name, tt := range map[string]struct {
		patch  string
		causes bool
	}{
		"a failed test":   {`[{"op":"test","path":"/spec/rules/1/backendRefs","value":[]},{"op":"add","path":"/spec/rules/1/backendRefs/0/weight","value":3}]`, false},
		"not a valid one": {`[{"op":"add","path":"/spec/rules/1/backendRefs/0/weight","value":-3}]`, true},
	} {
		err := routes{c}.Patch(t.Context(), kind, namespace, "web", []byte(tt.patch))
		var status apierrors.APIStatus
		if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		details := status.Status().Details
		if causes := details != nil && len(details.Causes) > 0; causes != tt.causes {
			t.Errorf("%s: causes %v: %v", name, causes, err)
		}
	}
}
