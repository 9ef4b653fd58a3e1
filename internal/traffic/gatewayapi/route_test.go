package gatewayapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

var first = &traffictest.Fence{Number: 1}

// spec of the route as it is.
func (m *memory) spec() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects["HTTPRoute shop/web"].DeepCopy().Object["spec"]
}

func (m *memory) annotations() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects["HTTPRoute shop/web"].GetAnnotations()
}

// ready has prepared the migration.
func ready(t *testing.T, m *memory, r *Router) {
	t.Helper()
	traffictest.Prepare(t, r, first, m.advance)
}

// TestRouteIsAsBefore after a migration that returned: other rules, filters and
// fields that Landfall does not know among them.
func TestRouteIsAsBefore(t *testing.T) {
	m, cfg := newScene(t)
	m.edit(httpRoute, "shop", "web", func(obj *unstructured.Unstructured) {
		obj.SetAnnotations(map[string]string{"team": "shop"})
		rules, _, _ := unstructured.NestedSlice(obj.Object, "spec", "rules")
		rule := rules[1].(map[string]any)
		rule["fieldOfTheFuture"] = map[string]any{"a": "b"}
		ref := rule["backendRefs"].([]any)[0].(map[string]any)
		ref["filters"], ref["weight"] = []any{map[string]any{"type": "URLRewrite"}}, int64(7)
		_ = unstructured.SetNestedSlice(obj.Object, rules, "spec", "rules")
	})
	before := m.spec()
	r := newRouter(t, cfg)
	ready(t, m, r)
	for _, w := range []traffic.Weight{5, 100, 0} {
		if err := r.Write(t.Context(), w, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Finish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, m.spec()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"team": "shop"}, m.annotations()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// TestFinishLeavesTheNewSide alone in its rule.
func TestFinishLeavesTheNewSide(t *testing.T) {
	m, cfg := newScene(t)
	r := newRouter(t, cfg)
	ready(t, m, r)
	if err := r.Write(t.Context(), traffic.All, first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Finish(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	rules := m.spec().(map[string]any)["rules"].([]any)
	if len(rules) != 2 || len(m.annotations()) > 0 {
		t.Errorf("%d rules, annotations %v", len(rules), m.annotations())
	}
	refs := rules[1].(map[string]any)["backendRefs"].([]any)
	if len(refs) != 1 || refs[0].(map[string]any)["name"] != "kubernetes" {
		t.Errorf("references %v", refs)
	}
}

// TestOtherProcessIsFenced between its reading and its writing.
func TestOtherProcessIsFenced(t *testing.T) {
	m, cfg := newScene(t)
	stale := newRouter(t, cfg)
	ready(t, m, stale)
	route, rule, err := stale.owned(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRouter(t, cfg).Prepare(t.Context(), &traffictest.Fence{Number: 2}); err != nil {
		t.Fatal(err)
	}
	late := append(append(rule.asRead(), rule.weigh(90)...), route.claim(*route.owner)...)
	if err := stale.patch(t.Context(), late, first); !errors.Is(err, errRaced) {
		t.Errorf("a patch of what was read before the other process came: %v", err)
	}
	if err := stale.Write(t.Context(), 90, first); fault.ClassOf(err) != fault.Refused {
		t.Errorf("a process that was followed writes: %v", err)
	}
	if counts, err := m.serve(100, ""); err != nil || counts[traffic.New] > 0 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestRulesMayMove: somebody adds a rule in front.
func TestRulesMayMove(t *testing.T) {
	m, cfg := newScene(t)
	r := newRouter(t, cfg)
	ready(t, m, r)
	m.edit(httpRoute, "shop", "web", func(obj *unstructured.Unstructured) {
		rules, _, _ := unstructured.NestedSlice(obj.Object, "spec", "rules")
		_ = unstructured.SetNestedSlice(obj.Object, append(rules[:1:1], rules...), "spec", "rules")
	})
	if err := r.Write(t.Context(), 40, first); err != nil {
		t.Fatal(err)
	}
	if state, err := r.Read(t.Context()); err != nil || !state.Instances[0].At(40) {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestNotAccepted(t *testing.T) {
	m, cfg := newScene(t)
	r := newRouter(t, cfg)
	ready(t, m, r)
	m.mu.Lock()
	obj := m.objects["HTTPRoute shop/web"]
	parents := acceptedBy(obj.GetGeneration())
	refs := parents[0].(map[string]any)["conditions"].([]any)[1].(map[string]any)
	refs["status"], refs["reason"], refs["message"] = "False", "RefNotPermitted", "no grant"
	_ = unstructured.SetNestedSlice(obj.Object, parents, "status", "parents")
	m.mu.Unlock()
	state, err := r.Read(t.Context())
	if err != nil || state.Instances[0].Settled || !strings.Contains(state.Instances[0].Waiting, "gateway public: ResolvedRefs is False: RefNotPermitted: no grant") {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	rule := func(text string) func(*testing.T, *memory, *Config) {
		return func(t *testing.T, m *memory, _ *Config) {
			refs, _, _ := unstructured.NestedSlice(kubetest.Object(t, "{apiVersion: v1, kind: X, refs: "+text+"}").Object, "refs")
			m.edit(httpRoute, "shop", "web", func(obj *unstructured.Unstructured) {
				rules, _, _ := unstructured.NestedSlice(obj.Object, "spec", "rules")
				rules[1].(map[string]any)["backendRefs"] = refs
				_ = unstructured.SetNestedSlice(obj.Object, rules, "spec", "rules")
			})
		}
	}
	tests := map[string]struct {
		change func(*testing.T, *memory, *Config)
		class  fault.Class
		want   string
	}{
		"a third backend":          {rule("[{name: servers, port: 80}, {name: canary, port: 80}]"), fault.Refused, "to another backend, too: canary"},
		"the new side already":     {rule("[{name: servers, port: 80}, {name: kubernetes, port: 80}]"), fault.Refused, "the new side gets requests already"},
		"the old side has nothing": {rule("[{name: servers, port: 80, weight: 0}, {name: kubernetes, port: 80}]"), fault.Refused, "the old side gets no requests"},
		"no old side":              {rule("[{name: others, port: 80}]"), fault.Invalid, "none has the old side"},
		"no such rule":             {func(_ *testing.T, _ *memory, c *Config) { c.Rule = "nope" }, fault.Invalid, `none is named "nope"`},
		"no such route":            {func(_ *testing.T, _ *memory, c *Config) { c.Route = "nope" }, fault.NotFound, "nope"},
		"another host":             {func(_ *testing.T, _ *memory, c *Config) { c.Hostname = "api.example.com" }, fault.Invalid, "does not serve api.example.com"},
		"no such port":             {func(_ *testing.T, _ *memory, c *Config) { c.New.Port = 8080 }, fault.Invalid, "has no port 8080"},
		"no grant": {func(t *testing.T, m *memory, c *Config) {
			c.New.Namespace = "web"
			service := kubetest.Object(t, "{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: web}, spec: {ports: [{port: 80}]}}")
			m.trap(func() { m.objects["Service web/kubernetes"] = service })
		}, fault.Refused, "namespace web does not grant it Service web/kubernetes:80"},
		"another migration's": {func(t *testing.T, m *memory, c *Config) {
			other := *c
			other.Migration = "team/other"
			if _, err := newRouter(t, other).Prepare(t.Context(), first); err != nil {
				t.Fatal(err)
			}
		}, fault.Refused, "belongs to migration team/other"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, cfg := newScene(t)
			tt.change(t, m, &cfg)
			before := m.spec()
			_, err := newRouter(t, cfg).Prepare(t.Context(), first)
			if err == nil || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Errorf("class %s, hint %q: %v, want %s and %q", fault.ClassOf(err), fault.HintOf(err), err, tt.class, tt.want)
			}
			if diff := cmp.Diff(before, m.spec()); diff != "" {
				t.Errorf("the route was changed:\n%s", diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	_, cfg := newScene(t)
	for name, change := range map[string]func(*Config){
		"a hostile route":     func(c *Config) { c.Route = "../secrets" },
		"a hostile namespace": func(c *Config) { c.Namespace = "a/b" },
		"a hostile service":   func(c *Config) { c.New.Service = "x\ny" },
		"no port":             func(c *Config) { c.New.Port = 0 },
		"one service":         func(c *Config) { c.New.Service = c.Old.Service },
		"one name":            func(c *Config) { c.New.Name = c.Old.Name },
		"no migration":        func(c *Config) { c.Migration = "" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			change(&cfg)
			if _, err := New(cfg); fault.ClassOf(err) != fault.Invalid {
				t.Errorf("want it invalid: %v", err)
			}
		})
	}
}
