package haproxy

import (
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/servertest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

func replacing(old, new string) func(*haproxytest.Options) {
	return func(o *haproxytest.Options) { o.Backends = strings.ReplaceAll(o.Backends, old, new) }
}

func TestPrepareRefusesWhatWouldNotShareByWeight(t *testing.T) {
	tests := map[string]struct {
		edit  func(*haproxytest.Options)
		ask   string
		says  string
		class fault.Class
	}{
		"leastconn":           {edit: replacing("balance roundrobin", "balance leastconn"), says: "leastconn gives each the same", class: fault.Refused},
		"first":               {edit: replacing("balance roundrobin", "balance first"), says: "first fills one server", class: fault.Refused},
		"static-rr":           {edit: replacing("balance roundrobin", "balance static-rr"), says: "does not let weights change", class: fault.Refused},
		"hash by map":         {edit: replacing("balance roundrobin", "balance source"), says: "only all or nothing", class: fault.Refused},
		"hash by tree":        {edit: replacing("balance roundrobin", "balance source\n    hash-type consistent")},
		"random":              {edit: replacing("balance roundrobin", "balance random(1)")},
		"old servers weigh":   {edit: replacing("check inter 50ms\n", "check inter 50ms weight 200\n")},
		"new side has weight": {edit: replacing("weight 0", "weight 10"), ask: "set server shop/k8s1 weight 0; set server shop/k8s2 weight 0", says: "a reload that forgets the weights", class: fault.Refused},
		"server in repair":    {ask: "set server shop/web2 state maint", says: "server web2 is in maintenance", class: fault.Refused},
		"drained before":      {ask: "set server shop/k8s1 state maint; set server shop/k8s2 state maint"},
		"nobody has weight":   {ask: "set server shop/web1 weight 0; set server shop/web2 weight 0", says: "neither side has weight", class: fault.Refused},
		"other weights":       {ask: "set server shop/web1 weight 7; set server shop/web2 weight 256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 1, tt.edit)
			if tt.ask != "" {
				f.proxies[0].Ask(tt.ask)
			}
			before := f.report()
			p, err := f.router(f.config()).Prepare(t.Context(), &traffictest.Fence{})
			after := f.report()
			for i := range before.Servers {
				if before.Servers[i].Weight != after.Servers[i].Weight {
					t.Errorf("Prepare changed a weight: %+v, before %+v", after.Servers[i], before.Servers[i])
				}
			}
			if tt.says == "" {
				if err != nil || !p.Done || drained(after.on(traffic.New)) {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || fault.ClassOf(err) != tt.class || fault.HintOf(err) == "" {
				t.Errorf("%v (class %s, hint %q)", err, fault.ClassOf(err), fault.HintOf(err))
			}
		})
	}
}

func (f *fixture) report() Report {
	f.t.Helper()
	router := f.router(f.config())
	reports, err := router.reports(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return reports[0]
}

func TestPrepareSaysWhatIsMissing(t *testing.T) {
	f := newFixture(t, 1, func(o *haproxytest.Options) {
		o.Backends = strings.ReplaceAll(o.Backends, "backend landfall_shop", "backend other")
		o.Backends = strings.ReplaceAll(o.Backends, "table landfall_shop", "table other")
		o.Backends = strings.ReplaceAll(o.Backends, "balance roundrobin", "balance roundrobin\n    cookie SERVER insert")
	})
	router := f.router(f.config())
	p, err := router.Prepare(t.Context(), &traffictest.Fence{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"landfall watchdog snippet", "cookie SERVER keeps clients"} {
		if !strings.Contains(p.Step, want) {
			t.Errorf("%q lacks %q", p.Step, want)
		}
	}
	if router.Pin(traffic.New) != "" {
		t.Error("it offers to pin, but the backend has no rules for that")
	}
	if f.counters(router)[traffic.New].Latency != nil {
		t.Error("it has latencies, but the backend does not count them")
	}
}

// A frontend often has its backend's name, and `show stat NAME` then means the
// frontend alone.
func TestFrontendOfTheSameName(t *testing.T) {
	f := newFixture(t, 1, func(o *haproxytest.Options) {
		o.Backends = "frontend shop\n    bind " + servertest.FreeAddress(t) + "\n    default_backend shop\n" + o.Backends
	})
	r := f.router(f.config())
	if done, err := r.Prepare(t.Context(), &traffictest.Fence{}); err != nil || !done.Done {
		t.Fatalf("prepared %+v: %v", done, err)
	}
	state, err := r.Read(t.Context())
	if err != nil || !state.Instances[0].At(traffic.None) {
		t.Errorf("read %+v: %v", state, err)
	}
}
