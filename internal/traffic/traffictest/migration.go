package traffictest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// testMigration moves all traffic by a real executor, under requests where the
// router carries some, and returns it after a guard has failed.
func testMigration(t *testing.T, h Harness) {
	for _, part := range []struct {
		name   string
		failAt traffic.Weight
		want   traffic.Phase
		weight traffic.Weight
	}{
		{"completes", -1, traffic.Completed, traffic.All},
		{"returns", 60, traffic.Reverted, traffic.None},
	} {
		t.Run(part.name, func(t *testing.T) {
			r := h.start(t)
			guard := &failing{}
			journal, err := traffic.OpenFileJournal(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			executor := &traffic.Executor{
				Definition: wholeMigration(), Router: hastened{r.Router}, Guards: []traffic.Guard{guard}, Journal: journal,
				Recorder: atWeight{part.failAt, func() { guard.now.Store(true) }},
				Until:    func(p traffic.Progress) bool { return p.Phase == part.want },
			}
			ctx, stop := context.WithTimeout(t.Context(), 2*h.patience())
			defer stop()
			calm := r.meanwhile(ctx)
			p, err := executor.Run(ctx)
			calm()
			if err != nil {
				t.Fatalf("it is %s at step %d (%s): %v", p.Phase, p.Step+1, p.Reason, err)
			}
			r.settled(part.weight)
		})
	}
}

// wholeMigration takes a second or two.
func wholeMigration() traffic.Definition {
	hold := 200 * time.Millisecond
	return traffic.Definition{
		Name: "whole", Hostname: "shop.example.com", From: traffic.Backend{Name: "old"}, To: traffic.Backend{Name: "new"},
		Steps:    []traffic.Step{{Weight: 10, Hold: hold}, {Weight: 60, Hold: hold}, {Weight: 100, Hold: hold}},
		Guards:   []traffic.GuardRule{{Name: "errors"}},
		Interval: traffic.MinInterval, ResidualFor: time.Second,
	}
}

// meanwhile lets time pass for the router, and sends requests of which none may
// be lost, until it is told to stop.
func (r *run) meanwhile(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	repeat := func(f func()) {
		group.Go(func() {
			for ctx.Err() == nil {
				f()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	if r.Advance != nil {
		repeat(func() { r.Advance(5 * time.Second) })
	}
	if r.Serve != nil {
		repeat(func() {
			if _, err := r.Serve(20); err != nil && ctx.Err() == nil {
				r.t.Errorf("lost requests: %v", err)
				cancel()
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// hastened is a router whose waits of minutes are over soon: its clock is the
// harness's.
type hastened struct{ traffic.Router }

func (h hastened) Describe() traffic.Description {
	d := h.Router.Describe()
	d.Residual = min(d.Residual, 100*time.Millisecond)
	return d
}

func (h hastened) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	p, err := h.Router.Prepare(ctx, f)
	p.Wait = min(p.Wait, 50*time.Millisecond)
	return p, err
}

// failing is a guard that fails from some moment on.
type failing struct{ now atomic.Bool }

func (f *failing) Rule() traffic.GuardRule { return traffic.GuardRule{Name: "errors"} }

func (f *failing) Read(context.Context, time.Time) traffic.Reading {
	if f.now.Load() {
		return traffic.Reading{Answer: result.Fails, Reason: "the test says so"}
	}
	return traffic.Reading{Answer: result.Holds}
}

// atWeight calls back when a weight is in effect.
type atWeight struct {
	weight traffic.Weight
	call   func()
}

// Record is part of traffic.Recorder.
func (a atWeight) Record(event traffic.Event) {
	if event.Weights != nil && a.weight >= 0 && settledAt(*event.Weights, a.weight) {
		a.call()
	}
}
