package redis_test

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// byReplication reads snapshots, and lists nothing.
var byReplication = map[string]string{"read-by": "replication"}

// TestCopiesOutOfASnapshot copies every type between all kinds of servers.
func TestCopiesOutOfASnapshot(t *testing.T) {
	soon := []string{"--repl-diskless-sync-delay", "0"}
	single := startRedis(t, soon...)
	count := fill(t, open(t, single), "")
	outcome := run(t, datacopy.Request{From: single, To: startRedis(t), Options: byReplication}, &datacopy.MemoryJournal{})
	unit := outcome.Report.Units[0]
	if unit.Count != int64(count) || unit.TargetCount != int64(count) {
		t.Errorf("compared %d with %d keys, want %d", unit.Count, unit.TargetCount, count)
	}
	if sent, _, _ := outcome.Result.Totals(); sent != int64(count) {
		t.Errorf("sent %d keys, want %d", sent, count)
	}
	t.Log(outcome.Plan.Units[0].How, outcome.Result.Units)
}
