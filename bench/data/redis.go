package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/datacopy"

	"github.com/landfall-dev/landfall/bench/harness"
)

// Goals for Redis.
const (
	redisOverMigrate = 1.6
	redisOverRDB     = 1.25
	redisStop        = 50 // milliseconds
)

// redisKeys are the keys of the full size, a large hash beside them.
const redisKeys = 1_000_000

// redisServer is a server of the benchmark's own.
type redisServer struct {
	dir, port string
	cmd       *exec.Cmd
	client    *redis.Client
}

// measureRedis copies mixed keys and a 100 MB hash (at scale 1) with Landfall,
// with MIGRATE in batches of 100, and as an RDB file that a server starts from,
// in turn.
func measureRedis(ctx context.Context, dir string, turns int, scale float64) error {
	source, target, stop, err := startRedisPair(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	// What a server that nobody copies waits for is the machine, not the copy.
	idle, err := startRedisServer(ctx, filepath.Join(dir, "redis-idle"))
	if err != nil {
		return err
	}
	defer idle.stop()
	log.Print("redis: filling the source")
	if err := source.fill(ctx, int(redisKeys*scale)); err != nil {
		return err
	}
	var f redisFigures
	for range turns {
		if err := f.turn(ctx, source, target, idle, filepath.Join(dir, "redis-rdb")); err != nil {
			return err
		}
	}
	f.report()
	return nil
}

// redisFigures are the figures of each turn: seconds, of stops milliseconds.
type redisFigures struct {
	ours, cpu, servers, listed, listedServers, migrate, migrateServers, rdb, rdbServers []float64

	stops, stopsByClock, idle []float64
}

// turn runs every way once.
func (f *redisFigures) turn(ctx context.Context, source, target, idle *redisServer, dir string) error {
	took, stop, unused, err := copyWatched(ctx, source, target, idle)
	if err != nil {
		return err
	}
	listed, err := copyListed(ctx, source, target)
	if err != nil {
		return err
	}
	migrate, migrateServers, err := timeMigrate(ctx, source, target)
	if err != nil {
		return err
	}
	rdb, rdbServers, err := timeRDB(ctx, source, dir)
	if err != nil {
		return err
	}
	add := func(to *[]float64, value time.Duration, unit time.Duration) {
		*to = append(*to, float64(value)/float64(unit))
	}
	add(&f.ours, took.wall, time.Second)
	add(&f.cpu, took.cpu, time.Second)
	add(&f.servers, took.servers, time.Second)
	add(&f.listed, listed.wall, time.Second)
	add(&f.listedServers, listed.servers, time.Second)
	add(&f.migrate, migrate, time.Second)
	add(&f.migrateServers, migrateServers, time.Second)
	add(&f.rdb, rdb, time.Second)
	add(&f.rdbServers, rdbServers, time.Second)
	add(&f.stops, stop.work, time.Millisecond)
	add(&f.stopsByClock, stop.wall, time.Millisecond)
	add(&f.idle, unused.wall, time.Millisecond)
	log.Printf("redis: landfall %.1f s (CPU %.1f s, of servers %.1f s), by listing %.1f s (of servers %.1f s), MIGRATE %.1f s (of servers %.1f s), RDB and start %.1f s (of servers %.1f s)",
		took.wall.Seconds(), took.cpu.Seconds(), took.servers.Seconds(), listed.wall.Seconds(), listed.servers.Seconds(), migrate.Seconds(), migrateServers.Seconds(), rdb.Seconds(), rdbServers.Seconds())
	log.Printf("redis: longest stop %.1f ms of the server's own work, %.1f ms by the clock; of a server nobody copies %.1f ms",
		stop.work.Seconds()*1000, stop.wall.Seconds()*1000, unused.wall.Seconds()*1000)
	return nil
}

func (f *redisFigures) report() {
	bar.Figure("redis-copy", bar.Median(f.ours), "s")
	bar.Figure("redis-copy-client-cpu", bar.Median(f.cpu), "s")
	bar.Figure("redis-copy-servers-cpu", bar.Median(f.servers), "s")
	bar.Figure("redis-copy-by-listing", bar.Median(f.listed), "s")
	bar.Figure("redis-copy-by-listing-servers-cpu", bar.Median(f.listedServers), "s")
	bar.Figure("redis-migrate", bar.Median(f.migrate), "s")
	bar.Figure("redis-migrate-servers-cpu", bar.Median(f.migrateServers), "s")
	bar.Figure("redis-rdb-and-start", bar.Median(f.rdb), "s")
	bar.Figure("redis-rdb-and-start-servers-cpu", bar.Median(f.rdbServers), "s")
	bar.AtLeast("redis-over-migrate", bar.Ratio(f.migrate, f.ours), "x", redisOverMigrate)
	bar.AtMost("redis-to-rdb", bar.Ratio(f.ours, f.rdb), "x", redisOverRDB)
	bar.Figure("redis-longest-stop-of-an-idle-server", bar.Median(f.idle), "ms")
	bar.Figure("redis-longest-stop-by-the-clock", bar.Median(f.stopsByClock), "ms")
	bar.AtMost("redis-longest-stop", bar.Median(f.stops), "ms", redisStop)
}

// startRedisPair starts source and target.
func startRedisPair(ctx context.Context, dir string) (source, target *redisServer, stop func(), err error) {
	if source, err = startRedisServer(ctx, filepath.Join(dir, "redis-source")); err != nil {
		return nil, nil, nil, err
	}
	if target, err = startRedisServer(ctx, filepath.Join(dir, "redis-target")); err != nil {
		source.stop()
		return nil, nil, nil, err
	}
	return source, target, func() { target.stop(); source.stop() }, nil
}

// startRedisServer starts a server in a folder, from the dump that is there. It
// does not wait for more replicas before it makes a snapshot: by default it does
// for 5 s, which would be added to every copy that reads one, and to none that
// starts from a file. What a copy takes that reads none is measured beside it.
func startRedisServer(ctx context.Context, dir string) (*redisServer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	s := &redisServer{dir: dir, port: port}
	s.cmd = exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--repl-diskless-sync-delay", "0", "--logfile", filepath.Join(dir, "log"))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.client = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, ReadTimeout: time.Minute, WriteTimeout: time.Minute, MaxRetries: -1})
	for range 6000 {
		if err = s.client.Ping(ctx).Err(); err == nil {
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("waiting for redis-server: %w", err)
}

func (s *redisServer) url() string { return "redis://127.0.0.1:" + s.port }

func (s *redisServer) stop() {
	_ = s.client.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// fill makes keys of all kinds, two in five of which expire, and one hash of
// about 100 bytes a key.
func (s *redisServer) fill(ctx context.Context, keys int) error {
	random := rand.New(rand.NewPCG(1, 1))
	text := func(n int) string {
		const letters = "abcdefghijklmnop0123456789 \n"
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	expiry := time.Now().Add(48 * time.Hour).UnixMilli()
	pipe := s.client.Pipeline()
	for i := range keys {
		pipe.Do(ctx, mixedKey(i, random, text, expiry)...)
		if i%10 == 0 {
			pipe.HSet(ctx, "large", large(i, text)...)
		}
		if pipe.Len() >= 1000 || i == keys-1 {
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// large are ten fields of the large hash.
func large(i int, text func(int) string) []any {
	var fields []any
	for n := range 10 {
		fields = append(fields, fmt.Sprintf("field:%d", i+n), text(60))
	}
	return fields
}

// mixedKey is the command that makes key i.
func mixedKey(i int, random *rand.Rand, text func(int) string, expiry int64) []any {
	many := func(command, key string, n int, element func(int) []any) []any {
		args := []any{command, key}
		for i := range n {
			args = append(args, element(i)...)
		}
		return args
	}
	switch i % 10 {
	case 0, 1, 2, 3:
		return []any{"SET", fmt.Sprintf("session:%d", i), text(50 + random.IntN(200)), "PXAT", expiry + random.Int64N(1e8)}
	case 4:
		return []any{"SET", fmt.Sprintf("counter:%d", i), random.IntN(1e9)}
	case 5, 6:
		return many("HSET", fmt.Sprintf("user:%d", i), 6, func(n int) []any { return []any{"field" + strconv.Itoa(n), text(5 + random.IntN(30))} })
	case 7:
		return many("RPUSH", fmt.Sprintf("queue:%d", i), 8, func(int) []any { return []any{text(20)} })
	case 8:
		return many("SADD", fmt.Sprintf("tags:%d", i), 8, func(int) []any { return []any{random.IntN(1e6)} })
	}
	return many("ZADD", fmt.Sprintf("rank:%d", i), 8, func(int) []any { return []any{random.IntN(1000), text(12)} })
}

// copyWatched copies with Landfall and says how long a client of either server
// had to wait at most, and one of a server that nobody copies.
func copyWatched(ctx context.Context, source, target, idle *redisServer) (took usage, stop, unused stops, err error) {
	if err := target.client.FlushAll(ctx).Err(); err != nil {
		return took, stop, unused, err
	}
	watching, end := context.WithCancel(ctx)
	defer end()
	servers := []*redisServer{source, target, idle}
	longest := make([]stops, len(servers))
	var watch errgroup.Group
	for i, server := range servers {
		watch.Go(func() (err error) {
			longest[i], err = probe(watching, server.port, server.cmd.Process)
			return err
		})
	}
	took, err = landfallCopy(ctx, source.url(), target.url(), datacopy.Full, source.cmd.Process, target.cmd.Process)
	end()
	if err := errors.Join(err, watch.Wait()); err != nil {
		return took, stop, unused, err
	}
	return took, longest[0].longer(longest[1]), longest[2], sameSize(ctx, source, target)
}

// copyListed copies with Landfall as from a source that gives no snapshot.
func copyListed(ctx context.Context, source, target *redisServer) (took usage, err error) {
	if err := target.client.FlushAll(ctx).Err(); err != nil {
		return took, err
	}
	if err := os.Setenv(childReadBy, "scan"); err != nil {
		return took, err
	}
	defer func() { _ = os.Unsetenv(childReadBy) }()
	if took, err = landfallCopy(ctx, source.url(), target.url(), datacopy.Full, source.cmd.Process, target.cmd.Process); err != nil {
		return took, err
	}
	return took, sameSize(ctx, source, target)
}

// sameSize keeps a copy that left keys out from looking quick.
func sameSize(ctx context.Context, source, target *redisServer) error {
	want, err := source.client.DBSize(ctx).Result()
	if err != nil {
		return err
	}
	got, err := target.client.DBSize(ctx).Result()
	if err != nil {
		return err
	}
	if want == 0 || want != got {
		return fmt.Errorf("the target has %d of %d keys", got, want)
	}
	return nil
}

// timeMigrate lists keys and has the source send them, 100 at a time.
func timeMigrate(ctx context.Context, source, target *redisServer) (took, servers time.Duration, err error) {
	if err := target.client.FlushAll(ctx).Err(); err != nil {
		return 0, 0, err
	}
	before, began := cpuOf(source.cmd.Process, target.cmd.Process), time.Now()
	for cursor := uint64(0); ; {
		keys, next, err := source.client.Scan(ctx, cursor, "", 100).Result()
		if err != nil {
			return 0, 0, err
		}
		if len(keys) > 0 {
			args := []any{"MIGRATE", "127.0.0.1", target.port, "", 0, 60000, "COPY", "REPLACE", "KEYS"}
			for _, key := range keys {
				args = append(args, key)
			}
			if err := source.client.Do(ctx, args...).Err(); err != nil {
				return 0, 0, err
			}
		}
		if cursor = next; cursor == 0 {
			return time.Since(began), cpuOf(source.cmd.Process, target.cmd.Process) - before, sameSize(ctx, source, target)
		}
	}
}

// timeRDB has the source write its dump and starts a server from it.
func timeRDB(ctx context.Context, source *redisServer, dir string) (took, servers time.Duration, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	before, began := cpuOf(source.cmd.Process), time.Now()
	if err := source.client.Save(ctx).Err(); err != nil {
		return 0, 0, err
	}
	dump := filepath.Join(dir, "dump.rdb")
	if err := os.Remove(dump); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	if err := os.Rename(filepath.Join(source.dir, "dump.rdb"), dump); err != nil {
		return 0, 0, err
	}
	started, err := startRedisServer(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	defer started.stop()
	servers = cpuOf(source.cmd.Process) - before + cpuOf(started.cmd.Process)
	return time.Since(began), servers, sameSize(ctx, source, started)
}
