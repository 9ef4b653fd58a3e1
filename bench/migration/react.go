package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// react breaks the new side at 10 % and measures for how long users get its bad
// answers.
func react(ctx context.Context, o options) error {
	var reactions []time.Duration
	bad := 0
	for turn := range o.turns {
		took, answers, err := breakOnce(ctx, o)
		if err != nil {
			return err
		}
		log.Printf("turn %d: %s, %d bad answers", turn+1, took.Round(time.Millisecond), answers)
		reactions = append(reactions, took)
		bad += answers
	}
	bar.AtMost("migration-reaction", slices.Max(reactions).Seconds(), "s", 1)
	bar.Figure("migration-reaction-median", bar.Median(reactions).Seconds(), "s")
	bar.Figure("migration-bad-answers", float64(bad)/float64(o.turns), "a turn")
	// What the peers document, with the same settings: an interval of 500 ms
	// and one failure. Flagger looks every 10 s at most often
	// (api/v1beta1, GetAnalysisInterval) and rolls back after interval x
	// threshold; Argo Rollouts gives up a metric after 4 consecutive errors, 10 s
	// apart (spec.metrics.consecutiveErrorLimit).
	bar.Figure("migration-reaction-flagger-nominal", (1 * 10 * time.Second).Seconds(), "s")
	bar.Figure("migration-reaction-argo-rollouts-nominal", (4 * 10 * time.Second).Seconds(), "s")
	return nil
}

// breakOnce gives the time from the first bad answer to the last one.
func breakOnce(ctx context.Context, o options) (time.Duration, int, error) {
	s, err := newSite(ctx)
	defer s.close()
	if err != nil {
		return 0, 0, err
	}
	requests := s.attack(ctx, o.rate)
	a, err := s.start(ctx, definition(traffic.Step{Weight: 10, Hold: time.Minute}, traffic.Step{Weight: 100}))
	if err != nil {
		return 0, 0, err
	}
	defer a.stop()
	if _, err := a.events.reached(ctx, traffic.Holding, 0); err != nil {
		return 0, 0, err
	}
	// Anywhere between two looks of the guard, after enough good answers that
	// bad ones have to be told from them.
	time.Sleep(3*time.Second + rand.N(interval))
	s.broken.Store(true)
	select {
	case err := <-a.done:
		if err != nil {
			return 0, 0, err
		}
	case <-time.After(time.Minute):
		return 0, 0, errors.New("the migration did not return within a minute")
	}
	time.Sleep(2 * time.Second) // whatever is still sent there would be seen
	if err := requests.end(); err != nil {
		return 0, 0, err
	}
	return judgeReaction(requests.outcomes)
}

func judgeReaction(outcomes []load.Outcome) (time.Duration, int, error) {
	var first, last time.Time
	bad := 0
	for _, o := range outcomes {
		if o.Loss != "" {
			return 0, 0, fmt.Errorf("a request was lost: %s", o.Cause)
		}
		if o.Status < 500 {
			continue
		}
		bad++
		if first.IsZero() || o.Done.Before(first) {
			first = o.Done
		}
		if o.Done.After(last) {
			last = o.Done
		}
	}
	if bad == 0 {
		return 0, 0, errors.New("no bad answer was seen: the load does not meet the broken side")
	}
	return last.Sub(first), bad, nil
}
