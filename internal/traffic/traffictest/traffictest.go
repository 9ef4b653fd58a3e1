package traffictest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Run tests a router. Every part works on a pair of its own.
func Run(t *testing.T, h Harness) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"says what it is", testDescribe},
		{"preparing moves no traffic", testPrepare},
		{"preparing goes on where another stopped", testPrepareResumes},
		{"unknown backend", testUnknownBackend},
		{"every percent is exact", testEveryPercent},
		{"writing again changes nothing", testIdempotent},
		{"never both sides at zero", testAtomic},
		{"foreign change is seen and overwritten", testForeignChange},
		{"foreign change at the same moment", testConcurrentForeignChange},
		{"permission denied", testDenied},
		{"throttled", testThrottled},
		{"connection cut in mid-write", testCut},
		{"garbage is no weight", testGarbled},
		{"cancelled", testCancelled},
		{"fenced", testFenced},
		{"older epoch", testOlderEpoch},
		{"health", testHealth},
		{"finish", testFinish},
		{"requests follow the weight", testDistribution},
		{"counts by side", testCounter},
		{"drains", testDrainer},
		{"pinned requests", testPinner},
		{"returns when nobody watches", testWatched},
		{"a whole migration", testMigration},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, h) })
	}
}

func testDescribe(t *testing.T, h Harness) {
	r := h.start(t)
	d := r.Router.Describe()
	if d.Kind == "" || d.Place == "" || d.Takes < 0 || d.Residual < 0 {
		t.Errorf("description %+v", d)
	}
}

func testPrepare(t *testing.T, h Harness) {
	r := h.prepared(t)
	r.settled(traffic.None)
	p, err := r.Router.Prepare(t.Context(), r.fence)
	if err != nil || !p.Done {
		t.Errorf("Prepare after it was done: %+v, %v", p, err)
	}
	r.settled(traffic.None)
	if r.Serve != nil {
		if counts := r.serve(50); counts[traffic.New] > 0 {
			t.Errorf("preparing sent requests to the new side: %v", counts)
		}
	}
}

// testPrepareResumes has each step done by another process, and calls in
// between that were cut short.
func testPrepareResumes(t *testing.T, h Harness) {
	r := h.start(t)
	r.prepare(func() traffic.Router {
		_ = r.quickly(func(ctx context.Context) error {
			_, err := r.Again().Prepare(ctx, r.fence)
			return err
		})
		r.fence.Number++
		return r.Again()
	})
	r.settled(traffic.None)
	r.write(7)
}

func testUnknownBackend(t *testing.T, h Harness) {
	r := h.start(t)
	h.needs(t, r.Unknown != nil, "Unknown")
	router := r.Unknown()
	for range 20 { // it may find out only at a later step
		p, err := router.Prepare(t.Context(), r.fence)
		if err != nil {
			if class := fault.ClassOf(err); class != fault.Invalid && class != fault.NotFound && class != fault.Refused {
				t.Errorf("class %s: trying again will not help: %v", class, err)
			}
			if fault.HintOf(err) == "" {
				t.Errorf("no next step in %v", err)
			}
			return
		}
		if p.Done {
			break
		}
		r.pass(p.Wait)
	}
	t.Error("Prepare accepts a side that is not there")
}

func testEveryPercent(t *testing.T, h Harness) {
	weights := h.Weights
	if len(weights) == 0 {
		for w := range traffic.All + 1 {
			weights = append(weights, w)
		}
	}
	r := h.prepared(t)
	for _, w := range weights {
		r.write(w)
	}
	r.write(traffic.None)
}

func testIdempotent(t *testing.T, h Harness) {
	r := h.prepared(t)
	r.write(20)
	before := r.read()
	for range 3 {
		r.write(20)
	}
	after := r.read()
	for i := range before.Instances {
		if before.Instances[i].Old != after.Instances[i].Old || before.Instances[i].New != after.Instances[i].New {
			t.Errorf("before %+v, after %+v", before.Instances[i], after.Instances[i])
		}
	}
}

// testAtomic reads all the time while weights go from end to end.
func testAtomic(t *testing.T, h Harness) {
	r := h.prepared(t)
	reader, done := r.Again(), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			state, err := reader.Read(t.Context())
			for _, instance := range state.Instances {
				if err == nil && instance.Err == nil && instance.Share() < 0 {
					t.Errorf("both sides of %s have weight 0", instance.Name)
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for range 5 {
		r.write(traffic.All)
		r.write(traffic.None)
	}
	close(done)
	group.Wait()
}

func testForeignChange(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.ForeignChange != nil, "ForeignChange")
	r.write(10)
	r.ForeignChange(50)
	state := r.read()
	for _, instance := range state.Instances {
		if instance.At(10) {
			t.Errorf("%s says what was written, not what is so: %+v", instance.Name, instance)
		}
	}
	r.write(10)
}

// testConcurrentForeignChange: whoever loses, the weight is one of the two, or
// the write has failed; the next write wins.
func testConcurrentForeignChange(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.ForeignChange != nil, "ForeignChange")
	for range 5 {
		var group sync.WaitGroup
		group.Go(func() { r.ForeignChange(60) })
		err := r.Router.Write(t.Context(), 30, r.fence)
		group.Wait()
		if class := fault.ClassOf(err); err != nil && class != fault.Failed && class != fault.Refused {
			t.Errorf("class %s: %v", class, err)
		}
		if err != nil {
			continue
		}
		if state, ok := r.await(func(s traffic.State) bool { return at(s, 30, 60) }); !ok {
			t.Fatalf("written, but neither 30 nor 60: %+v", state)
		}
	}
	r.write(30)
}

func testDenied(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.Deny != nil, "Deny")
	r.write(10)
	r.Deny()
	err := r.Router.Write(t.Context(), 40, r.fence)
	if err == nil || fault.ClassOf(err) != fault.Refused || fault.HintOf(err) == "" {
		t.Errorf("want it refused, with what to do: %v (class %s, hint %q)", err, fault.ClassOf(err), fault.HintOf(err))
	}
	r.Restore()
	r.settled(10)
	r.write(40)
}

func testThrottled(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.Throttle != nil, "Throttle")
	r.write(10)
	r.Throttle()
	began := time.Now()
	err := r.Router.Write(t.Context(), 40, r.fence)
	var throttled *traffic.Throttled
	if !errors.As(err, &throttled) {
		t.Fatalf("want *traffic.Throttled: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it tried for %s by itself: the executor does that", took)
	}
	r.Restore()
	r.pass(throttled.After)
	r.write(40)
}

// testCut: nobody knows what a write did that got no answer; reading tells. It
// may have come to lie between the weights, but not beyond.
func testCut(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.Cut != nil, "Cut")
	r.write(10)
	r.Cut()
	err := r.Router.Write(t.Context(), 40, r.fence)
	if err != nil && fault.ClassOf(err) != fault.Failed {
		t.Errorf("class %s, but trying again would help: %v", fault.ClassOf(err), err)
	}
	r.Restore()
	if state, ok := r.await(func(s traffic.State) bool { return between(s, 10, 40) }); !ok {
		t.Errorf("beyond the weights before and after: %+v", state)
	}
	if state := r.read(); err == nil && !at(state, 40) {
		t.Errorf("Write claims to have written: %+v", state)
	}
	r.write(40)
}

func testGarbled(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.Garble != nil, "Garble")
	r.write(10)
	r.Garble()
	if state, err := r.Router.Read(t.Context()); !unread(state, err) {
		t.Errorf("garbage was read as weights: %+v", state)
	}
	if err := r.Router.Write(t.Context(), 40, r.fence); err == nil {
		t.Error("garbage was taken for a confirmation")
	}
	if health, err := r.Router.Health(t.Context(), traffic.New); err == nil && health.Known && health.Healthy {
		t.Errorf("garbage was read as health: %+v", health)
	}
	if counter, ok := r.Router.(traffic.Counter); ok {
		if counters, err := counter.Counters(t.Context()); err == nil {
			t.Errorf("garbage was read as counters: %+v", counters)
		}
	}
	r.Restore()
	r.write(40)
}

func testCancelled(t *testing.T, h Harness) {
	r := h.prepared(t)
	r.write(10)
	if err := r.quickly(func(ctx context.Context) error { return r.Router.Write(ctx, 40, r.fence) }); err == nil {
		t.Error("Write succeeds after its context has ended")
	}
	if err := r.quickly(func(ctx context.Context) error {
		state, err := r.Router.Read(ctx)
		if unread(state, err) {
			return context.Canceled
		}
		return nil
	}); err == nil {
		t.Error("Read succeeds after its context has ended")
	}
	r.settled(10)
}

func testFenced(t *testing.T, h Harness) {
	r := h.prepared(t)
	r.write(10)
	gone := &Fence{Number: 1, Gone: errFenced}
	calls := map[string]func() error{
		"Write":  func() error { return r.Router.Write(t.Context(), 40, gone) },
		"Finish": func() error { return r.Router.Finish(t.Context(), gone) },
	}
	if watched, ok := r.Router.(traffic.Watched); ok {
		calls["Arm"] = func() error { return watched.Arm(t.Context(), traffic.MinDeadMan, gone) }
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, errFenced) {
			t.Errorf("%s by a process that was declared dead: %v", name, err)
		}
		r.settled(10)
	}
}

func testOlderEpoch(t *testing.T, h Harness) {
	r := h.prepared(t)
	h.needs(t, r.ComparesEpochs, "ComparesEpochs")
	r.fence.Number = 5
	r.write(10)
	err := r.Again().Write(t.Context(), 40, &Fence{Number: 4})
	if err == nil || fault.ClassOf(err) != fault.Refused {
		t.Errorf("a write of an older epoch: %v", err)
	}
	r.settled(10)
}

func testHealth(t *testing.T, h Harness) {
	r := h.prepared(t)
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		health, err := r.Router.Health(t.Context(), side)
		if err != nil || health.Known && !health.Healthy {
			t.Errorf("%s side: %+v, %v", side, health, err)
		}
	}
	h.needs(t, r.Break != nil, "Break")
	r.Break(traffic.New)
	deadline := time.Now().Add(h.patience())
	for {
		health, err := r.Router.Health(t.Context(), traffic.New)
		if err == nil && health.Known && !health.Healthy {
			if health.Reason == "" {
				t.Error("no reason why it is not healthy")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a broken side is healthy: %+v, %v", health, err)
		}
		r.pass(0)
	}
	if health, err := r.Router.Health(t.Context(), traffic.Old); err != nil || !health.Healthy {
		t.Errorf("the other side: %+v, %v", health, err)
	}
}

// testFinish lets go at either end; traffic stays where it is.
func testFinish(t *testing.T, h Harness) {
	for _, end := range []struct {
		weight traffic.Weight
		side   traffic.Side
	}{{traffic.All, traffic.New}, {traffic.None, traffic.Old}} {
		t.Run(string(end.side)+" side", func(t *testing.T) {
			r := h.prepared(t)
			r.write(end.weight)
			for range 2 {
				if err := r.Router.Finish(t.Context(), r.fence); err != nil {
					t.Fatalf("Finish: %v", err)
				}
			}
			if r.Serve == nil {
				return
			}
			if counts := r.serve(50); counts[end.side] != 50 {
				t.Errorf("after Finish: %v", counts)
			}
		})
	}
}
