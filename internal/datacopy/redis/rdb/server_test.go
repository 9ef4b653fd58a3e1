package rdb_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis/rdb"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

var update = flag.Bool("update", false, "write golden files, and the snapshot that they are of")

// products are those whose snapshots are in testdata, of what fill makes.
var products = map[string]func(*testing.T, ...string) *storetest.Server{
	"redis-7.0": storetest.Redis, "redis-8.0": storetest.Redis8, "valkey-9.1": storetest.Valkey,
}

// saved starts a server, fills it, and gives its snapshot.
func saved(t *testing.T, product string) (*redis.Client, []byte) {
	t.Helper()
	a, err := datacopy.ParseAddress(products[product](t).URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: a.Host(), Password: a.Password(), ReadTimeout: time.Minute})
	t.Cleanup(func() { client.Close() })
	ctx := t.Context()
	fill(t, client)
	if product != "redis-7.0" {
		fillFields(t, client)
	}
	if err := client.Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(client.ConfigGet(ctx, "dir").Val()["dir"], client.ConfigGet(ctx, "dbfilename").Val()["dbfilename"]))
	if err != nil {
		t.Fatal(err)
	}
	return client, text
}

// fill makes keys of every type, in each way in which a server holds them.
func fill(t *testing.T, client *redis.Client) {
	t.Helper()
	pipe := client.Pipeline()
	do := func(args ...any) { pipe.Do(context.Background(), args...) }
	do("FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)")
	for i, number := range []int{0, -1, 127, 128, -129, 32767, -40000, 2147483647} {
		do("SET", fmt.Sprint("number ", i), number)
	}
	do("SET", "longer number", "9223372036854775807")
	do("SET", "empty", "")
	do("SET", "bytes", "\x00\xff\r\n")
	do("SET", "packed", strings.Repeat("ab", 400)+"end"+strings.Repeat("x", 900))
	do("SET", "long", random(3000))
	do("SET", "expires", "later", "PXAT", 4102444800123)
	for i := range 40 {
		text := fmt.Sprintf("element %d", i)
		do("SADD", "numbers", i*1000)
		do("SADD", "set", text)
		do("RPUSH", "list", text)
		do("ZADD", "scores", float64(i)/3, text)
		do("HSET", "hash", "field "+text, text)
		if i < 5 {
			do("HSET", "small hash", text, "v")
			do("ZADD", "small scores", i, text)
		}
	}
	do("HSET", "large hash", "long", strings.Repeat("long", 30))
	for i := range 300 {
		text := fmt.Sprintf("element %d of many, and of some length", i)
		do("SADD", "large set", text)
		do("RPUSH", "large list", text)
		do("ZADD", "large scores", float64(i)/3, text)
		do("HSET", "large hash", text, i)
	}
	do("ZADD", "large scores", "inf", "most", "-inf", "least", 1e300, "much")
	do("RPUSH", "list of long", random(9000), "short")
	for i := range 300 {
		do("XADD", "stream", fmt.Sprintf("%d-1", i+1), "a", i, "b", "text")
	}
	do("XGROUP", "CREATE", "stream", "workers", "0")
	do("XREADGROUP", "GROUP", "workers", "one", "COUNT", 7, "STREAMS", "stream", ">")
	do("XACK", "stream", "workers", "2-1")
	do("XDEL", "stream", "300-1")
	do("SELECT", 5)
	do("SET", "elsewhere", "too")
	do("SELECT", 0)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// fillFields makes hashes whose fields expire.
func fillFields(t *testing.T, client *redis.Client) {
	t.Helper()
	for key, count := range map[string]int{"few fields that expire": 5, "fields that expire": 600} {
		for i := range count {
			field := fmt.Sprint("field ", i)
			client.HSet(t.Context(), key, field, "a value")
			if err := client.HPExpireAt(t.Context(), key, time.UnixMilli(4102444800000+int64(i)), field).Err(); err != nil {
				t.Fatal(err)
			}
		}
		client.HPersist(t.Context(), key, "field 0")
	}
}

// random is text that LZF does not pack, the same every time.
func random(n int) string {
	text, state := make([]byte, n), uint32(1)
	for i := range text {
		state = state*1664525 + 1013904223
		text[i] = byte(state >> 24)
	}
	return string(text)
}

// TestPayloadsAreThoseOfTheServer makes a payload of each value in a snapshot
// and asks the server for its own.
func TestPayloadsAreThoseOfTheServer(t *testing.T) { samePayloads(t, "redis-7.0") }

func TestPayloadsAreThoseOfRedis8(t *testing.T) { samePayloads(t, "redis-8.0") }

func TestPayloadsAreThoseOfValkey(t *testing.T) { samePayloads(t, "valkey-9.1") }

func samePayloads(t *testing.T, product string) {
	client, text := saved(t, product)
	if *update {
		if err := os.WriteFile(snapshotOf(product), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := rdb.NewReader(bytes.NewReader(text), 1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var seen int64
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !record.Whole() {
			t.Fatalf("key %q does not come whole", record.Key)
		}
		if record.Database != 0 {
			continue
		}
		seen++
		payload := append([]byte{byte(record.Type)}, record.Raw...)
		payload = rdb.Footer(payload, record.Type, record.Raw, r.Version())
		if want := client.Dump(t.Context(), string(record.Key)).Val(); want != string(payload) {
			t.Errorf("key %q of type %d: %d bytes, the server gives %d", record.Key, record.Type, len(payload), len(want))
		}
	}
	if size := client.DBSize(t.Context()).Val(); seen != size {
		t.Errorf("the snapshot has %d of %d keys", seen, size)
	}
}

// TestPartsMakeTheWhole puts the elements of parts together.
func TestPartsMakeTheWhole(t *testing.T) {
	client, text := saved(t, "redis-7.0")
	r, err := rdb.NewReader(bytes.NewReader(text), 4000, 500)
	if err != nil {
		t.Fatal(err)
	}
	got, parts, left := map[string][]string{}, map[string]int{}, []string{}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		key := string(record.Key)
		switch {
		case record.Left:
			left = append(left, key)
			continue
		case record.Whole():
			continue
		}
		parts[key]++
		if !rdb.Decodes(record.Type) {
			t.Errorf("key %q has parts of type %d that cannot be decoded", key, record.Type)
			continue
		}
		elements, _, err := rdb.Elements(record.Type, record.Raw, nil, nil)
		if err != nil {
			t.Fatalf("key %q: %v", key, err)
		}
		every := 1
		if strings.Contains(key, "hash") || strings.Contains(key, "scores") {
			every = 2
		}
		for element := range slices.Chunk(elements, every) {
			got[key] = append(got[key], string(bytes.Join(element, []byte("="))))
		}
	}
	ctx := t.Context()
	want := map[string][]string{
		"large set": client.SMembers(ctx, "large set").Val(), "large hash": pairs(client.HGetAll(ctx, "large hash").Val()),
		"large list": client.LRange(ctx, "large list", 0, -1).Val(), "list of long": client.LRange(ctx, "list of long", 0, -1).Val(),
	}
	for _, z := range client.ZRangeWithScores(ctx, "large scores", 0, -1).Val() {
		want["large scores"] = append(want["large scores"], fmt.Sprint(z.Member)+"="+score(z.Score))
	}
	for _, elements := range []map[string][]string{got, want} {
		for _, key := range []string{"large set", "large hash", "large scores"} {
			slices.Sort(elements[key])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	for key := range want {
		if parts[key] < 2 {
			t.Errorf("key %q came in %d parts", key, parts[key])
		}
	}
	if diff := cmp.Diff([]string{"stream"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func pairs(hash map[string]string) (flat []string) {
	for field, value := range hash {
		flat = append(flat, field+"="+value)
	}
	return flat
}

func score(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
