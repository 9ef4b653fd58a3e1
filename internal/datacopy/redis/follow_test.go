package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestFollowsUntilCutover(t *testing.T) {
	from, to := startRedis(t, "--notify-keyspace-events", "EA"), startRedis(t)
	source, target := open(t, from), open(t, to)
	fill(t, source, "")
	req := datacopy.Request{From: from, To: to, StopWrites: true}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	cutover, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := redis.New().Follow(t.Context(), req, outcome.Plan, &datacopy.MemoryJournal{}, cutover, progress.Discard)
		ended <- err
	}()
	ctx := t.Context()
	source.Set(ctx, "text", "changed", 0)
	source.Del(ctx, "number")
	source.HSet(ctx, "large hash", "field 5", "changed")
	source.RPush(ctx, "new list", "a", "b")
	eventually(t, "changes arrive", func() bool {
		return target.Get(ctx, "text").Val() == "changed" && target.Exists(ctx, "number").Val() == 0 &&
			target.HGet(ctx, "large hash", "field 5").Val() == "changed" && target.LLen(ctx, "new list").Val() == 2
	})
	for i := range 2000 {
		source.Set(ctx, fmt.Sprintf("late:%d", i), i, 0)
	}
	close(cutover)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	report, err := redis.New().Verify(ctx, req, outcome.Plan, nil, progress.Discard)
	if err != nil || report.Answer() != datacopy.Equal {
		t.Errorf("after the cutover: %+v, %v", report, err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := source.Set(short, "after", "1", 0).Err(); err == nil {
		t.Error("the source takes writes after the cutover")
	}
}

func TestFollowingNeedsNotifications(t *testing.T) {
	req := datacopy.Request{From: startRedis(t), To: startRedis(t)}
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = redis.New().Follow(t.Context(), req, plan, nil, nil, progress.Discard)
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("following a source that tells nothing: %v, want a refusal", err)
	}
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	req := datacopy.Request{From: startRedis(t, "--notify-keyspace-events", "EA"), To: startRedis(t)}
	plan, err := redis.New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := redis.New().Follow(ctx, req, plan, nil, nil, progress.Discard); err != nil {
		t.Errorf("ending as told: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("ending took %s", took)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("%s: not within 30 s", what)
}
