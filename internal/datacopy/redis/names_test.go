package redis_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/progress"
)

// maskOf makes a mask of rules, all in one line.
func maskOf(t *testing.T, text string) *mask.Mask {
	t.Helper()
	rules, err := mask.Parse(strings.NewReader("version: landfall.dev/mask/v1\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	key, err := mask.NewKey([]byte("a key for tests of masks"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := rules.For("cache", datacopy.Redis, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMasksNamesOfKeys masks names of users' keys, and nothing else; it copies, finds differences, and copies what differs.
func TestMasksNamesOfKeys(t *testing.T) {
	req := datacopy.Request{From: startRedis(t), To: startRedis(t), Mask: maskOf(t, "rules: [{key: 'user:*:cart', names: [email]}]")}
	source, target, ctx := open(t, req.From), open(t, req.To), t.Context()
	for _, user := range []string{"ann@shop.test", "Ann@shop.test", "bob@shop.test"} {
		source.HSet(ctx, "user:"+user+":cart", "of", user)
	}
	source.Set(ctx, "plain", "text", 0)
	run(t, req, &datacopy.MemoryJournal{})
	var owners []string
	for _, key := range target.Keys(ctx, "user:*").Val() {
		if strings.Contains(key, "shop.test") || !strings.Contains(key, "@example.com") || !strings.HasSuffix(key, ":cart") {
			t.Errorf("the target has the key %q", key)
		}
		owners = append(owners, target.HGet(ctx, key, "of").Val())
	}
	slices.Sort(owners)
	if diff := cmp.Diff([]string{"Ann@shop.test", "ann@shop.test", "bob@shop.test"}, owners); diff != "" {
		t.Errorf("carts that arrived (-want +got):\n%s", diff)
	}
	if target.Get(ctx, "plain").Val() != "text" {
		t.Error("the key without a rule is lost")
	}

	target.HSet(ctx, "user:stranger:cart", "of", "nobody")
	source.HSet(ctx, "user:bob@shop.test:cart", "of", "changed")
	source.Del(ctx, "plain")
	req.Mode, req.Delete = datacopy.Incremental, true
	plan, err := redis.New().Plan(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	result, err := redis.New().Copy(ctx, req, plan, &datacopy.MemoryJournal{}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if unit := result.Units[0]; unit.Count != 1 || unit.Removed != 1 {
		t.Errorf("the incremental copy: %+v, want bob's cart sent and the plain key removed", unit)
	}
	report, err := redis.New().Verify(ctx, req, plan, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []datacopy.Difference{{Key: "keys with masked names", What: "1 more than in the source"}}
	if diff := cmp.Diff(want, report.Units[0].Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
