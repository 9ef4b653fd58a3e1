package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
)

const (
	// killScale is how much smaller the data are than those of the other bars.
	killScale = 0.05
)

var (
	// program is the landfall that is killed, gateway the S3 server meanwhile.
	program, gateway string
	// kills of each kind of store.
	kills int
)

// victim is a pair of stores whose copy is killed.
type victim struct {
	kind     string
	from, to string
	// options are of the copy.
	options []string
	// clear empties the target.
	clear func(context.Context) error
}

// killing is a part of the benchmark: it kills copies of one kind of store with
// SIGKILL at random moments and asks for them again. In the end both sides must
// be equal, and no more than one chunk of each worker done twice.
func killing(one func(ctx context.Context, dir string, scale float64) error) func(context.Context, string, int, float64) error {
	return func(ctx context.Context, dir string, _ int, scale float64) error {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("killing copies: run from the repository, after `make build`: %w", err)
		}
		return one(ctx, filepath.Join(dir, "kill"), scale*killScale)
	}
}

func killMySQL(ctx context.Context, dir string, scale float64) error {
	b, err := setUpMySQL(ctx, dir, scale)
	if b != nil {
		defer b.stop()
	}
	if err != nil {
		return err
	}
	return victim{kind: "mysql", from: b.source.url(), to: b.target.url(), clear: func(ctx context.Context) error {
		return b.target.sql(ctx, "", "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4")
	}}.measure(ctx, dir)
}

func killRedis(ctx context.Context, dir string, scale float64) error {
	source, target, stop, err := startRedisPair(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	if err := source.fill(ctx, int(redisKeys*scale)); err != nil {
		return err
	}
	// Either way of reading goes on differently after a crash.
	for kind, way := range map[string]string{"redis": "scan", "redis-snapshot": "replication"} {
		v := victim{
			kind: kind, from: source.url(), to: target.url(), options: []string{"--option", "redis.read-by=" + way},
			clear: func(ctx context.Context) error { return target.client.FlushAll(ctx).Err() },
		}
		if err := v.measure(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

func killS3(ctx context.Context, dir string, scale float64) error {
	source, err := startVersityGW(ctx, gateway, filepath.Join(dir, "s3-source"))
	if err != nil {
		return err
	}
	defer source.stop()
	target, err := startVersityGW(ctx, gateway, filepath.Join(dir, "s3-target"))
	if err != nil {
		return err
	}
	defer target.stop()
	if err := source.fill(ctx, scale); err != nil {
		return err
	}
	const bucket = "copied"
	made := false
	return victim{kind: "s3", from: source.url("source"), to: target.url(bucket), clear: func(ctx context.Context) error {
		if made {
			if err := target.remove(ctx, bucket); err != nil {
				return err
			}
		}
		made = true
		return target.make(ctx, bucket)
	}}.measure(ctx, dir)
}

// measure kills, asks again, and judges.
func (v victim) measure(ctx context.Context, dir string) error {
	whole, err := v.undisturbed(ctx, dir)
	if err != nil {
		return err
	}
	equal, excess, died := 0, 0, 0
	for i := range kills {
		if err := v.clear(ctx); err != nil {
			return err
		}
		state := filepath.Join(dir, fmt.Sprintf("state-%s-%d", v.kind, i))
		killed, err := v.kill(ctx, state, time.Duration(rand.Int64N(int64(whole))))
		if err != nil {
			return err
		}
		if killed {
			died++
		}
		end, err := v.resume(ctx, state)
		if err != nil {
			log.Printf("kill: %s %d: %v", v.kind, i, err)
			continue
		}
		if end.Answer() == datacopy.Equal {
			equal++
		}
		excess = max(excess, twice(end))
	}
	bar.Figure(v.kind+"-undisturbed", whole.Seconds(), "s")
	bar.Figure(v.kind+"-killed", float64(died), "times")
	bar.Exactly(v.kind+"-killed-and-resumed-equal", float64(equal), "copies", float64(kills))
	bar.AtMost(v.kind+"-chunks-twice-beyond-one-a-worker", float64(excess), "chunks", 0)
	return nil
}

// resume asks again, unless the kill came when all was done and written down.
func (v victim) resume(ctx context.Context, state string) (batch.State, error) {
	found, err := filepath.Glob(filepath.Join(state, "landfall", "copies", "*", batch.StateFile))
	if err == nil && len(found) == 1 {
		var end batch.State
		if text, err := os.ReadFile(found[0]); err == nil && json.Unmarshal(text, &end) == nil && end.Phase == batch.PhaseSucceeded {
			return end, nil
		}
	}
	return v.copy(ctx, state)
}

// twice is how many chunks were done again beyond one of each worker.
func twice(state batch.State) int {
	excess := 0
	for _, store := range state.Stores {
		if store.Outcome == nil || store.Outcome.Result == nil {
			continue
		}
		repeated := 0
		for _, unit := range store.Outcome.Result.Units {
			repeated += unit.Repeated
		}
		excess = max(excess, repeated-store.Outcome.Result.Workers)
	}
	return excess
}

// undisturbed is how long a copy takes.
func (v victim) undisturbed(ctx context.Context, dir string) (time.Duration, error) {
	if err := v.clear(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	_, err := v.copy(ctx, filepath.Join(dir, "state-"+v.kind))
	return time.Since(began), err
}

// command is the copy as a person asks for it.
func (v victim) command(ctx context.Context, state string) *exec.Cmd {
	args := append([]string{"data", "copy", "--from", v.from, "--to", v.to, "-o", "json"}, v.options...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
	return cmd
}

// kill starts a copy and kills it after a while; a copy that was quicker is no
// failure.
func (v victim) kill(ctx context.Context, state string, after time.Duration) (bool, error) {
	cmd := v.command(ctx, state)
	if err := cmd.Start(); err != nil {
		return false, err
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true, nil
	}
	return false, err
}

func (v victim) copy(ctx context.Context, state string) (batch.State, error) {
	var out, errs bytes.Buffer
	var end batch.State
	cmd := v.command(ctx, state)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return end, fmt.Errorf("copying: %w: %s", err, errs.String())
	}
	return end, json.Unmarshal(out.Bytes(), &end)
}
