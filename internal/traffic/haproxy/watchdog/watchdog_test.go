package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

const token = "not a secret"

// kennel is a HAProxy with a relay and a watchdog in front of it. Time passes
// when it is told to.
type kennel struct {
	t       *testing.T
	layout  haproxy.Layout
	servers map[traffic.Side]*haproxytest.Server
	proxy   *haproxytest.Proxy
	relay   *haproxytest.Relay
	options Options
	now     atomic.Int64
	address string
}

func newKennel(t *testing.T) *kennel {
	t.Helper()
	haproxytest.Program(t)
	k := &kennel{t: t, servers: map[traffic.Side]*haproxytest.Server{}}
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		k.servers[side] = haproxytest.NewServer(t, side)
	}
	k.layout = haproxy.Layout{
		Backend: "shop", OldName: "ec2", NewName: "kubernetes", Check: "/health",
		Old: []haproxy.Address{{Name: "web1", Address: k.servers[traffic.Old].Address}},
		New: []haproxy.Address{{Name: "k8s1", Address: k.servers[traffic.New].Address}},
	}
	text, err := k.layout.Render()
	if err != nil {
		t.Fatal(err)
	}
	k.proxy = haproxytest.Start(t, haproxytest.Options{Backends: strings.ReplaceAll(text, "inter 2s", "inter 50ms"), StateFile: true})
	k.relay = haproxytest.NewRelay(t, k.proxy)
	k.now.Store(int64(time.Hour))
	k.options = Options{
		HAProxy: k.relay.Socket, State: filepath.Join(k.proxy.Dir, "watchdog.json"), ServerState: filepath.Join(k.proxy.Dir, "state"),
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
		SinceBoot: func() (time.Duration, error) { return time.Duration(k.now.Load()), nil },
	}
	return k
}

// run starts a watchdog until stop, or the end of the test.
func (k *kennel) run() (stop func()) {
	k.t.Helper()
	dog, err := Open(k.options)
	if err != nil {
		k.t.Fatal(err)
	}
	server := httptest.NewServer(dog.Handler(token))
	k.address = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { dog.Run(ctx); close(ended) }()
	stop = func() { server.Close(); cancel(); <-ended }
	k.t.Cleanup(stop)
	return stop
}

func (k *kennel) config() haproxy.Config {
	return haproxy.Config{
		Instances: []string{k.address}, Backend: "shop", Old: k.layout.Pair().Old, New: k.layout.Pair().New,
		OldName: k.layout.OldName, NewName: k.layout.NewName, Owner: "default/shop", Token: token,
	}
}

func (k *kennel) router() *haproxy.Router { return k.routerOf(k.config()) }

func (k *kennel) routerOf(c haproxy.Config) *haproxy.Router {
	k.t.Helper()
	router, err := haproxy.New(c)
	if err != nil {
		k.t.Fatal(err)
	}
	return router
}

func (k *kennel) pass(d time.Duration) { k.now.Add(int64(d)) }

func (k *kennel) serve(n int, pin traffic.Side) (map[traffic.Side]int, error) {
	client := &haproxytest.Client{URL: k.proxy.URL, Header: http.Header{}}
	if name := map[traffic.Side]string{traffic.Old: k.layout.OldName, traffic.New: k.layout.NewName}[pin]; name != "" {
		client.Header.Set(traffic.PinHeader, name)
	}
	return client.Serve(n)
}

// awaitWeight waits until the weight is so.
func (k *kennel) awaitWeight(w traffic.Weight) traffic.Instance {
	k.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		state, err := k.router().Read(k.t.Context())
		if err == nil && state.Instances[0].At(w) {
			return state.Instances[0]
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("weight %d is not there: %+v, %v", w, state, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (k *kennel) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	haproxytest.Program(t)
	traffictest.Run(t, traffictest.Harness{
		Skip: map[string]string{"Throttle": "neither HAProxy nor the watchdog has limits"},
		New: func(t *testing.T) *traffictest.Pair {
			k := newKennel(t)
			k.run()
			unknown := k.config()
			unknown.New = []string{"nobody"}
			mood := func(mood haproxytest.Mood) func() { return func() { k.relay.Set(mood) } }
			return &traffictest.Pair{
				Router:  k.router(),
				Again:   func() traffic.Router { return k.router() },
				Unknown: func() traffic.Router { return k.routerOf(unknown) },
				ForeignChange: func(w traffic.Weight) {
					k.proxy.Ask(fmt.Sprintf("set server shop/web1 weight %d", traffic.All-w), fmt.Sprintf("set server shop/k8s1 weight %d", w))
				},
				Deny:           mood(haproxytest.Denying),
				Cut:            mood(haproxytest.Cutting),
				Garble:         mood(haproxytest.Garbling),
				Restore:        mood(haproxytest.Honest),
				Break:          func(side traffic.Side) { k.servers[side].Status.Store(http.StatusInternalServerError) },
				Serve:          func(n int) (map[traffic.Side]int, error) { return k.serve(n, "") },
				ServePinned:    k.serve,
				Silence:        func(d time.Duration) { k.pass(d); time.Sleep(2 * lookEvery) },
				ComparesEpochs: true,
			}
		},
	})
}

func TestReturnIsSaidUntilTheNextWrite(t *testing.T) {
	k := newKennel(t)
	k.run()
	fence := &traffictest.Fence{Number: 1}
	k.must(k.router().Write(t.Context(), 40, fence))
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	k.pass(31 * time.Second)
	if i := k.awaitWeight(traffic.None); !strings.Contains(i.DeadMan, "Landfall had been silent for 30s") {
		t.Errorf("the return is not said: %+v", i)
	}
	k.must(k.router().Write(t.Context(), 10, fence))
	if i := k.awaitWeight(10); i.DeadMan != "" {
		t.Errorf("said still: %q", i.DeadMan)
	}
}

func TestNothingIsSaidWhereNothingWasReturned(t *testing.T) {
	k := newKennel(t)
	k.run()
	fence := &traffictest.Fence{Number: 1}
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	k.pass(31 * time.Second)
	time.Sleep(3 * lookEvery)
	if i := k.awaitWeight(traffic.None); i.DeadMan != "" {
		t.Errorf("it claims: %q", i.DeadMan)
	}
}

// TestDeadlineSurvivesTheWatchdog: one that starts later goes on with the
// deadline of the one before, whether it has passed meanwhile or not.
func TestDeadlineSurvivesTheWatchdog(t *testing.T) {
	k := newKennel(t)
	stop := k.run()
	fence := &traffictest.Fence{Number: 3}
	k.must(k.router().Write(t.Context(), 40, fence))
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	stop()
	k.pass(20 * time.Second)
	stop = k.run()
	time.Sleep(3 * lookEvery)
	k.awaitWeight(40)
	stop()
	k.pass(10 * time.Second)
	k.run()
	k.awaitWeight(traffic.None)

	if err := k.router().Write(t.Context(), 40, &traffictest.Fence{Number: 2}); fault.ClassOf(err) != fault.Refused {
		t.Errorf("an older epoch than before its end: %v", err)
	}
}

func TestMachineThatStartsAgainBeginsTheSilenceAnew(t *testing.T) {
	k := newKennel(t)
	k.options.BootID = "first"
	stop := k.run()
	fence := &traffictest.Fence{Number: 1}
	k.must(k.router().Write(t.Context(), 40, fence))
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	stop()
	k.options.BootID = "second"
	k.now.Store(int64(5 * time.Second))
	k.run()
	k.pass(29 * time.Second)
	time.Sleep(3 * lookEvery)
	k.awaitWeight(40)
	k.pass(2 * time.Second)
	k.awaitWeight(traffic.None)
}

// TestReturnWaitsForHAProxy: what cannot be written is tried until it can.
func TestReturnWaitsForHAProxy(t *testing.T) {
	k := newKennel(t)
	stop := k.run()
	fence := &traffictest.Fence{Number: 1}
	k.must(k.router().Write(t.Context(), 40, fence))
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	k.relay.Set(haproxytest.Garbling)
	k.pass(31 * time.Second)
	time.Sleep(3 * lookEvery)
	if err := k.router().Write(t.Context(), 50, fence); err == nil {
		t.Error("a raise while traffic is being returned")
	}
	stop() // in the middle of it
	k.run()
	k.relay.Set(haproxytest.Honest)
	k.awaitWeight(traffic.None)
}

func TestOneMigrationAtATime(t *testing.T) {
	k := newKennel(t)
	k.run()
	fence := &traffictest.Fence{Number: 9}
	k.must(k.router().Arm(t.Context(), 30*time.Second, fence))
	config := k.config()
	config.Owner = "default/other"
	other, first := k.routerOf(config), &traffictest.Fence{Number: 1}
	if _, err := other.Prepare(t.Context(), first); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "default/shop") {
		t.Errorf("another migration while one is guarded: %v", err)
	}
	k.must(other.Finish(t.Context(), first))
	if err := other.Write(t.Context(), 5, first); fault.ClassOf(err) != fault.Refused {
		t.Errorf("its Finish has let go of the first: %v", err)
	}
	k.must(k.router().Finish(t.Context(), fence))
	k.must(other.Write(t.Context(), 5, first))
}

func TestReloadKeepsWeights(t *testing.T) {
	k := newKennel(t)
	k.run()
	fence := &traffictest.Fence{Number: 1}
	for _, w := range []traffic.Weight{5, 100, 0, 30} {
		k.must(k.router().Write(t.Context(), w, fence))
		k.proxy.Reload()
		k.awaitWeight(w)
	}
}

func TestForeignersAreRefused(t *testing.T) {
	k := newKennel(t)
	k.options.Backends = []string{"shop"}
	k.run()
	order := `{"verb":"write","pair":{"backend":"shop","old":["web1"],"new":["k8s1"]},"owner":"x","epoch":1,"weight":50}`
	tests := map[string]struct {
		token, body string
		status      int
	}{
		"no token":            {"", order, http.StatusForbidden},
		"another token":       {"Bearer nonsense", order, http.StatusForbidden},
		"empty token":         {"Bearer ", order, http.StatusForbidden},
		"not JSON":            {"Bearer " + token, "set server shop/k8s1 weight 50", http.StatusBadRequest},
		"unknown field":       {"Bearer " + token, `{"verb":"report","run":"show env"}`, http.StatusBadRequest},
		"unknown verb":        {"Bearer " + token, strings.Replace(order, "write", "shutdown", 1), http.StatusBadRequest},
		"command as a name":   {"Bearer " + token, strings.Replace(order, "k8s1", "k8s1 weight 1;shutdown frontend http", 1), http.StatusBadRequest},
		"line end in a name":  {"Bearer " + token, strings.Replace(order, "k8s1", `k8s1\nshow env`, 1), http.StatusBadRequest},
		"no percentage":       {"Bearer " + token, strings.Replace(order, "50", "500", 1), http.StatusBadRequest},
		"another backend":     {"Bearer " + token, strings.Replace(order, `"shop"`, `"admin"`, 1), http.StatusForbidden},
		"endless":             {"Bearer " + token, `{"verb":"` + strings.Repeat("x", 2*maxOrder), http.StatusBadRequest},
		"far too long a time": {"Bearer " + token, strings.Replace(order, `"write"`, `"arm","silence":9000000000000000000`, 1), http.StatusBadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodPost, k.address+haproxy.OrderPath, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				request.Header.Set("Authorization", tt.token)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != tt.status {
				t.Errorf("status %d, want %d", response.StatusCode, tt.status)
			}
		})
	}
	k.awaitWeight(traffic.None)
}

func TestBrokenStateIsNotEmpty(t *testing.T) {
	for name, content := range map[string]string{
		"garbage":         "{",
		"another backend": `{"boot":"x","backends":{"shop":{"pair":{"backend":"other","old":["a"],"new":["b"]}}}}`,
		"hostile name":    `{"boot":"x","backends":{"shop":{"pair":{"backend":"shop","old":["a;b"],"new":["b"]}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "watchdog.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Options{State: file}); err == nil || fault.HintOf(err) == "" {
				t.Errorf("opened with %v", err)
			}
		})
	}
}
