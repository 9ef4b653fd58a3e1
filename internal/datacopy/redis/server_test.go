package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// patience is how long a test waits for a server on a busy machine.
const patience = time.Minute

// starter runs a server of its own until the test ends.
type starter func(t *testing.T, options ...string) *storetest.Server

// startRedis runs a server of the version that is at hand.
func startRedis(t *testing.T, options ...string) datacopy.Address {
	t.Helper()
	return address(t, storetest.Redis(t, options...).URL)
}

func address(t *testing.T, text string) datacopy.Address {
	t.Helper()
	a, err := datacopy.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// startCluster runs a cluster of three masters.
func startCluster(t *testing.T, options ...string) datacopy.Address {
	t.Helper()
	return clusterOf(t, storetest.Redis, options...)
}

func clusterOf(t *testing.T, start starter, options ...string) datacopy.Address {
	t.Helper()
	nodes, buses := make([]datacopy.Address, 3), make([]string, 3)
	ctx := t.Context()
	for i := range nodes {
		buses[i] = storetest.FreePort(t)
		nodes[i] = address(t, start(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", buses[i]}, options...)...).URL)
	}
	_, port, _ := strings.Cut(nodes[0].Host(), ":")
	for i, node := range nodes {
		client := redis.NewClient(&redis.Options{Addr: node.Host(), Password: node.Password()})
		defer client.Close()
		from, to := i*16384/3, (i+1)*16384/3-1
		if err := client.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", port, buses[0]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		awaitCluster(t, node)
	}
	return nodes[0]
}

func awaitCluster(t *testing.T, node datacopy.Address) {
	t.Helper()
	ctx := t.Context()
	client := redis.NewClient(&redis.Options{Addr: node.Host(), Password: node.Password()})
	defer client.Close()
	var info string
	for range 1500 {
		info = client.ClusterInfo(ctx).Val()
		if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the cluster does not come up: %s", info)
}

// open gives a client, for a cluster one that follows redirections.
func open(t *testing.T, a datacopy.Address) redis.UniversalClient {
	t.Helper()
	single := redis.NewClient(&redis.Options{Addr: a.Host(), Password: a.Password(), DB: database(a), MaxRetries: -1, ReadTimeout: patience, ContextTimeoutEnabled: true})
	t.Cleanup(func() { single.Close() })
	if info := single.InfoMap(t.Context(), "cluster").Val(); info["Cluster"]["cluster_enabled"] != "1" {
		return single
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{a.Host()}, Password: a.Password(), ReadTimeout: patience, ContextTimeoutEnabled: true})
	t.Cleanup(func() { cluster.Close() })
	return cluster
}

func database(a datacopy.Address) int {
	number, _ := strconv.Atoi(a.Name())
	return number
}

// fill puts keys of every type into a store, below a prefix, and gives their
// number: small and large, with and without expiry, with odd names.
func fill(t *testing.T, client redis.UniversalClient, prefix string) int {
	t.Helper()
	ctx := t.Context()
	do := func(args ...any) {
		t.Helper()
		if err := client.Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args[0], err)
		}
	}
	in := func(name string) string { return prefix + name }
	soon := time.Now().Add(time.Hour).UnixMilli()
	do("SET", in("text"), "plain")
	do("SET", in("empty"), "")
	do("SET", in("number"), 42)
	do("SET", in("bytes"), "\x00\xff\r\n$-1\r\n")
	do("SET", in("odd \x00\xff\r\n*?[name"), "odd")
	do("SET", in(""), "without a name")
	do("HSET", in(strings.Repeat("long name ", 20_000)), "field", "value")
	do("SET", in("expires"), "soon", "PXAT", soon)
	do("SET", in("large text"), strings.Repeat("0123456789abcdef", 40_000), "PXAT", soon)
	do("RPUSH", in("list"), "a", "b", "a", "")
	do("SADD", in("numbers"), 1, 2, 3)
	do("SADD", in("set"), "x", "y", "\xff")
	do("ZADD", in("scores"), 0.1, "tenth", "-inf", "least", 1e300, "much", 3, "three")
	do("HSET", in("hash"), "name", "Ann", "email", "ann@example.org", "", "empty")
	do("EXPIREAT", in("hash"), soon/1000)
	count := 15
	count += fillLarge(t, client, in, soon)
	count += fillStreams(t, client, in)
	pipe := client.Pipeline()
	for i := range 3000 {
		pipe.HSet(ctx, in(fmt.Sprintf("user:%d", i)), "name", fmt.Sprintf("User %d", i), "visits", i)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	return count - 1 + 3000
}

// fillLarge makes keys that are copied in parts.
func fillLarge(t *testing.T, client redis.UniversalClient, in func(string) string, soon int64) int {
	t.Helper()
	ctx := t.Context()
	pipe := client.Pipeline()
	for i := range 12_000 {
		value := fmt.Sprintf("value %d of many", i)
		pipe.HSet(ctx, in("large hash"), fmt.Sprintf("field %d", i), value)
		pipe.SAdd(ctx, in("large set"), value)
		pipe.RPush(ctx, in("large list"), value, strings.Repeat("x", 20))
		pipe.ZAdd(ctx, in("large scores"), redis.Z{Score: float64(i) / 7, Member: value})
		if i < 500 {
			pipe.HSet(ctx, in("middling hash"), fmt.Sprintf("field %d", i), value)
			pipe.SAdd(ctx, in("middling set"), value)
		}
	}
	pipe.Do(ctx, "PEXPIREAT", in("large hash"), soon)
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	return 6
}

func fillStreams(t *testing.T, client redis.UniversalClient, in func(string) string) int {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, entries := range map[string]int{"stream": 10, "large stream": 9000} {
		pipe := client.Pipeline()
		for i := range entries {
			pipe.Do(ctx, "XADD", in(name), fmt.Sprintf("%d-1", i+1), "z", i, "a", strings.Repeat("y", 30), "z", "twice")
		}
		_, err := pipe.Exec(ctx)
		must(err)
		must(client.XGroupCreate(ctx, in(name), "workers", "0").Err())
		must(client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "workers", Consumer: "one", Streams: []string{in(name), ">"}, Count: 5}).Err())
		must(client.XAck(ctx, in(name), "workers", "2-1").Err())
		must(client.XDel(ctx, in(name), fmt.Sprintf("%d-1", entries)).Err())
	}
	must(client.XGroupCreateMkStream(ctx, in("empty stream"), "idle", "$").Err())
	return 3
}
