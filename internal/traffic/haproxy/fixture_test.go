package haproxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// fixture is some HAProxy in front of two servers a side.
type fixture struct {
	t       *testing.T
	layout  Layout
	servers map[traffic.Side][]*haproxytest.Server
	proxies []*haproxytest.Proxy
}

// newFixture starts servers and proxies of the rendered configuration; edit
// changes it first.
func newFixture(t *testing.T, proxies int, edit func(*haproxytest.Options)) *fixture {
	t.Helper()
	haproxytest.Program(t)
	f := &fixture{
		t: t, servers: map[traffic.Side][]*haproxytest.Server{},
		layout: Layout{Backend: "shop", OldName: "ec2", NewName: "kubernetes", Check: "/health"},
	}
	for i := range 2 {
		f.layout.Old = append(f.layout.Old, Address{fmt.Sprintf("web%d", i+1), f.server(traffic.Old)})
		f.layout.New = append(f.layout.New, Address{fmt.Sprintf("k8s%d", i+1), f.server(traffic.New)})
	}
	options := f.options()
	if edit != nil {
		edit(&options)
	}
	for range proxies {
		f.proxies = append(f.proxies, haproxytest.Start(t, options))
	}
	return f
}

func (f *fixture) server(side traffic.Side) string {
	server := haproxytest.NewServer(f.t, side)
	f.servers[side] = append(f.servers[side], server)
	return server.Address
}

func (f *fixture) options() haproxytest.Options {
	f.t.Helper()
	text, err := f.layout.Render()
	if err != nil {
		f.t.Fatal(err)
	}
	return haproxytest.Options{Backends: strings.ReplaceAll(text, "inter 2s", "inter 50ms"), StateFile: true}
}

func (f *fixture) config() Config {
	c := Config{Backend: "shop", Old: f.layout.Pair().Old, New: f.layout.Pair().New, OldName: f.layout.OldName, NewName: f.layout.NewName, Owner: "default/shop"}
	for _, proxy := range f.proxies {
		c.Instances = append(c.Instances, proxy.Socket.String())
	}
	return c
}

func (f *fixture) router(c Config) *Router {
	f.t.Helper()
	router, err := New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return router
}

// client sends requests to one of the proxies, pinned to a side unless "".
func (f *fixture) client(proxy int, pin traffic.Side) *haproxytest.Client {
	client := &haproxytest.Client{URL: f.proxies[proxy].URL, Header: http.Header{}}
	switch pin {
	case traffic.Old:
		client.Header.Set(traffic.PinHeader, f.layout.OldName)
	case traffic.New:
		client.Header.Set("Cookie", traffic.PinHeader+"="+f.layout.NewName)
	}
	return client
}

// serve spreads requests over all proxies.
func (f *fixture) serve(n int, pin traffic.Side) (map[traffic.Side]int, error) {
	all := map[traffic.Side]int{}
	for i := range f.proxies {
		part := n / len(f.proxies)
		if i == 0 {
			part += n % len(f.proxies)
		}
		counts, err := f.client(i, pin).Serve(part)
		for side, count := range counts {
			all[side] += count
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// set changes weights as a person with socat does.
func (f *fixture) set(w traffic.Weight) {
	for _, proxy := range f.proxies {
		for i := range f.layout.Old {
			proxy.Ask(fmt.Sprintf("set server shop/%s weight %d", f.layout.Old[i].Name, traffic.All-w),
				fmt.Sprintf("set server shop/%s weight %d", f.layout.New[i].Name, w))
		}
	}
}

func TestConformance(t *testing.T) {
	haproxytest.Program(t)
	traffictest.Run(t, traffictest.Harness{
		Skip: map[string]string{
			"Throttle":       "HAProxy's runtime interface has no limits",
			"ComparesEpochs": "HAProxy keeps no epochs; the watchdog does",
			"Silence":        "nobody watches without a watchdog",
		},
		New: func(t *testing.T) *traffictest.Pair {
			f := newFixture(t, 2, nil)
			var relays []*haproxytest.Relay
			config := f.config()
			for i, proxy := range f.proxies {
				relays = append(relays, haproxytest.NewRelay(t, proxy))
				config.Instances[i] = relays[i].Socket.String()
			}
			mood := func(mood haproxytest.Mood) func() {
				return func() {
					for _, relay := range relays {
						relay.Set(mood)
					}
				}
			}
			unknown := config
			unknown.New = []string{"nobody"}
			return &traffictest.Pair{
				Router:        f.router(config),
				Again:         func() traffic.Router { return f.router(config) },
				Unknown:       func() traffic.Router { return f.router(unknown) },
				ForeignChange: f.set,
				Deny:          mood(haproxytest.Denying),
				Cut:           mood(haproxytest.Cutting),
				Garble:        mood(haproxytest.Garbling),
				Restore:       mood(haproxytest.Honest),
				Break: func(side traffic.Side) {
					for _, server := range f.servers[side] {
						server.Status.Store(http.StatusInternalServerError)
					}
				},
				Serve:       func(n int) (map[traffic.Side]int, error) { return f.serve(n, "") },
				ServePinned: f.serve,
			}
		},
	})
}
