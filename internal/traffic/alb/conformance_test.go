package alb

import (
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

const hostname = "shop.example.com"

// world is a load balancer with a rule for the hostname and two target groups.
type world struct {
	*awstest.AWS
	t              *testing.T
	listener, rule string
	old, new       string
	cfg            Config
}

func newWorld(t *testing.T, options awstest.Options) *world {
	t.Helper()
	w := &world{AWS: awstest.Start(t, options), t: t}
	w.old, w.new = w.ELB.CreateGroup("servers", 3), w.ELB.CreateGroup("kubernetes", 2)
	other := w.ELB.CreateGroup("other", 1)
	w.listener, _ = w.ELB.CreateListener(other)
	w.rule = w.ELB.CreateRule(w.listener, 10, hostname, w.old, false)
	w.ELB.CreateRule(w.listener, 9, "api.example.com", other, false)
	w.cfg = Config{
		AWS: w.Config(), Rule: w.rule, Hostname: hostname, Migration: "team/move", Pin: true, Now: w.Clock.Now,
		Old: Target{Name: "servers", Group: w.old}, New: Target{Name: "kubernetes", Group: w.new},
	}
	return w
}

// onDefaultRule moves the world's traffic to the listener's default rule.
func (w *world) onDefaultRule() {
	w.listener, w.rule = w.ELB.CreateListener(w.old)
	w.cfg.Rule = w.listener
}

func (w *world) router() *Router { return w.routerOf(w.cfg) }

func (w *world) routerOf(cfg Config) *Router {
	w.t.Helper()
	r, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// ready has prepared the migration.
func (w *world) ready() *Router {
	w.t.Helper()
	r := w.router()
	traffictest.Prepare(w.t, r, &traffictest.Fence{Number: 1}, w.Clock.Advance)
	return r
}

func (w *world) write(r *Router, weight traffic.Weight) {
	w.t.Helper()
	if err := r.Write(w.t.Context(), weight, &traffictest.Fence{Number: 1}); err != nil {
		w.t.Fatalf("Write %d: %v", weight, err)
	}
	w.Clock.Advance(DefaultPropagation)
}

// serve sends requests by browsers of their own.
func (w *world) serve(n int, headers map[string]string) (map[traffic.Side]int, error) {
	counts := map[traffic.Side]int{}
	for range n {
		group, err := w.ELB.Browser(w.listener, false).Get(hostname, headers)
		if err != nil {
			return counts, err
		}
		counts[w.sideOf(group)]++
	}
	return counts, nil
}

func (w *world) sideOf(group string) traffic.Side {
	return map[string]traffic.Side{w.old: traffic.Old, w.new: traffic.New}[group]
}

func (w *world) group(side traffic.Side) string {
	return map[traffic.Side]string{traffic.Old: w.old, traffic.New: w.new}[side]
}

func (w *world) pair() *traffictest.Pair {
	return &traffictest.Pair{
		Router: w.router(),
		Again:  func() traffic.Router { return w.router() },
		Unknown: func() traffic.Router {
			cfg := w.cfg
			cfg.New.Group += "0"
			return w.routerOf(cfg)
		},
		ForeignChange: func(weight traffic.Weight) {
			w.ELB.SetForward(w.rule, map[string]int{w.old: int(traffic.All - weight), w.new: int(weight)}, 0)
		},
		Deny: w.Deny, Throttle: w.Throttle, Cut: w.Cut, Garble: w.Garble, Restore: w.Restore,
		Break: func(side traffic.Side) { w.ELB.SetHealth(w.group(side), false) },
		Serve: func(n int) (map[traffic.Side]int, error) { return w.serve(n, nil) },
		ServePinned: func(n int, side traffic.Side) (map[traffic.Side]int, error) {
			return w.serve(n, map[string]string{traffic.PinHeader: w.cfg.target(side).Name})
		},
		Advance: w.Clock.Advance, ComparesEpochs: true,
	}
}

var skip = map[string]string{"Counter": "CloudWatch counts, see the guards", "Watched": "a load balancer watches nobody"}

func TestConformance(t *testing.T) {
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			return newWorld(t, awstest.Options{Propagation: 3 * time.Second}).pair()
		},
		Skip: skip,
	})
}

func TestConformanceOfADefaultRule(t *testing.T) {
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			w := newWorld(t, awstest.Options{Propagation: 3 * time.Second})
			w.onDefaultRule()
			return w.pair()
		},
		Skip: skip, Weights: []traffic.Weight{0, 1, 99, 100},
	})
}
