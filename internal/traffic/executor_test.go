package traffic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

// shop is a migration in three steps under one guard.
func shop() Definition {
	return Definition{
		Name: "shop", Hostname: "shop.example.com",
		From: Backend{Name: "legacy"}, To: Backend{Name: "kubernetes"},
		Steps:    []Step{{Weight: 5, Hold: 5 * time.Second}, {Weight: 50, Hold: 5 * time.Second}, {Weight: 100, Hold: 5 * time.Second}},
		Guards:   []GuardRule{{Name: "errors", Failures: 1}},
		Interval: 500 * time.Millisecond,
	}
}

// rig is an executor with everything simulated around it.
type rig struct {
	*Executor
	router   *simulated
	guard    *simulatedGuard
	journal  *memoryJournal
	recorder *memoryRecorder
}

func newRig(d Definition) rig {
	r := rig{router: newSimulated(2), guard: newGuard(GuardRule{Name: "errors"}), journal: &memoryJournal{}, recorder: &memoryRecorder{}}
	r.Executor = &Executor{
		Definition: d, Router: r.router, Guards: []Guard{r.guard}, Journal: r.journal, Recorder: r.recorder,
		Until: func(p Progress) bool { return p.ended() },
	}
	return r
}

// run runs the executor in the background of a bubble.
func (r rig) run(t *testing.T) (done chan Progress) {
	t.Helper()
	done = make(chan Progress, 1)
	ctx := t.Context()
	go func() {
		p, err := r.Executor.Run(ctx)
		if err != nil && ctx.Err() == nil {
			t.Errorf("Run: %v", err)
		}
		done <- p
	}()
	return done
}

func TestACleanRunCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		began := time.Now()
		p, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Phase != Completed || r.router.highest() != All {
			t.Errorf("it is %s with %d %%, want Completed with 100 %%", p.Phase, r.router.highest())
		}
		if diff := cmp.Diff([]Weight{5, 50, 100}, r.router.writes); diff != "" {
			t.Errorf("weights written (-want +got):\n%s", diff)
		}
		if took := time.Since(began); took < 15*time.Second || took > 25*time.Second {
			t.Errorf("three holds of 5s took %s", took)
		}
	})
}

// A guard that is read seldom is read as soon as a weight has come into effect,
// so that steps take no longer than they are held.
func TestASlowGuardIsReadWhenAWeightSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := shop()
		d.Guards[0].Every = time.Minute
		r := newRig(d)
		began := time.Now()
		p, err := r.Run(t.Context())
		if err != nil || p.Phase != Completed {
			t.Fatalf("it is %s (%v), want Completed", p.Phase, err)
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("three holds of 5s took %s", took)
		}
	})
}

func TestAFailingGuardReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		time.Sleep(10 * time.Second)
		if r.router.highest() == None {
			t.Fatal("nothing was raised in ten seconds")
		}
		r.guard.say(Reading{Answer: result.Fails, Value: "40 %", Bound: "at most 1 %"})
		failed := time.Now()
		p := <-done
		if p.Phase != Reverted || r.router.highest() != None {
			t.Errorf("it is %s with %d %%, want Reverted with none", p.Phase, r.router.highest())
		}
		last := r.router.wroteAt[len(r.router.wroteAt)-1]
		if took := last.Sub(failed); took > 500*time.Millisecond {
			t.Errorf("the return was written %s after the first bad response, want at most the interval", took)
		}
		if r.router.urgent == 0 {
			t.Error("the return was not marked urgent")
		}
	})
}

func TestPeopleAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := shop()
		d.Steps[0].Approval = true
		r := newRig(d)
		wake := make(chan struct{})
		r.Wake = wake
		done := r.run(t)
		r.awaitWeight(t, 5)
		time.Sleep(10 * time.Second)
		if r.router.highest() != 5 {
			t.Fatalf("step 2 began without approval: %d %%", r.router.highest())
		}
		r.journal.say(SayApprove, 0)
		wake <- struct{}{}
		r.awaitWeight(t, 50)
		r.journal.say(SayPause, 0)
		time.Sleep(time.Minute)
		if r.router.highest() != 50 {
			t.Errorf("a paused migration has %d %%, want 50", r.router.highest())
		}
		r.journal.say(SayResume, 0)
		r.awaitWeight(t, 100)
		r.journal.say(SayAbort, 0)
		wake <- struct{}{}
		if took := r.awaitNone(t); took > 10*time.Millisecond {
			t.Errorf("an abort took %s", took)
		}
		if p := <-done; p.Phase != Reverted || p.Cause != "aborted by ada" {
			t.Errorf("it ends %s, %q", p.Phase, p.Cause)
		}
	})
}

func TestFinishLetsGoOfTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		r.Until = nil
		done := r.run(t)
		r.awaitWeight(t, 100)
		time.Sleep(time.Minute)
		if r.router.finished {
			t.Fatal("the way back was let go without a word")
		}
		r.journal.say(SayFinish, 0)
		if p := <-done; p.Phase != Finished || !r.router.finished || r.router.highest() != All {
			t.Errorf("it ends %s, let go: %t, with %d %%", p.Phase, r.router.finished, r.router.highest())
		}
	})
}

func TestAContextThatEndsLeavesWeightsAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { _, err := r.Run(ctx); failed <- err }()
		r.awaitWeight(t, 5)
		time.Sleep(2 * time.Second)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want that it was cancelled", err)
		}
		if r.router.highest() != 5 || r.journal.p.Phase != Holding {
			t.Errorf("it is left at %d %% and %s, want 5 %% and Holding", r.router.highest(), r.journal.p.Phase)
		}
		held := r.journal.p.HeldFor
		p, err := r.Run(t.Context())
		if err != nil || p.Phase != Completed {
			t.Errorf("taken over, it ends %s: %v", p.Phase, err)
		}
		if held == 0 {
			t.Error("what had been held was not saved")
		}
	})
}

// TestEverythingIsRecorded looks for what evidence is made of.
func TestEverythingIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		done := r.run(t)
		r.awaitWeight(t, 5)
		r.journal.say(SayAbort, 0)
		<-done
		var weights, readings, words, raises, returns, took int
		for _, e := range r.recorder.events {
			switch {
			case e.At.IsZero():
				t.Errorf("an event without its time: %+v", e)
			case e.Weights != nil:
				weights++
				if e.Took > 0 || e.Weights.Instances[0].New == 5 {
					took++
				}
			case e.Reading != nil:
				readings++
			case e.Word != nil:
				words++
			case e.Decision != nil && e.Decision.Raise:
				raises++
			case e.Decision != nil && e.Decision.Urgent:
				returns++
			}
		}
		if weights == 0 || readings == 0 || words != 1 || raises != 1 || returns != 1 || took == 0 {
			t.Errorf("recorded: %d weights (%d in effect), %d readings, %d words, %d raises, %d returns",
				weights, took, readings, words, raises, returns)
		}
	})
}

// TestAnAnswerThatLagsIsNoReasonToWriteAtOnceAgain has a router that says for a
// while what was before, as some APIs do.
func TestAnAnswerThatLagsIsNoReasonToWriteAtOnceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		r.router.lags = 2 * time.Second
		p, err := r.Run(t.Context())
		if err != nil || p.Phase != Completed {
			t.Fatalf("it ends %s: %v", p.Phase, err)
		}
		if n := len(r.router.writes); n > 3*5 {
			t.Errorf("three raises took %d writes: %v", n, r.router.writes)
		}
	})
}

// A new side that comes up is not kept waiting for as long as one that is well
// is believed to be.
func TestANewSideThatComesUpGetsItsTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(shop())
		r.router.set(func(s *simulated) {
			s.health = map[Side]Health{Old: {Known: true, Healthy: true}, New: {Known: true, Reason: "0 of 1 servers are up"}}
		})
		done := r.run(t)
		time.Sleep(3 * time.Second)
		if r.router.highest() != None {
			t.Fatalf("a side that is down has %d %%", r.router.highest())
		}
		r.router.set(func(s *simulated) { s.health[New] = Health{Known: true, Healthy: true} })
		time.Sleep(3 * time.Second)
		if r.router.highest() != 5 {
			t.Errorf("3s after it came up the new side has %d %%, want 5 %%", r.router.highest())
		}
		<-done
	})
}
