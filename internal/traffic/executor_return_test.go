package traffic

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// awaitWeight waits until an instance has at least that.
func (r rig) awaitWeight(t *testing.T, w Weight) {
	t.Helper()
	for range 10_000 {
		if r.router.highest() >= w {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d %% was never reached", w)
}

// awaitNone gives how long it takes until all traffic is back.
func (r rig) awaitNone(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for range 10_000 {
		if r.router.highest() == None {
			return time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("traffic never returned")
	return 0
}

var bad = Reading{Answer: result.Fails, Value: "40 %", Bound: "at most 1 %"}

// TestNothingDelaysAReturn breaks the new side while something else hangs.
func TestNothingDelaysAReturn(t *testing.T) {
	hanging := Reading{Answer: result.Holds}
	tests := []struct {
		name  string
		hangs func(r rig)
		// at most so long after the new side has gone bad.
		within time.Duration
	}{
		{"nothing hangs", func(rig) {}, 500 * time.Millisecond},
		{"the router takes long to be read", func(r rig) {
			r.router.set(func(s *simulated) { s.readDelay = 4 * time.Second })
		}, 500 * time.Millisecond},
		{"the journal does not answer", func(r rig) {
			r.journal.mu.Lock()
			r.journal.delay = time.Hour
			r.journal.mu.Unlock()
		}, 500 * time.Millisecond},
		{"the journal fails", func(r rig) {
			r.journal.mu.Lock()
			r.journal.err = errors.New("connection refused")
			r.journal.mu.Unlock()
		}, 500 * time.Millisecond},
		{"another guard takes a minute, whatever its context says", func(r rig) {
			r.Guards[1].(*stubbornGuard).say(hanging, time.Minute)
		}, 500 * time.Millisecond},
		{"the dead man does not answer", func(r rig) {
			r.router.set(func(s *simulated) { s.armDelay = time.Hour })
		}, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := shop()
				d.Guards = append(d.Guards, GuardRule{Name: "slow", UnknownFor: -1})
				d.DeadMan = time.Minute
				d.Steps[0].Hold = time.Hour
				r := newRig(d)
				r.Executor.Guards = append(r.Executor.Guards, &stubbornGuard{rule: d.Guards[1], says: hanging})
				done := r.run(t)
				r.awaitWeight(t, 5)
				time.Sleep(3 * time.Second)
				tt.hangs(r)
				time.Sleep(3 * time.Second)
				r.guard.say(bad)
				if took := r.awaitNone(t); took > tt.within {
					t.Errorf("traffic returned after %s, want at most %s", took, tt.within)
				}
				r.journal.mu.Lock()
				r.journal.err, r.journal.delay = nil, 0
				r.journal.mu.Unlock()
				r.router.set(func(s *simulated) { s.readDelay = 0 })
				if p := <-done; p.Phase != Reverted {
					t.Errorf("it ends %s, want Reverted", p.Phase)
				}
				if r.journal.p.Phase != Reverted {
					t.Errorf("the journal says %s, want Reverted", r.journal.p.Phase)
				}
				time.Sleep(2 * time.Minute) // for the guard that does not listen
			})
		})
	}
}

// stubbornGuard does not listen to its context.
type stubbornGuard struct {
	rule GuardRule

	mu    sync.Mutex
	says  Reading
	delay time.Duration
}

func (g *stubbornGuard) Rule() GuardRule { return g.rule }
func (g *stubbornGuard) say(reading Reading, delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.says, g.delay = reading, delay
}

func (g *stubbornGuard) Read(context.Context, time.Time) Reading {
	g.mu.Lock()
	says, delay := g.says, g.delay
	g.mu.Unlock()
	time.Sleep(delay)
	return says
}

// TestAReturnInterruptsARaise lets the new side break while a raise hangs in the
// router.
func TestAReturnInterruptsARaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.router.set(func(s *simulated) { s.writeDelay = 6 * time.Second })
		time.Sleep(6 * time.Second) // into the write of 50 %
		r.guard.say(bad)
		time.Sleep(600 * time.Millisecond)
		r.router.set(func(s *simulated) { s.writeDelay = 0 })
		if p := <-done; p.Phase != Reverted {
			t.Errorf("it ends %s, want Reverted", p.Phase)
		}
		for i, w := range r.router.writes {
			if w == 50 {
				t.Errorf("write %d raised to 50 %% after the guard had failed: %v", i, r.router.writes)
			}
		}
	})
}

// TestAReturnIsTriedUntilItIsReadBack keeps an instance away for a while.
func TestAReturnIsTriedUntilItIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.router.set(func(s *simulated) { s.instances[1].down = true })
		r.journal.say(SayAbort, 0)
		time.Sleep(5 * time.Second)
		r.router.set(func(s *simulated) {
			if s.instances[0].weight != None {
				t.Error("the instance that can be reached has not returned")
			}
			s.instances[1].down = false
		})
		if p := <-done; p.Phase != Reverted || r.router.highest() != None {
			t.Errorf("it ends %s with %d %%, want Reverted with none", p.Phase, r.router.highest())
		}
		for i := 2; i < len(r.router.wroteAt); i++ {
			if gap := r.router.wroteAt[i].Sub(r.router.wroteAt[i-1]); gap > returnBackoff {
				t.Errorf("%s between two tries, want at most %s", gap, returnBackoff)
			}
		}
		if len(r.router.writes) < 40 {
			t.Errorf("it was tried %d times in four seconds and more", len(r.router.writes))
		}
	})
}

func TestSessionsAreCutWhenTheyOutlastAReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.router.set(func(s *simulated) { s.instances[0].residual = 3 })
		time.Sleep(3 * time.Second)
		r.guard.say(bad)
		r.awaitNone(t)
		returned := time.Now()
		p := <-done
		if p.Phase != Reverted || len(r.router.drained) == 0 || r.router.drained[0] != New {
			t.Errorf("it ends %s, having cut sessions on %v", p.Phase, r.router.drained)
		}
		if took := time.Since(returned); took > 2*RevertGrace {
			t.Errorf("sessions on a failed side lasted %s", took)
		}
	})
}

func TestAThrottledReturnWaitsAsToldButNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.router.set(func(s *simulated) {
			s.writeErr = &Throttled{After: time.Minute, Err: errors.New("rate exceeded")}
			s.writes = nil
		})
		r.journal.say(SayAbort, 0)
		time.Sleep(10 * time.Second)
		r.router.set(func(s *simulated) {
			if n := len(s.writes); n < 9 || n > 11 {
				t.Errorf("a throttled return was tried %d times in ten seconds, want once a second", n)
			}
			s.writeErr = nil
		})
		if took := r.awaitNone(t); took > time.Second {
			t.Errorf("it returned %s after it could", took)
		}
		<-done
	})
}
