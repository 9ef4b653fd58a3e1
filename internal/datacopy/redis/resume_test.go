package redis_test

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/progress"
)

// TestSendsAgainOnlyWhatWasNotDone has a journal that knows no more than that
// the copy began, as after a crash, and a target that has nearly everything.
func TestSendsAgainOnlyWhatWasNotDone(t *testing.T) {
	req := datacopy.Request{From: startRedis(t), To: startRedis(t)}
	fill(t, open(t, req.From), "")
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	run(t, req, &datacopy.MemoryJournal{})
	if err := open(t, req.To).HSet(t.Context(), "user:7", "name", "half written").Err(); err != nil {
		t.Fatal(err)
	}
	sendsOneAgain(t, req, plan)
}

// sendsOneAgain copies what began and got as far as emptying the target.
func sendsOneAgain(t *testing.T, req datacopy.Request, plan *datacopy.Plan) {
	t.Helper()
	journal := &datacopy.MemoryJournal{}
	for _, err := range []error{journal.Begin(plan), journal.Record(datacopy.Entry{Unit: "#cleared", Chunk: "db0"})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	result, err := redis.New().Copy(t.Context(), req, plan, journal, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	unit := result.Units[0]
	if unit.Repeated != 1 || unit.Count != 1 || unit.Skipped == 0 {
		t.Errorf("the copy that went on: %+v, want one key of one piece sent again", unit)
	}
}
