package redis_test

import (
	"fmt"
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

func TestConformance(t *testing.T) { conforms(t, storetest.Redis, storetest.Redis) }

func conforms(t *testing.T, source, target starter) {
	storetest.Run(t, storetest.Suite{
		Engine: redis.New(), Store: store{source, target}, Records: 20_000, ChunkBytes: 64 << 10, Secret: storetest.Secret,
	})
}

// store is what the suite does beside the engine: a record is a hash.
type store struct{ source, target starter }

func (s store) Pair(t *testing.T) (from, to string) {
	return s.source(t).URL, s.target(t).URL
}

func (store) key(number int) string { return fmt.Sprintf("record:%d", number) }

func (s store) Fill(t *testing.T, a datacopy.Address, count int) {
	t.Helper()
	pipe := open(t, a).Pipeline()
	for number := 1; number <= count; number++ {
		pipe.HSet(t.Context(), s.key(number), "name", fmt.Sprintf("Name of %d", number), "number", number)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (store) Count(t *testing.T, a datacopy.Address) int {
	t.Helper()
	count, err := open(t, a).DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(count)
}

func (s store) Change(t *testing.T, a datacopy.Address, number int) string {
	t.Helper()
	if err := open(t, a).HSet(t.Context(), s.key(number), "name", "another").Err(); err != nil {
		t.Fatal(err)
	}
	return s.key(number)
}

func (s store) Remove(t *testing.T, a datacopy.Address, number int) string {
	t.Helper()
	if err := open(t, a).Del(t.Context(), s.key(number)).Err(); err != nil {
		t.Fatal(err)
	}
	return s.key(number)
}

func (s store) Add(t *testing.T, a datacopy.Address, number int) string {
	return s.Change(t, a, number)
}
