// Package traffictest holds the tests that every traffic.Router passes: what the
// interface promises, and what has hurt people who moved traffic. An adapter's
// own tests call Run with a Harness that says how to make a pair of sides, and
// how to disturb the place where the weights are. Start at Run.
package traffictest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// Harness drives one kind of router.
type Harness struct {
	// New makes a pair with all traffic on the old side, as a migration finds it
	// before Prepare, and cleans up after the test.
	New func(t *testing.T) *Pair
	// Weights to go through where every percent is tried; all of 0 to 100 if
	// empty.
	Weights []traffic.Weight
	// Skip gives reasons for hooks that the adapter's pairs do not have, by the
	// hook's name: "Serve": "the fake carries no requests".
	Skip map[string]string
	// Patience is how long a router may take until what was written is in effect;
	// twenty seconds if zero.
	Patience time.Duration
}

// patience is how long the harness waits for a router.
func (h Harness) patience() time.Duration { return cmp.Or(h.Patience, 20*time.Second) }

// Pair is a router over one pair of sides, and the hooks to disturb it. Hooks
// that are nil skip what needs them. Disturbances last until Restore.
type Pair struct {
	// Router is fresh: nothing was prepared.
	Router traffic.Router
	// Again makes another router over the same place, as a process does that
	// takes over. It may be used at the same time as Router.
	Again func() traffic.Router
	// Unknown makes a router over the same place whose new side is not there.
	Unknown func() traffic.Router

	// ForeignChange sets the weights as somebody else would. It may be called
	// while Router writes, and does not end the test when it loses against it.
	ForeignChange func(w traffic.Weight)
	// Deny takes the permission away.
	Deny func()
	// Throttle refuses requests because there were too many.
	Throttle func()
	// Cut breaks the connection of the next write when part of it was sent, or
	// before its answer came.
	Cut func()
	// Garble makes answers garbage or stops them half-way.
	Garble func()
	// Break makes a side fail its health checks.
	Break func(side traffic.Side)
	// Restore ends all disturbances.
	Restore func()

	// Serve sends so many requests, one after the other or in parallel, and
	// counts who answered. A lost request is an error.
	Serve func(n int) (map[traffic.Side]int, error)
	// ServePinned does so with requests that ask for a side (traffic.Pinner).
	ServePinned func(n int, side traffic.Side) (map[traffic.Side]int, error)
	// Advance lets time pass; real time passes if it is nil.
	Advance func(d time.Duration)
	// Silence lets so much time pass for what watches over Landfall
	// (traffic.Watched).
	Silence func(d time.Duration)
	// ComparesEpochs: the router itself refuses epochs older than it has seen.
	ComparesEpochs bool
}

// Fence is a traffic.Fence for tests.
type Fence struct {
	// Number is the epoch; Gone, if set, is what Check says.
	Number int64
	Gone   error
}

// Epoch is part of traffic.Fence.
func (f *Fence) Epoch() int64 { return f.Number }

// Check is part of traffic.Fence.
func (f *Fence) Check() error { return f.Gone }

var errFenced = errors.New("the lease has run out")

// needs skips the test unless the pair has the hook.
func (h Harness) needs(t *testing.T, has bool, hook string) {
	t.Helper()
	if has {
		return
	}
	reason := h.Skip[hook]
	if reason == "" {
		t.Fatalf("the harness has no hook %s and no reason why", hook)
	}
	t.Skipf("no %s: %s", hook, reason)
}

// run is one test with its pair.
type run struct {
	*Pair
	t     *testing.T
	h     Harness
	fence *Fence
}

// start makes a pair that nothing was prepared of.
func (h Harness) start(t *testing.T) *run {
	t.Helper()
	return &run{Pair: h.New(t), t: t, h: h, fence: &Fence{Number: 1}}
}

// prepared makes a pair that is ready.
func (h Harness) prepared(t *testing.T) *run {
	t.Helper()
	r := h.start(t)
	r.prepare(func() traffic.Router { return r.Router })
	return r
}

// prepare calls Prepare of what router gives until it is done.
func (r *run) prepare(router func() traffic.Router) {
	r.t.Helper()
	prepare(r.t, router, r.fence, r.h.patience(), r.pass)
}

// Prepare calls Prepare of a router until it is done. In between, advance lets
// time pass: at least a second.
func Prepare(t testing.TB, router traffic.Router, fence traffic.Fence, advance func(time.Duration)) {
	t.Helper()
	prepare(t, func() traffic.Router { return router }, fence, time.Minute, func(d time.Duration) { advance(max(d, time.Second)) })
}

func prepare(t testing.TB, router func() traffic.Router, fence traffic.Fence, patience time.Duration, pass func(time.Duration)) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		p, err := router().Prepare(t.Context(), fence)
		if err != nil {
			t.Fatalf("Prepare: %v", err)
		}
		if p.Done {
			return
		}
		if p.Step == "" {
			t.Error("Prepare does not say what it waits for")
		}
		pass(p.Wait)
	}
	t.Fatal("Prepare is not done for ever")
}

// pass lets time pass: at least a moment, so that nothing spins.
func (r *run) pass(d time.Duration) {
	if r.Advance != nil {
		r.Advance(max(d, time.Second))
		return
	}
	time.Sleep(min(max(d, 5*time.Millisecond), time.Second))
}

// write must succeed, and take effect everywhere.
func (r *run) write(w traffic.Weight) {
	r.t.Helper()
	if err := r.Router.Write(r.t.Context(), w, r.fence); err != nil {
		r.t.Fatalf("Write %d: %v", w, err)
	}
	r.settled(w)
}

// settled waits until every instance says so.
func (r *run) settled(w traffic.Weight) {
	r.t.Helper()
	state, ok := r.await(func(s traffic.State) bool { return settledAt(s, w) })
	if !ok {
		r.t.Fatalf("not in effect at %d: %+v", w, state)
	}
}

func (r *run) await(want func(traffic.State) bool) (traffic.State, bool) {
	r.t.Helper()
	deadline := time.Now().Add(r.h.patience())
	for {
		state, err := r.Router.Read(r.t.Context())
		if err != nil {
			r.t.Fatalf("Read: %v", err)
		}
		if want(state) {
			return state, true
		}
		if time.Now().After(deadline) {
			return state, false
		}
		r.pass(0)
	}
}

func settledAt(s traffic.State, w traffic.Weight) bool {
	return len(s.Instances) > 0 && !slices.ContainsFunc(s.Instances, func(i traffic.Instance) bool {
		return !i.At(w) || !i.Settled
	})
}

// at tells whether all instances are at one of the weights.
func at(s traffic.State, weights ...traffic.Weight) bool {
	return len(s.Instances) > 0 && !slices.ContainsFunc(s.Instances, func(i traffic.Instance) bool {
		return !slices.ContainsFunc(weights, i.At)
	})
}

// between tells whether all instances have a share from one weight to the other.
func between(s traffic.State, low, high traffic.Weight) bool {
	return len(s.Instances) > 0 && !slices.ContainsFunc(s.Instances, func(i traffic.Instance) bool {
		share := i.Share() * float64(traffic.All)
		return i.Err != nil || share < float64(low)-1e-9 || share > float64(high)+1e-9
	})
}

// read must succeed for all instances.
func (r *run) read() traffic.State {
	r.t.Helper()
	state, err := r.Router.Read(r.t.Context())
	if err != nil {
		r.t.Fatalf("Read: %v", err)
	}
	for _, instance := range state.Instances {
		if instance.Err != nil {
			r.t.Fatalf("Read of %s: %v", instance.Name, instance.Err)
		}
	}
	return state
}

// serve counts who answers n requests; none may be lost.
func (r *run) serve(n int) map[traffic.Side]int {
	r.t.Helper()
	counts, err := r.Serve(n)
	return r.counted(n, counts, err)
}

func (r *run) counted(n int, counts map[traffic.Side]int, err error) map[traffic.Side]int {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("lost requests: %v", err)
	}
	if sum := counts[traffic.Old] + counts[traffic.New]; sum != n {
		r.t.Fatalf("%d of %d requests were answered: %v", sum, n, counts)
	}
	return counts
}

// unread tells whether a reading claims to know nothing.
func unread(state traffic.State, err error) bool {
	return err != nil || len(state.Instances) > 0 && !slices.ContainsFunc(state.Instances, func(i traffic.Instance) bool { return i.Err == nil })
}

// quickly calls f with a context that has ended and fails if f does not notice.
func (r *run) quickly(f func(ctx context.Context) error) error {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	began := time.Now()
	err := f(ctx)
	if took := time.Since(began); took > 2*time.Second {
		r.t.Errorf("took %s after its context had ended", took)
	}
	return err
}
