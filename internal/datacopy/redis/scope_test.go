package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// below is an address with a prefix, of a database.
func below(t *testing.T, a datacopy.Address, password, database, prefix string) datacopy.Address {
	t.Helper()
	return address(t, "redis://:"+password+"@"+a.Host()+"/"+database+"?prefix="+prefix)
}

func TestMapsPrefixesAndChoosesKeys(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	source, target := open(t, from), open(t, to)
	ctx := t.Context()
	for _, key := range []string{"staging[1]:user:1", "staging[1]:user:2", "staging[1]:temporary:1", "staging1:user:1", "other"} {
		source.Set(ctx, key, key, 0)
	}
	target.Set(ctx, "kept", "by others", 0)
	target.Set(ctx, "landfall:stores", "owners", 0)
	req := datacopy.Request{
		From: below(t, from, storetest.Secret, "0", "staging%5B1%5D:"), To: below(t, to, storetest.Secret, "0", "pr-1:"),
		Exclude: []string{"temporary:*"},
	}
	run(t, req, &datacopy.MemoryJournal{})
	got := map[string]string{}
	for _, key := range target.Keys(ctx, "*").Val() {
		got[key] = target.Get(ctx, key).Val()
	}
	want := map[string]string{
		"pr-1:user:1": "staging[1]:user:1", "pr-1:user:2": "staging[1]:user:2", "kept": "by others", "landfall:stores": "owners",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestReplacesOnlyWhatIsMeant(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	ctx := t.Context()
	open(t, from).Set(ctx, "new", "1", 0)
	target := open(t, to)
	for _, key := range []string{"old", "landfall:stores", "kept:1"} {
		target.Set(ctx, key, "", 0)
	}
	req := datacopy.Request{From: from, To: to, Replace: true, Exclude: []string{"kept:*"}}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if removed := outcome.Result.Units[0].Removed; removed != 1 {
		t.Errorf("removed %d keys, want 1", removed)
	}
	if n := target.Exists(ctx, "new", "landfall:stores", "kept:1").Val(); n != 3 {
		t.Errorf("%d of 3 keys are there", n)
	}
}

func TestCopiesSeveralDatabases(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	ctx := t.Context()
	for _, database := range []string{"0", "3", "9"} {
		open(t, below(t, from, storetest.Secret, database, "")).Set(ctx, "in", database, 0)
	}
	outcome := run(t, datacopy.Request{From: from, To: to}, &datacopy.MemoryJournal{})
	var units []string
	for _, unit := range outcome.Plan.Units {
		units = append(units, unit.Name)
	}
	if diff := cmp.Diff([]string{"db0", "db3", "db9"}, units); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	if got := open(t, below(t, to, storetest.Secret, "9", "")).Get(ctx, "in").Val(); got != "9" {
		t.Errorf("database 9 holds %q", got)
	}
	t.Run("one into another", func(t *testing.T) {
		req := datacopy.Request{From: below(t, from, storetest.Secret, "3", ""), To: below(t, to, storetest.Secret, "7", "")}
		run(t, req, &datacopy.MemoryJournal{})
		if got := open(t, below(t, to, storetest.Secret, "7", "")).Get(ctx, "in").Val(); got != "3" {
			t.Errorf("database 7 holds %q", got)
		}
	})
}

func TestThePlanNamesWhatIsNotKept(t *testing.T) {
	req := datacopy.Request{From: startRedis(t), To: startRedis(t)}
	must(t, open(t, req.From), "FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)")
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 library of functions: take FUNCTION DUMP and RESTORE"}
	if diff := cmp.Diff(want, plan.NotKept); diff != "" {
		t.Errorf("not kept (-want +got):\n%s", diff)
	}
}

func TestThePlanWarnsOfATargetThatIsTooSmall(t *testing.T) {
	req := datacopy.Request{From: startRedis(t), To: startRedis(t, "--maxmemory", "3mb")}
	fill(t, open(t, req.From), "")
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Warnings) != 1 || !strings.HasPrefix(plan.Warnings[0], "the target may use 3.0 MiB of memory (maxmemory), and the copy needs about ") {
		t.Errorf("warnings: %q", plan.Warnings)
	}
}

func TestAClusterHasOneDatabase(t *testing.T) {
	from := startRedis(t)
	open(t, below(t, from, storetest.Secret, "4", "")).Set(t.Context(), "in", "4", 0)
	_, err := datacopy.Run(t.Context(), redis.New(), datacopy.Request{From: from, To: startCluster(t)}, &datacopy.MemoryJournal{}, progress.Discard)
	if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "database 0 only") {
		t.Errorf("copying database 4 into a cluster: %v, want a refusal", err)
	}
}

// TestServersThatGoAndComeBack kills either side in the middle of a copy; it
// goes on when the server is back.
func TestServersThatGoAndComeBack(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		t.Run(side, func(t *testing.T) {
			durable := []string{"--appendonly", "yes", "--appendfsync", "no"}
			servers := map[string]*storetest.Server{"source": storetest.Redis(t, durable...), "target": storetest.Redis(t, durable...)}
			req := datacopy.Request{From: address(t, servers["source"].URL), To: address(t, servers["target"].URL), MaxBytesPerSecond: 3 << 20}
			fill(t, open(t, req.From), "")
			engine := redis.New()
			plan, err := engine.Plan(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			away := storetest.During(func() {
				servers[side].Kill()
				time.AfterFunc(300*time.Millisecond, servers[side].Restart)
			})
			result, err := engine.Copy(t.Context(), req, plan, &datacopy.MemoryJournal{}, away)
			if err != nil {
				t.Fatal(err)
			}
			if result.Retries == 0 {
				t.Error("the server was not missed")
			}
			report, err := engine.Verify(t.Context(), datacopy.Request{From: req.From, To: req.To}, plan, nil, progress.Discard)
			if err != nil || report.Answer() != datacopy.Equal {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

func TestLargeKeysAreResumed(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	count := fill(t, open(t, from), "")
	req := datacopy.Request{From: from, To: to, MaxBytesPerSecond: 2 << 20, Parallel: 2}
	journal := &datacopy.MemoryJournal{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := datacopy.Run(ctx, redis.New(), req, journal, progress.Discard); err == nil {
		t.Skip("the copy ended before it was stopped")
	}
	req.MaxBytesPerSecond, req.Parallel = 0, 5
	outcome := run(t, req, journal)
	if got := outcome.Report.Units[0].TargetCount; got != int64(count) {
		t.Errorf("the target has %d of %d keys", got, count)
	}
}
