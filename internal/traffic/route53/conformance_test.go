package route53

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

const (
	hostname = "shop.example.com"
	oldIP    = "192.0.2.1"
	newIP    = "198.51.100.1"
)

// world is an account with a zone whose hostname has one simple record.
type world struct {
	*awstest.AWS
	t         *testing.T
	zone      string
	heartbeat *Heartbeat
	cfg       Config
}

func newWorld(t *testing.T, options awstest.Options) *world {
	t.Helper()
	w := &world{AWS: awstest.Start(t, options), t: t}
	w.zone = w.DNS.CreateZone("example.com")
	for _, other := range []string{"1.shop", "api", "www"} {
		w.DNS.Simple(w.zone, other+".example.com", "A", 300, "203.0.113.9")
	}
	w.DNS.Simple(w.zone, hostname, "A", 300, oldIP)
	w.cfg = Config{
		AWS: w.Config(), ZoneID: w.zone, Hostname: hostname, Migration: "team/move", Now: w.Clock.Now,
		Old: Target{Name: "servers", Records: []string{oldIP}, PinHostname: "old-shop.example.com"},
		New: Target{Name: "kubernetes", Records: []string{newIP}, PinHostname: "new-shop.example.com"},
	}
	return w
}

// withHeartbeat gives the migration a dead man's switch.
func (w *world) withHeartbeat() {
	w.heartbeat = &Heartbeat{Now: w.Clock.Now}
	server := httptest.NewServer(http.StripPrefix("/heartbeat", w.heartbeat))
	w.t.Cleanup(server.Close)
	w.cfg.DeadMan = &DeadMan{URL: server.URL + "/heartbeat", Heartbeat: w.heartbeat, Silence: traffic.MinDeadMan}
}

// router is that of a new process.
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
	w.Clock.Advance(5 * time.Second)
}

// resolve asks by resolvers that remember nothing.
func (w *world) resolve(n int, name string) (map[traffic.Side]int, error) {
	counts := map[traffic.Side]int{}
	for range n {
		switch answer := w.DNS.Resolver(w.zone).Resolve(name, "A"); {
		case len(answer) == 1 && answer[0] == oldIP:
			counts[traffic.Old]++
		case len(answer) == 1 && answer[0] == newIP:
			counts[traffic.New]++
		default:
			return counts, context.DeadlineExceeded
		}
	}
	return counts, nil
}

// foreign sets weights as somebody does in the console.
func (w *world) foreign(weight traffic.Weight) {
	for _, set := range w.DNS.Sets(w.zone, hostname) {
		set.Weight = aws.Int(int(weight))
		if set.SetIdentifier == "servers" {
			set.Weight = aws.Int(int(traffic.All - weight))
		}
		w.DNS.Put(w.zone, set)
	}
}

func (w *world) pair() *traffictest.Pair {
	return &traffictest.Pair{
		Router: w.router(),
		Again:  func() traffic.Router { return w.router() },
		Unknown: func() traffic.Router {
			cfg := w.cfg
			cfg.Old, cfg.New = w.cfg.Old, Target{Name: "kubernetes", Alias: &Alias{DNSName: "nowhere.example.com", ZoneID: w.zone}}
			return w.routerOf(cfg)
		},
		ForeignChange: w.foreign, Deny: w.Deny, Throttle: w.Throttle, Cut: w.Cut, Garble: w.Garble, Restore: w.Restore,
		Serve: func(n int) (map[traffic.Side]int, error) { return w.resolve(n, hostname) },
		ServePinned: func(n int, side traffic.Side) (map[traffic.Side]int, error) {
			return w.resolve(n, string(side)+"-shop.example.com")
		},
		Advance:        w.Clock.Advance,
		Silence:        w.Clock.Advance,
		ComparesEpochs: true,
	}
}

// TestConformance runs against records with health checks of their own.
func TestConformance(t *testing.T) {
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			w := newWorld(t, awstest.Options{Propagation: 3 * time.Second})
			checks := map[traffic.Side]string{traffic.Old: w.DNS.CreateCheck(), traffic.New: w.DNS.CreateCheck()}
			w.cfg.Old.HealthCheckID, w.cfg.New.HealthCheckID = checks[traffic.Old], checks[traffic.New]
			pair := w.pair()
			pair.Break = func(side traffic.Side) { w.DNS.SetHealth(checks[side], false) }
			pair.Silence = nil
			return pair
		},
		Skip: map[string]string{"Counter": "name servers count nothing", "Drainer": "answers cannot be taken back", "Silence": "TestConformanceWithHeartbeat has it"},
	})
}

// TestConformanceWithHeartbeat runs with a dead man's switch.
func TestConformanceWithHeartbeat(t *testing.T) {
	traffictest.Run(t, traffictest.Harness{
		New: func(t *testing.T) *traffictest.Pair {
			w := newWorld(t, awstest.Options{Propagation: 3 * time.Second})
			w.withHeartbeat()
			return w.pair()
		},
		Weights: []traffic.Weight{0, 1, 99, 100},
		Skip: map[string]string{
			"Counter": "name servers count nothing", "Drainer": "answers cannot be taken back", "Break": "the sides have no health checks",
		},
	})
}
