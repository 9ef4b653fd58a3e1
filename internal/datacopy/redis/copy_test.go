package redis_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/progress"
)

// run copies and verifies, and fails the test unless both sides are equal.
func run(t *testing.T, req datacopy.Request, journal datacopy.Journal) *datacopy.Outcome {
	t.Helper()
	outcome, err := datacopy.Run(t.Context(), redis.New(), req, journal, progress.Discard)
	if err != nil {
		if outcome != nil && outcome.Report != nil {
			for _, unit := range outcome.Report.Units {
				t.Logf("%s: %s %d/%d %+v", unit.Name, unit.Answer, unit.Count, unit.TargetCount, unit.Differences)
			}
		}
		t.Fatal(err)
	}
	return outcome
}

func TestCopiesEveryTypeBetweenAllKindsOfServers(t *testing.T) {
	single, cluster := startRedis(t), startCluster(t)
	count := fill(t, open(t, single), "")
	fill(t, open(t, cluster), "")
	tests := []struct {
		name     string
		from, to datacopy.Address
	}{
		{"single to single", single, startRedis(t)},
		{"single to cluster", single, startCluster(t)},
		{"cluster to single", cluster, startRedis(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outcome := run(t, datacopy.Request{From: tt.from, To: tt.to}, &datacopy.MemoryJournal{})
			unit := outcome.Report.Units[0]
			if unit.Count != int64(count) || unit.TargetCount != int64(count) {
				t.Errorf("compared %d with %d keys, want %d", unit.Count, unit.TargetCount, count)
			}
			if sent, _, _ := outcome.Result.Totals(); sent != int64(count) {
				t.Errorf("sent %d keys, want %d", sent, count)
			}
		})
	}
}

func TestFindsEveryDifference(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	source, target := open(t, from), open(t, to)
	fill(t, source, "")
	req := datacopy.Request{From: from, To: to}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	ctx := t.Context()
	tests := []struct {
		key  string
		what string
		do   []any
	}{
		{"text", datacopy.Changed, []any{"SET", "text", "other"}},
		{"empty", datacopy.Missing, []any{"DEL", "empty"}},
		{"new", datacopy.Extra, []any{"SET", "new", "1"}},
		{"number", datacopy.Changed, []any{"EXPIRE", "number", "1000"}},
		{"expires", datacopy.Changed, []any{"PERSIST", "expires"}},
		{"hash", datacopy.Changed, []any{"HSET", "hash", "name", "Bob"}},
		{"set", datacopy.Changed, []any{"SADD", "set", "z"}},
		{"list", datacopy.Changed, []any{"LSET", "list", "1", "c"}},
		{"scores", datacopy.Changed, []any{"ZADD", "scores", "4", "three"}},
		{"large text", datacopy.Changed, []any{"SETRANGE", "large text", "300000", "!"}},
		{"large hash", datacopy.Changed, []any{"HSET", "large hash", "field 77", "!"}},
		{"large set", datacopy.Changed, []any{"SREM", "large set", "value 1 of many"}},
		{"large list", datacopy.Changed, []any{"RPUSH", "large list", "more"}},
		{"large scores", datacopy.Changed, []any{"ZINCRBY", "large scores", "1", "value 9 of many"}},
		{"middling hash", datacopy.Changed, []any{"HSET", "middling hash", "field 77", "!"}},
		{"middling set", datacopy.Changed, []any{"SADD", "middling set", "more"}},
		{"stream", datacopy.Changed, []any{"XACK", "stream", "workers", "3-1"}},
		{"large stream", datacopy.Changed, []any{"XDEL", "large stream", "4000-1"}},
		{"empty stream", datacopy.Changed, []any{"XGROUP", "CREATECONSUMER", "empty stream", "idle", "c"}},
		{"bytes", datacopy.Changed, []any{"SADD", "bytes", "1"}},
	}
	for _, tt := range tests {
		if tt.key == "bytes" {
			target.Del(ctx, "bytes")
		}
		if err := target.Do(ctx, tt.do...).Err(); err != nil {
			t.Fatalf("%v: %v", tt.do, err)
		}
	}
	report, err := redis.New().Verify(ctx, req, outcome.Plan, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range report.Units[0].Differences {
		got[d.Key] = d.What
	}
	want := map[string]string{}
	for _, tt := range tests {
		want[tt.key] = tt.what
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}

	t.Run("an incremental copy brings them and nothing else", func(t *testing.T) {
		req := req
		req.Mode, req.Delete = datacopy.Incremental, true
		outcome := run(t, req, &datacopy.MemoryJournal{})
		unit := outcome.Result.Units[0]
		if unit.Count != int64(len(tests)-1) || unit.Removed != 1 {
			t.Errorf("sent %d keys and removed %d, want %d and 1", unit.Count, unit.Removed, len(tests)-1)
		}
	})
}
