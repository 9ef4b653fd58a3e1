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
	var ours, migrate, rdb []float64
	var cpu, stops, idleStops []float64
	for range turns {
		watching, end := context.WithCancel(ctx)
		machine := make(chan time.Duration, 1)
		go func() { machine <- idle.longestStop(watching) }()
		took, stop, err := copyWatched(ctx, source, target)
		end()
		idleStops = append(idleStops, (<-machine).Seconds()*1000)
		if err != nil {
			return err
		}
		ours, cpu, stops = append(ours, took.wall.Seconds()), append(cpu, took.cpu.Seconds()), append(stops, stop.Seconds()*1000)
		other, err := timeMigrate(ctx, source, target)
		if err != nil {
			return err
		}
		migrate = append(migrate, other.Seconds())
		if other, err = timeRDB(ctx, source, filepath.Join(dir, "redis-rdb")); err != nil {
			return err
		}
		rdb = append(rdb, other.Seconds())
		log.Printf("redis: landfall %.1f s, MIGRATE %.1f s, RDB and start %.1f s, longest stop %.0f ms",
			ours[len(ours)-1], migrate[len(migrate)-1], rdb[len(rdb)-1], stops[len(stops)-1])
	}
	bar.Figure("redis-copy", bar.Median(ours), "s")
	bar.Figure("redis-copy-client-cpu", bar.Median(cpu), "s")
	bar.Figure("redis-migrate", bar.Median(migrate), "s")
	bar.Figure("redis-rdb-and-start", bar.Median(rdb), "s")
	bar.AtLeast("redis-over-migrate", bar.Median(migrate)/bar.Median(ours), "x", redisOverMigrate)
	bar.AtMost("redis-to-rdb", bar.Median(ours)/bar.Median(rdb), "x", redisOverRDB)
	bar.Figure("redis-longest-stop-of-an-idle-server", bar.Median(idleStops), "ms")
	bar.AtMost("redis-longest-stop", bar.Median(stops), "ms", redisStop)
	return nil
}

// startRedisServer starts a server in a folder, from the dump that is there.
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

func startRedisServer(ctx context.Context, dir string) (*redisServer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	s := &redisServer{dir: dir, port: port}
	s.cmd = exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--logfile", filepath.Join(dir, "log"))
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
// had to wait at most.
func copyWatched(ctx context.Context, source, target *redisServer) (usage, time.Duration, error) {
	if err := target.client.FlushAll(ctx).Err(); err != nil {
		return usage{}, 0, err
	}
	watching, end := context.WithCancel(ctx)
	longest := make(chan time.Duration, 2)
	for _, server := range []*redisServer{source, target} {
		go func() { longest <- server.longestStop(watching) }()
	}
	took, err := landfallCopy(ctx, source.url(), target.url(), datacopy.Full)
	end()
	stop := max(<-longest, <-longest)
	if err != nil {
		return took, stop, err
	}
	return took, stop, sameSize(ctx, source, target)
}

// sameSize keeps a copy that left keys out from looking quick.
func sameSize(ctx context.Context, source, target *redisServer) error {
	want, got := source.client.DBSize(ctx).Val(), target.client.DBSize(ctx).Val()
	if want == 0 || want != got {
		return fmt.Errorf("the target has %d of %d keys", got, want)
	}
	return nil
}

// longestStop asks a server something every millisecond until ctx ends.
func (s *redisServer) longestStop(ctx context.Context) (longest time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		if s.client.Ping(context.WithoutCancel(ctx)).Err() == nil {
			longest = max(longest, time.Since(began))
		}
		time.Sleep(time.Millisecond)
	}
	return longest
}

// timeMigrate lists keys and has the source send them, 100 at a time.
func timeMigrate(ctx context.Context, source, target *redisServer) (time.Duration, error) {
	if err := target.client.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	began := time.Now()
	for cursor := uint64(0); ; {
		keys, next, err := source.client.Scan(ctx, cursor, "", 100).Result()
		if err != nil {
			return 0, err
		}
		if len(keys) > 0 {
			args := []any{"MIGRATE", "127.0.0.1", target.port, "", 0, 60000, "COPY", "REPLACE", "KEYS"}
			for _, key := range keys {
				args = append(args, key)
			}
			if err := source.client.Do(ctx, args...).Err(); err != nil {
				return 0, err
			}
		}
		if cursor = next; cursor == 0 {
			return time.Since(began), sameSize(ctx, source, target)
		}
	}
}

// timeRDB has the source write its dump and starts a server from it.
func timeRDB(ctx context.Context, source *redisServer, dir string) (time.Duration, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := source.client.Save(ctx).Err(); err != nil {
		return 0, err
	}
	dump := filepath.Join(dir, "dump.rdb")
	if err := os.Remove(dump); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if err := os.Rename(filepath.Join(source.dir, "dump.rdb"), dump); err != nil {
		return 0, err
	}
	started, err := startRedisServer(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer started.stop()
	return time.Since(began), sameSize(ctx, source, started)
}
