package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Servers that Debian's stable release does not have: Valkey 9, whose payloads
// no Redis knows, and Redis 8, whose payloads neither Valkey nor older ones do.

func TestConformanceValkey(t *testing.T) { laterConforms(t, storetest.Valkey, storetest.Valkey) }

func TestConformanceValkeyToRedis(t *testing.T) { laterConforms(t, storetest.Valkey, storetest.Redis) }

func TestConformanceRedisToValkey(t *testing.T) { laterConforms(t, storetest.Redis, storetest.Valkey) }

func TestConformanceRedis8ToValkey(t *testing.T) {
	laterConforms(t, storetest.Redis8, storetest.Valkey)
}

func laterConforms(t *testing.T, source, target starter) {
	storetest.Valkey(t) // not within the suite: it may skip the test
	conforms(t, source, target)
}

// TestValkeyAndRedis8InEveryDirection copies all types, listed and out of a
// snapshot, by themselves and as clusters.
func TestValkeyAndRedis8InEveryDirection(t *testing.T) {
	storetest.Valkey(t) // it may skip the test
	starters := map[string]starter{"Redis": storetest.Redis, "Redis 8": storetest.Redis8, "Valkey": storetest.Valkey}
	for name, start := range starters {
		source := address(t, start(t, ready...).URL)
		count := fill(t, open(t, source), "")
		for other, begin := range starters {
			for _, way := range []string{"scan", "replication"} {
				t.Run(name+" to "+other+" by "+way, func(t *testing.T) {
					req := datacopy.Request{From: source, To: address(t, begin(t).URL), Options: map[string]string{"read-by": way}}
					outcome := run(t, req, &datacopy.MemoryJournal{})
					unit := outcome.Report.Units[0]
					if unit.Count != int64(count) || unit.TargetCount != int64(count) {
						t.Errorf("compared %d with %d keys, want %d", unit.Count, unit.TargetCount, count)
					}
					if way == "replication" && !took(t, source) {
						t.Error("the source gave no snapshot")
					}
				})
			}
		}
	}
}

// TestClustersOfValkeyAndRedis8 copies from and into clusters of other versions.
func TestClustersOfValkeyAndRedis8(t *testing.T) {
	storetest.Valkey(t)
	tests := []struct {
		name     string
		from, to starter
	}{
		{"Redis to Valkey", storetest.Redis, storetest.Valkey},
		{"Valkey to Redis 8", storetest.Valkey, storetest.Redis8},
		{"Redis 8 to Redis", storetest.Redis8, storetest.Redis},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := datacopy.Request{From: clusterOf(t, tt.from, ready...), To: clusterOf(t, tt.to)}
			count := fill(t, open(t, req.From), "")
			for _, way := range []string{"scan", "replication"} {
				req.Options, req.Replace = map[string]string{"read-by": way}, true
				outcome := run(t, req, &datacopy.MemoryJournal{})
				if got := outcome.Report.Units[0].TargetCount; got != int64(count) {
					t.Errorf("by %s: the target has %d of %d keys", way, got, count)
				}
			}
		})
	}
}

// TestFieldsThatExpireValkeyAndRedis8 has hashes whose fields expire at times
// of their own: small ones, one that is copied in parts, and a masked one.
func TestFieldsThatExpireValkeyAndRedis8(t *testing.T) {
	storetest.Valkey(t)
	starters := map[string]starter{"Redis 8": storetest.Redis8, "Valkey": storetest.Valkey}
	for name, start := range starters {
		for other, begin := range starters {
			for _, way := range []string{"scan", "replication"} {
				t.Run(name+" to "+other+" by "+way, func(t *testing.T) {
					req := datacopy.Request{
						From: address(t, start(t, ready...).URL), To: address(t, begin(t).URL),
						Mask: maskOf(t, "rules: [{key: 'masked', fields: {name: name}}]"), Options: map[string]string{"read-by": way},
					}
					fillFields(t, open(t, req.From))
					outcome := run(t, req, &datacopy.MemoryJournal{})
					if len(outcome.Plan.NotKept) > 0 {
						t.Errorf("the plan says that %q are not kept", outcome.Plan.NotKept)
					}
					for _, key := range []string{"small", "large", "masked"} {
						want, got := fieldExpiries(t, open(t, req.From), key), fieldExpiries(t, open(t, req.To), key)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("when fields of %s expire (-want +got):\n%s", key, diff)
						}
					}
					fieldsThatDiffer(t, req)
				})
			}
		}
	}
}

// fieldsThatDiffer changes the target: that is found, and put right by an
// incremental copy.
func fieldsThatDiffer(t *testing.T, req datacopy.Request) {
	target, ctx := open(t, req.To), t.Context()
	target.HPersist(ctx, "small", "field 1")
	target.HPExpireAt(ctx, "large", time.Now().Add(time.Hour), "field 3")
	target.HPExpireAt(ctx, "masked", time.Now().Add(time.Hour), "name")
	req.Mode = datacopy.Incremental
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if sent, _, _ := outcome.Result.Totals(); sent != 3 {
		t.Errorf("sent %d keys, want 3", sent)
	}
}

func fillFields(t *testing.T, client goredis.UniversalClient) {
	t.Helper()
	ctx, soon := t.Context(), time.UnixMilli(time.Now().Add(time.Hour).UnixMilli())
	pipe := client.Pipeline()
	for key, count := range map[string]int{"small": 10, "large": 9000} {
		for i := range count {
			field := fmt.Sprint("field ", i)
			pipe.HSet(ctx, key, field, strings.Repeat("v", 30))
			if i%5 == 1 {
				pipe.HPExpireAt(ctx, key, soon.Add(time.Duration(i)*time.Millisecond), field)
			}
		}
	}
	pipe.HSet(ctx, "masked", "name", "Ann", "kept", "as it is")
	pipe.HPExpireAt(ctx, "masked", soon, "kept")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

// fieldExpiries are by field, in milliseconds.
func fieldExpiries(t *testing.T, client goredis.UniversalClient, key string) map[string]int64 {
	t.Helper()
	fields := client.HKeys(t.Context(), key).Val()
	slices.Sort(fields)
	moments, err := client.HPExpireTime(t.Context(), key, fields...).Result()
	if err != nil || len(moments) == 0 {
		t.Fatalf("%s: %d answers, %v", key, len(moments), err)
	}
	expiries := map[string]int64{}
	for i, field := range fields {
		expiries[field] = moments[i]
	}
	return expiries
}

// TestFieldsThatExpireValkeyToRedis: what cannot be kept is named.
func TestFieldsThatExpireValkeyToRedis(t *testing.T) {
	req := datacopy.Request{From: address(t, storetest.Valkey(t).URL), To: startRedis(t)}
	fillFields(t, open(t, req.From))
	outcome := run(t, req, &datacopy.MemoryJournal{})
	want := []string{"expiry of single fields of hashes, which the target (Redis 7.0) does not know"}
	if diff := cmp.Diff(want, outcome.Plan.NotKept); diff != "" {
		t.Errorf("not kept (-want +got):\n%s", diff)
	}
	if n := open(t, req.To).HLen(t.Context(), "large").Val(); n != 9000 {
		t.Errorf("the target has %d of 9000 fields", n)
	}
}

// TestTypesOfModulesRedis8: what is no type of all servers goes as a whole, or
// is named.
func TestTypesOfModulesRedis8(t *testing.T) {
	req := datacopy.Request{From: address(t, storetest.Redis8(t, ready...).URL), To: address(t, storetest.Redis8(t).URL)}
	must(t, open(t, req.From), "VADD", "vectors", "VALUES", 3, 1, 2, 3, "element")
	open(t, req.From).Set(t.Context(), "text", "plain", 0)
	for _, way := range []string{"scan", "replication"} {
		req.Options, req.Replace = map[string]string{"read-by": way}, true
		run(t, req, &datacopy.MemoryJournal{})
		req.To = address(t, storetest.Valkey(t).URL)
		_, err := datacopy.Run(t.Context(), redis.New(), req, &datacopy.MemoryJournal{}, progress.Discard)
		if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), `key "vectors": its type vectorset`) {
			t.Errorf("by %s: %v, want a refusal that names the key", way, err)
		}
		req.To = address(t, storetest.Redis8(t).URL)
	}
}
