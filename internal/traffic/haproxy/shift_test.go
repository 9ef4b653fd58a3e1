package haproxy

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

func (f *fixture) prepared() (*Router, *traffictest.Fence) {
	f.t.Helper()
	router, fence := f.router(f.config()), &traffictest.Fence{Number: 1}
	p, err := router.Prepare(f.t.Context(), fence)
	if err != nil || !p.Done {
		f.t.Fatalf("Prepare: %+v, %v", p, err)
	}
	return router, fence
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// keepStates writes the server-state files, as a reload's script does.
func (f *fixture) keepStates() {
	f.t.Helper()
	for _, proxy := range f.proxies {
		f.must(os.WriteFile(filepath.Join(proxy.Dir, "state"), []byte(proxy.Ask("show servers state")), 0o600))
	}
}

// TestShiftLosesNothing goes from end to end and back through two HAProxy under
// a constant load of 500 requests a second, with a reload in the middle.
func TestShiftLosesNothing(t *testing.T) {
	f := newFixture(t, 2, nil)
	router, fence := f.prepared()
	var stops []func() (map[traffic.Side]int, []error)
	for i := range f.proxies {
		stops = append(stops, f.client(i, "").Load(250))
	}
	for _, w := range []traffic.Weight{0, 1, 10, 25, 50, 100, 50, 0} {
		f.must(router.Write(t.Context(), w, fence))
		if w == 25 {
			f.keepStates()
			f.proxies[0].Reload()
			state, err := router.Read(t.Context())
			if err != nil || !state.Instances[0].At(25) {
				t.Errorf("after a reload: %+v, %v", state, err)
			}
		}
		time.Sleep(300 * time.Millisecond)
	}
	total := map[traffic.Side]int{}
	for _, stop := range stops {
		counts, failures := stop()
		for _, err := range failures {
			t.Errorf("lost: %v", err)
		}
		for side, n := range counts {
			total[side] += n
		}
	}
	if total[traffic.Old] < 100 || total[traffic.New] < 100 {
		t.Errorf("served by side: %v", total)
	}
	t.Logf("%d requests of the old side, %d of the new, none lost", total[traffic.Old], total[traffic.New])
}

// TestReloadThatForgetsReturnsToTheOldSide: that is why the new side must have
// weight 0 in the configuration.
func TestReloadThatForgetsReturnsToTheOldSide(t *testing.T) {
	f := newFixture(t, 1, func(o *haproxytest.Options) { o.StateFile = false })
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), 30, fence))
	if _, err := router.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.proxies[0].Reload()
	state, err := router.Read(t.Context())
	if err != nil || !state.Instances[0].At(traffic.None) || !strings.Contains(state.Instances[0].Waiting, "has forgotten its weights") {
		t.Errorf("%+v, %v", state, err)
	}
	f.must(router.Write(t.Context(), 30, fence))
	state, err = router.Read(t.Context())
	if err != nil || !state.Instances[0].At(30) || state.Instances[0].Waiting != "" {
		t.Errorf("written again: %+v, %v", state, err)
	}
}

func TestKilledInstanceIsNamedAndTheOthersAreWritten(t *testing.T) {
	f := newFixture(t, 2, nil)
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), 30, fence))
	f.proxies[1].Kill()
	err := router.Write(t.Context(), traffic.None, fence)
	if err == nil || !strings.Contains(err.Error(), f.proxies[1].Socket.String()) {
		t.Errorf("the error does not name it: %v", err)
	}
	state, err := router.Read(t.Context())
	if err != nil || !state.Instances[0].At(traffic.None) || state.Instances[1].Err == nil {
		t.Errorf("%+v, %v", state, err)
	}
	if counts, err := f.client(0, "").Serve(50); err != nil || counts[traffic.New] > 0 {
		t.Errorf("%v, %v", counts, err)
	}
	if _, err := router.Counters(t.Context()); err == nil {
		t.Error("half a count is given for the whole")
	}
}

// TestStickySessionsAreDrained: a client that has the new side's cookie comes
// back to it at weight 0, until it is drained.
func TestStickySessionsAreDrained(t *testing.T) {
	f := newFixture(t, 1, func(o *haproxytest.Options) {
		o.Backends = strings.Replace(o.Backends, "balance roundrobin", "balance roundrobin\n    cookie SERVER insert indirect nocache", 1)
		o.Backends = regexp.MustCompile(`(?m)^    server (\w+) .*`).ReplaceAllString(o.Backends, "$0 cookie $1")
	})
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), traffic.All, fence))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func() string {
		t.Helper()
		response, err := browser.Get(f.proxies[0].URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.Header.Get("X-Side")
	}
	if side := visit(); side != "new" {
		t.Fatalf("at 100 %%: %s", side)
	}
	f.must(router.Write(t.Context(), traffic.None, fence))
	if side := visit(); side != "new" {
		t.Fatalf("the cookie does not stick, so that the test tests nothing: %s", side)
	}
	f.must(router.Drain(t.Context(), traffic.New, fence))
	if side := visit(); side != "old" {
		t.Errorf("after it was drained: %s", side)
	}
	f.must(router.Write(t.Context(), 50, fence))
	if counts, err := f.client(0, "").Serve(40); err != nil || counts[traffic.New] == 0 {
		t.Errorf("a drained side that gets weight again: %v, %v", counts, err)
	}
}

// TestDrainCutsWhatGoesOn: a request under way is residual until it ends or is
// cut.
func TestDrainCutsWhatGoesOn(t *testing.T) {
	f := newFixture(t, 1, nil)
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), traffic.All, fence))
	for _, server := range f.servers[traffic.New] {
		server.Delay.Store(int64(2 * time.Second))
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.client(0, "").Get(t.Context())
		ended <- err
	}()
	residual := func() int {
		t.Helper()
		state, err := router.Read(t.Context())
		if err != nil || state.Instances[0].Err != nil {
			t.Fatalf("%+v, %v", state, err)
		}
		return state.Instances[0].Residual
	}
	for f.servers[traffic.New][0].Served.Load()+f.servers[traffic.New][1].Served.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	f.must(router.Write(t.Context(), traffic.None, fence))
	if n := residual(); n != 1 {
		t.Errorf("%d sessions are residual, want 1", n)
	}
	began := time.Now()
	f.must(router.Drain(t.Context(), traffic.New, fence))
	if err := <-ended; err == nil || time.Since(began) > time.Second {
		t.Errorf("the request ended with %v after %s", err, time.Since(began))
	}
	if n := residual(); n != 0 {
		t.Errorf("%d sessions are residual after Drain", n)
	}
}

// TestCountersTellFailuresBySide breaks the new side in the ways there are.
func TestCountersTellFailuresBySide(t *testing.T) {
	f := newFixture(t, 1, func(o *haproxytest.Options) {
		o.Backends = strings.ReplaceAll(o.Backends, " check ", " ")
	})
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), 50, fence))
	for _, server := range f.servers[traffic.New] {
		server.Status.Store(http.StatusInternalServerError)
	}
	_, _ = f.client(0, "").Serve(100)
	errors500 := f.counters(router)
	if c := errors500[traffic.New]; c.Requests != 50 || c.Errors != 50 {
		t.Errorf("status 500: %+v", c)
	}
	if c := errors500[traffic.Old]; c.Requests != 50 || c.Errors != 0 {
		t.Errorf("the old side has the new side's errors: %+v", c)
	}
	for _, server := range f.servers[traffic.New] {
		server.Stop()
	}
	_, _ = f.client(0, "").Serve(100) // HAProxy takes most of them to the other side
	refused := f.counters(router)
	if n := refused[traffic.New].Errors - errors500[traffic.New].Errors; n < 25 {
		t.Errorf("%d of some 50 connections that were refused count against the new side", n)
	}
}

func (f *fixture) counters(router *Router) map[traffic.Side]traffic.Counters {
	f.t.Helper()
	counters, err := router.Counters(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return counters
}

// TestLatenciesAreCountedBySide slows the new side down.
func TestLatenciesAreCountedBySide(t *testing.T) {
	f := newFixture(t, 2, nil)
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), 50, fence))
	for _, server := range f.servers[traffic.New] {
		server.Delay.Store(int64(120 * time.Millisecond))
	}
	if _, err := f.serve(80, ""); err != nil {
		t.Fatal(err)
	}
	counters := f.counters(router)
	for side, bounds := range map[traffic.Side][2]time.Duration{
		traffic.Old: {0, 100 * time.Millisecond}, traffic.New: {100 * time.Millisecond, 250 * time.Millisecond},
	} {
		within := int64(0)
		for _, bucket := range counters[side].Latency {
			switch bucket.Upper {
			case bounds[1]:
				within += bucket.Count
			case bounds[0]:
				within -= bucket.Count
			}
		}
		if within < 35 || counters[side].Requests != 40 {
			t.Errorf("%s side: %d of %d requests took %v", side, within, counters[side].Requests, bounds)
		}
	}
}

// TestReturnToADrainedSide: when everything was moved and the old side drained,
// the way back is one write.
func TestReturnToADrainedSide(t *testing.T) {
	f := newFixture(t, 1, nil)
	router, fence := f.prepared()
	f.must(router.Write(t.Context(), traffic.All, fence))
	f.must(router.Drain(t.Context(), traffic.Old, fence))
	load := f.client(0, "").Load(100)
	time.Sleep(200 * time.Millisecond)
	if health, err := router.Health(t.Context(), traffic.Old); err != nil || health.Known {
		t.Errorf("health of servers in maintenance: %+v, %v", health, err)
	}
	f.must(router.Write(t.Context(), traffic.None, fence))
	if counts, err := f.client(0, "").Serve(50); err != nil || counts[traffic.Old] != 50 {
		t.Errorf("after the return: %v, %v", counts, err)
	}
	if _, failures := load(); len(failures) > 0 {
		t.Errorf("%d requests lost, the first: %v", len(failures), failures[0])
	}
}
