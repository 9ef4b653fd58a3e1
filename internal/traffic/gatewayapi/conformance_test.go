package gatewayapi

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// scene is a route of a shop, whose second rule is another team's, and the
// Services of both sides.
const scene = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: public}]
  hostnames: [shop.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /api}}]
    backendRefs: [{name: api, port: 80, weight: 3}, {name: api-next, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /}}]
    timeouts: {request: 10s}
    backendRefs: [{name: servers, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: servers, namespace: shop}
spec: {ports: [{port: 80, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: shop}
spec: {ports: [{port: 443}, {port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: servers-1, namespace: shop, labels: {kubernetes.io/service-name: servers}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes-1, namespace: shop, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.2], conditions: {ready: true}}, {addresses: [192.0.2.3], conditions: {ready: false}}]
`

func newScene(t *testing.T) (*memory, Config) {
	t.Helper()
	m := newMemory(kubetest.Objects(t, scene)...)
	return m, Config{
		API: m, Namespace: "shop", Route: "web", Hostname: "shop.example.com", Migration: "team/move", Pin: true, Now: m.Now,
		Old: Target{Name: "vms", Service: "servers", Port: 80}, New: Target{Name: "pods", Service: "kubernetes", Port: 80},
	}
}

func newRouter(t *testing.T, cfg Config) *Router {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reweigh sets weights of the shop's rule as kubectl edit does.
func reweigh(obj *unstructured.Unstructured, weights map[string]int64) {
	rules, _, _ := unstructured.NestedSlice(obj.Object, "spec", "rules")
	for _, rule := range rules[1:2] {
		for _, ref := range rule.(map[string]any)["backendRefs"].([]any) {
			fields := ref.(map[string]any)
			fields["weight"] = weights[fields["name"].(string)]
		}
	}
	_ = unstructured.SetNestedSlice(obj.Object, rules, "spec", "rules")
}

func TestConformance(t *testing.T) {
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			m, cfg := newScene(t)
			return &traffictest.Pair{
				Router: newRouter(t, cfg),
				Again:  func() traffic.Router { return newRouter(t, cfg) },
				Unknown: func() traffic.Router {
					cfg := cfg
					cfg.New.Service = "nowhere"
					return newRouter(t, cfg)
				},
				ForeignChange: func(w traffic.Weight) {
					m.edit(httpRoute, "shop", "web", func(obj *unstructured.Unstructured) {
						reweigh(obj, map[string]int64{"servers": int64(traffic.All - w), "kubernetes": int64(w)})
					})
				},
				Deny:     func() { m.trap(func() { m.trouble = errDenied }) },
				Throttle: func() { m.trap(func() { m.trouble = errThrottled }) },
				Cut:      func() { m.trap(func() { m.cut = true }) },
				Garble:   func() { m.trap(func() { m.garbled = true }) },
				Restore:  func() { m.trap(func() { m.trouble, m.cut, m.garbled = nil, false, false }) },
				Break: func(side traffic.Side) {
					name := map[traffic.Side]string{traffic.Old: "servers-1", traffic.New: "kubernetes-1"}[side]
					m.edit(endpointSlice, "shop", name, func(obj *unstructured.Unstructured) {
						_ = unstructured.SetNestedSlice(obj.Object, []any{map[string]any{"conditions": map[string]any{"ready": false}}}, "endpoints")
					})
				},
				Serve: func(n int) (map[traffic.Side]int, error) { return m.serve(n, "") },
				ServePinned: func(n int, side traffic.Side) (map[traffic.Side]int, error) {
					return m.serve(n, cfg.target(side).Name)
				},
				Advance: m.advance, ComparesEpochs: true,
			}
		},
		Skip: map[string]string{"Counter": "gateways count in ways of their own", "Drainer": "Gateway API has no such thing", "Watched": "nothing beside a gateway watches"},
	})
}
