package traffic

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestARaiseIsNotWrittenBeforeItIsInTheJournal(t *testing.T) {
	tests := []struct {
		name string
		harm func(*memoryJournal)
	}{
		{"the journal fails", func(j *memoryJournal) { j.err = errors.New("connection refused") }},
		{"the journal hangs", func(j *memoryJournal) { j.delay = time.Hour }},
		{"the journal takes longer than an intent lasts", func(j *memoryJournal) { j.delay = intentLasts + 100*time.Millisecond }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(shop())
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { _, _ = r.Run(ctx); close(done) }()
				r.awaitWeight(t, 5)
				r.journal.mu.Lock()
				tt.harm(r.journal)
				r.journal.mu.Unlock()
				time.Sleep(time.Minute)
				if r.router.highest() != 5 {
					t.Errorf("%d %% was written without a journal", r.router.highest())
				}
				cancel()
				<-done
			})
		})
	}
}

func TestAProcessThatLostTheMigrationStops(t *testing.T) {
	gone := errors.New("the lease has run out")
	tests := []struct {
		name string
		lose func(r rig, permission *atomic.Bool)
		want error
	}{
		{"another has taken over", func(r rig, _ *atomic.Bool) {
			r.journal.mu.Lock()
			r.journal.p.Epoch++
			r.journal.mu.Unlock()
		}, ErrTakenOver},
		{"its permission is gone", func(_ rig, permission *atomic.Bool) { permission.Store(false) }, gone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(shop())
				var permission atomic.Bool
				permission.Store(true)
				r.Permission = func() error {
					if !permission.Load() {
						return gone
					}
					return nil
				}
				failed := make(chan error, 1)
				go func() { _, err := r.Run(t.Context()); failed <- err }()
				r.awaitWeight(t, 5)
				time.Sleep(time.Second)
				tt.lose(r, &permission)
				r.guard.say(bad) // even a return is no longer its to write
				lost := time.Now()
				if err := <-failed; !errors.Is(err, tt.want) {
					t.Errorf("Run failed with %v, want %v", err, tt.want)
				}
				if took := time.Since(lost); took > 2*time.Second {
					t.Errorf("it went on for %s", took)
				}
			})
		})
	}
}

// TestNothingIsWrittenWithoutPermission takes the permission away just before
// the router is written.
func TestNothingIsWrittenWithoutPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		var gone atomic.Bool
		r.Permission = func() error {
			if gone.Load() {
				return errors.New("the lease has run out")
			}
			return nil
		}
		r.Reached = func(point Point) {
			if point == DuringWrite {
				gone.Store(true)
			}
		}
		if _, err := r.Run(t.Context()); err == nil {
			t.Error("Run went on without permission")
		}
		if r.router.highest() != None {
			t.Errorf("%d %% was written without permission", r.router.highest())
		}
	})
}

func TestEveryPointIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		var mu sync.Mutex
		var reached []Point
		r.Reached = func(point Point) {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(reached, point) {
				reached = append(reached, point)
			}
		}
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.journal.say(SayAbort, 0)
		<-done
		for _, point := range Points {
			if !slices.Contains(reached, point) {
				t.Errorf("%s was not reached; these were: %v", point, reached)
			}
		}
	})
}

func TestTheDeadManHearsThatLandfallIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := shop()
		d.DeadMan = 20 * time.Second
		d.Steps[0].Hold = 2 * time.Minute
		r := newRig(d)
		done := r.run(t)
		r.awaitWeight(t, 5)
		time.Sleep(time.Minute)
		r.router.set(func(s *simulated) {
			if n := len(s.armedFor); n < 9 {
				t.Errorf("it was armed %d times in a minute, want three times in each 20s", n)
			}
			s.readDelay = 4 * time.Second // a slow router must not look like a dead Landfall
			s.armedFor = nil
		})
		time.Sleep(time.Minute)
		r.router.set(func(s *simulated) {
			if n := len(s.armedFor); n < 9 {
				t.Errorf("it was armed %d times in a minute of slow reads", n)
			}
			s.readDelay = 0
		})
		p := <-done
		if p.Phase != Completed || r.router.armedFor[len(r.router.armedFor)-1] != 0 {
			t.Errorf("it ends %s, and the dead man was told %v", p.Phase, r.router.armedFor)
		}
	})
}

func TestNothingIsRaisedWhileTheDeadManIsNotArmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := shop()
		d.DeadMan = 20 * time.Second
		r := newRig(d)
		r.router.armErr = errors.New("connection refused")
		done := r.run(t)
		time.Sleep(time.Minute)
		r.router.set(func(s *simulated) {
			if len(s.writes) > 0 {
				t.Errorf("%v was written without a dead man", s.writes)
			}
			s.armErr = nil
		})
		if p := <-done; p.Phase != Completed {
			t.Errorf("it ends %s, want Completed", p.Phase)
		}
	})
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	unwatched := struct{ Router }{newSimulated(1)}
	tests := []struct {
		name   string
		change func(*Executor)
		class  fault.Class
	}{
		{"a guard that nothing reads", func(e *Executor) { e.Guards = nil }, fault.Invalid},
		{"a dead man that nobody plays", func(e *Executor) { e.Definition.DeadMan, e.Router = time.Minute, unwatched }, fault.Invalid},
		{"steps that do not reach 100", func(e *Executor) { e.Definition.Steps = e.Definition.Steps[:1] }, fault.Invalid},
		{"a journal of another definition", func(e *Executor) { e.Journal.(*memoryJournal).p = Progress{Phase: Holding, Step: 1, Wanted: 70} }, fault.Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(shop())
			tt.change(r.Executor)
			if _, err := r.Run(t.Context()); fault.ClassOf(err) != tt.class || err == nil {
				t.Errorf("Run: %v, want a fault of class %s", err, tt.class)
			}
			if len(r.router.writes) > 0 {
				t.Errorf("%v was written", r.router.writes)
			}
		})
	}
}

// TestAProcessThatWasAwayAsksBeforeItWrites lets the clock jump, as a process
// sees it that was stopped, just when a guard fails.
func TestAProcessThatWasAwayAsksBeforeItWrites(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(map[bool]string{false: "nobody took over", true: "another took over"}[taken], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(shop())
				var away atomic.Int64
				r.Now = func() time.Time { return time.Now().Add(time.Duration(away.Load())) }
				type end struct {
					p   Progress
					err error
				}
				ended := make(chan end, 1)
				go func() { p, err := r.Run(t.Context()); ended <- end{p, err} }()
				r.awaitWeight(t, 5)
				time.Sleep(time.Second)
				if taken {
					r.journal.mu.Lock()
					r.journal.p.Epoch++
					r.journal.mu.Unlock()
				}
				away.Store(int64(time.Minute))
				r.guard.say(bad)
				got := <-ended
				if taken && (!errors.Is(got.err, ErrTakenOver) || r.router.highest() != 5) {
					t.Errorf("Run: %v, and the router has %d %%; want it taken over, and 5 %% as the other left it", got.err, r.router.highest())
				}
				if !taken && (got.err != nil || got.p.Phase != Reverted || r.router.highest() != None) {
					t.Errorf("Run: %v, it ends %s with %d %%; want Reverted with none", got.err, got.p.Phase, r.router.highest())
				}
			})
		})
	}
}
