package traffic

import (
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
