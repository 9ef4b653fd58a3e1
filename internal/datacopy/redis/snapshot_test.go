package redis_test

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// bySnapshot asks for snapshots also where keys would be listed.
var bySnapshot = map[string]string{"read-by": "replication"}

// ready makes a server begin snapshots at once.
var ready = []string{"--repl-diskless-sync-delay", "0"}

func TestCopiesOutOfASnapshot(t *testing.T) {
	single, cluster := startRedis(t, ready...), startCluster(t, ready...)
	count := fill(t, open(t, single), "")
	fill(t, open(t, cluster), "")
	// The version is one that the target does not know payloads of.
	newer := relay(t, single, func(reply []byte) ([]byte, bool) {
		return bytes.Replace(reply, []byte("REDIS0010"), []byte("REDIS0099"), 1), true
	})
	tests := []struct {
		name     string
		from, to datacopy.Address
	}{
		{"single to single", single, startRedis(t)},
		{"single to cluster", single, startCluster(t)},
		{"cluster to single", cluster, startRedis(t)},
		{"to an older server", newer, startRedis(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outcome := run(t, datacopy.Request{From: tt.from, To: tt.to, Options: bySnapshot}, &datacopy.MemoryJournal{})
			unit := outcome.Report.Units[0]
			if unit.Count != int64(count) || unit.TargetCount != int64(count) {
				t.Errorf("compared %d with %d keys, want %d", unit.Count, unit.TargetCount, count)
			}
			if sent, _, _ := outcome.Result.Totals(); sent != int64(count) {
				t.Errorf("sent %d keys, want %d", sent, count)
			}
			if !took(t, tt.from) {
				t.Error("the source gave no snapshot")
			}
		})
	}
}

// took says whether a source made a snapshot for a replica.
func took(t *testing.T, source datacopy.Address) bool {
	t.Helper()
	return !strings.Contains(open(t, source).Info(t.Context(), "stats").Val(), "sync_full:0\r")
}

// TestASnapshotThatBreaksBeginsAnew loses the connection in the middle of the
// first.
func TestASnapshotThatBreaksBeginsAnew(t *testing.T) {
	source := startRedis(t, ready...)
	fill(t, open(t, source), "")
	var began, broken atomic.Bool
	from := relay(t, source, func(reply []byte) ([]byte, bool) {
		if bytes.Contains(reply, []byte("REDIS0010")) {
			began.Store(true)
		}
		return reply, !began.Load() || len(reply) < 10_000 || !broken.CompareAndSwap(false, true)
	})
	outcome := run(t, datacopy.Request{From: from, To: startRedis(t), Options: bySnapshot}, &datacopy.MemoryJournal{})
	if !broken.Load() || outcome.Result.Retries == 0 {
		t.Errorf("%d retries, want at least one", outcome.Result.Retries)
	}
}

// TestSourcesThatGiveNoSnapshot are copied by listing.
func TestSourcesThatGiveNoSnapshot(t *testing.T) {
	from := startRedis(t, ready...)
	fill(t, open(t, from), "")
	rules := []any{"ACL", "SETUSER", "reader", "on", ">password", "~*", "&*", "+@all", "-sync", "-psync", "-config"}
	if err := open(t, from).Do(t.Context(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
	req := datacopy.Request{From: address(t, "redis://reader:password@"+from.Host()), To: startRedis(t), Options: bySnapshot}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if how := outcome.Plan.Units[0].How; !strings.Contains(how, "though the source does not tell") || !strings.Contains(how, "NOPERM") {
		t.Errorf("the plan says %q", how)
	}
	if took(t, from) {
		t.Error("the source gave a snapshot")
	}
}

// TestASnapshotHasWhatIsMeant leaves out other databases, prefixes and names,
// and keys that are expired.
func TestASnapshotHasWhatIsMeant(t *testing.T) {
	server, to := startRedis(t, append([]string{"--save", ""}, ready...)...), startRedis(t)
	ctx := t.Context()
	for _, database := range []string{"0", "3"} {
		source := open(t, below(t, server, storetest.Secret, database, ""))
		fill(t, source, "staging:")
		for _, key := range []string{"other", "staging:temporary:1", "staging1"} {
			source.Set(ctx, key, "in "+database, 0)
		}
	}
	expired := open(t, below(t, server, storetest.Secret, "3", ""))
	expired.Set(ctx, "staging:gone", "gone", time.Millisecond)
	req := datacopy.Request{
		From: below(t, server, storetest.Secret, "3", "staging:"), To: below(t, to, storetest.Secret, "1", "pr-1:"),
		Exclude: []string{"temporary:*"}, Options: bySnapshot,
	}
	run(t, req, &datacopy.MemoryJournal{})
	target := open(t, below(t, to, storetest.Secret, "1", ""))
	if n := target.Exists(ctx, "pr-1:text", "pr-1:large hash").Val(); n != 2 {
		t.Errorf("%d of 2 keys are there", n)
	}
	if keys := target.Keys(ctx, "*temporary*").Val(); len(keys) > 0 {
		t.Errorf("copied %q", keys)
	}
	if n := open(t, to).DBSize(ctx).Val(); n != 0 {
		t.Errorf("database 0 has %d keys", n)
	}
}

// TestMasksWhatASnapshotHas masks small values and large ones. That nothing is
// left unmasked, the verification shows, which reads the source by type.
func TestMasksWhatASnapshotHas(t *testing.T) {
	m := maskOf(t, "rules: [{key: 'user:*', fields: {name: name}}, {key: 'large *', value: hash, fields: {'*': hash}}, {key: 'list', value: hash}, {key: 'scores', value: pseudonym}, {key: 'text', value: email}, {key: 'numbers', value: pseudonym}]")
	req := datacopy.Request{From: startRedis(t, ready...), To: startRedis(t), Mask: m, Options: bySnapshot}
	fill(t, open(t, req.From), "")
	run(t, req, &datacopy.MemoryJournal{})
	for _, user := range []string{"user:1", "user:2999"} {
		if name := open(t, req.To).HGet(t.Context(), user, "name").Val(); name == "" || strings.HasPrefix(name, "User") {
			t.Errorf("%s is called %q", user, name)
		}
	}
}

// TestASnapshotBringsOnlyWhatDiffers copies again what is nearly the same.
func TestASnapshotBringsOnlyWhatDiffers(t *testing.T) {
	req := datacopy.Request{From: startRedis(t, ready...), To: startRedis(t), Options: bySnapshot}
	fill(t, open(t, req.From), "")
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	run(t, req, &datacopy.MemoryJournal{})
	target, ctx := open(t, req.To), t.Context()
	target.HSet(ctx, "user:7", "name", "half written")
	t.Run("after a crash", func(t *testing.T) { sendsOneAgain(t, req, plan) })
	t.Run("incremental", func(t *testing.T) {
		target.Del(ctx, "text", "large list")
		target.HSet(ctx, "large hash", "field 5", "changed")
		req := req
		req.Mode = datacopy.Incremental
		outcome := run(t, req, &datacopy.MemoryJournal{})
		if unit := outcome.Result.Units[0]; unit.Count != 3 {
			t.Errorf("sent %d keys, want 3", unit.Count)
		}
	})
}
