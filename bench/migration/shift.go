package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/guard"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// interval of guards, as the bars ask for.
const interval = 500 * time.Millisecond

// definition of the migration that is measured.
func definition(steps ...traffic.Step) traffic.Definition {
	return traffic.Definition{
		Name: "bench", Hostname: "shop.example", From: traffic.Backend{Name: "old"}, To: traffic.Backend{Name: "new"},
		Steps: steps, OnFailure: traffic.Revert, OnForeignChange: traffic.Restore, Interval: interval,
		Guards: []traffic.GuardRule{{Name: "errors", Failures: 1, Idle: true}},
	}
}

// attempt is one migration at work, under load.
type attempt struct {
	site    *site
	journal *traffic.FileJournal
	events  events
	done    chan error
	p       traffic.Progress
	stop    context.CancelFunc
}

// start runs an executor on the site.
func (s *site) start(ctx context.Context, d traffic.Definition) (*attempt, error) {
	folder, err := os.MkdirTemp(s.dir, "journal")
	if err != nil {
		return nil, err
	}
	journal, err := traffic.OpenFileJournal(folder)
	if err != nil {
		return nil, err
	}
	most := 0.01
	errors, err := guard.Router(d.Guards[0], s.router, guard.RouterConfig{MaxErrorRate: &most, Compare: true, Window: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	a := &attempt{site: s, journal: journal, done: make(chan error, 1), stop: stop}
	e := traffic.Executor{
		Definition: d, Router: s.router, Guards: []traffic.Guard{errors}, Journal: journal, Recorder: &a.events,
		Until: func(p traffic.Progress) bool { return p.Phase == traffic.Reverted || p.Phase == traffic.Finished },
	}
	go func() {
		var err error
		a.p, err = e.Run(ctx)
		a.done <- err
	}()
	return a, nil
}

// events keeps what a migration recorded.
type events struct {
	mu   sync.Mutex
	list []traffic.Event
}

// Record is part of traffic.Recorder.
func (e *events) Record(event traffic.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

// reached waits until a phase at a step was recorded, and tells when.
func (e *events) reached(ctx context.Context, phase traffic.Phase, step int) (time.Time, error) {
	for {
		e.mu.Lock()
		for _, event := range e.list {
			if event.Phase == phase && event.Step == step {
				e.mu.Unlock()
				return event.At, nil
			}
		}
		e.mu.Unlock()
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for %s at step %d: %w", phase, step+1, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// watched is a load whose outcomes are kept.
type watched struct {
	outcomes []load.Outcome
	done     chan error
	stop     context.CancelFunc
}

// attack loads the site until end is called.
func (s *site) attack(ctx context.Context, rate float64) *watched {
	ctx, stop := context.WithCancel(ctx)
	w := &watched{done: make(chan error, 1), stop: stop}
	go func() {
		_, err := load.Attack(ctx, load.Options{
			URLs: []string{s.url}, Steps: []load.Step{{Rate: rate}}, Side: load.SideHeader(sideHeader),
			Each: func(o load.Outcome) { w.outcomes = append(w.outcomes, o) },
		})
		w.done <- err
	}()
	return w
}

// end stops the load; the outcomes may then be read.
func (w *watched) end() error {
	w.stop()
	return <-w.done
}

// shift measures a clean migration: nothing may be lost.
func shift(ctx context.Context, o options) error {
	s, err := newSite(ctx)
	defer s.close()
	if err != nil {
		return err
	}
	const atOne = 20 * time.Second
	d := definition(traffic.Step{Weight: 1, Hold: atOne}, traffic.Step{Weight: 5, Hold: 3 * time.Second}, traffic.Step{Weight: 25, Hold: 3 * time.Second},
		traffic.Step{Weight: 50, Hold: 3 * time.Second}, traffic.Step{Weight: 100, Hold: 3 * time.Second})
	requests := s.attack(ctx, o.rate)
	a, err := s.start(ctx, d)
	if err != nil {
		return err
	}
	defer a.stop()
	from, err := a.events.reached(ctx, traffic.Holding, 0)
	if err != nil {
		return err
	}
	to, err := a.events.reached(ctx, traffic.Shifting, 1)
	if err != nil {
		return err
	}
	if _, err := a.events.reached(ctx, traffic.Completed, len(d.Steps)-1); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // all of it is served by the new side for a while
	if err := a.journal.Say(traffic.Word{Serial: 1, Verb: traffic.SayAbort, By: "bench", At: time.Now()}); err != nil {
		return err
	}
	if err := <-a.done; err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := requests.end(); err != nil {
		return err
	}
	return judgeShift(requests.outcomes, from, to)
}

// judgeShift counts what was lost, and how many of the requests at 1 % went to
// the new side.
func judgeShift(outcomes []load.Outcome, from, to time.Time) error {
	lost, failed, atOne, new, all := 0, 0, 0, 0, 0
	for _, o := range outcomes {
		switch {
		case o.Loss != "":
			lost++
		case o.Status >= 500:
			failed++
		}
		if o.Side == string(traffic.New) {
			all++
		}
		if o.Sent.Before(from) || o.Done.After(to) {
			continue
		}
		atOne++
		if o.Side == string(traffic.New) {
			new++
		}
	}
	if atOne == 0 || all == 0 {
		return errors.New("the new side was never asked")
	}
	low, high := traffictest.Bounds(atOne, 1)
	log.Printf("%d requests, %d of them to the new side; at 1 %%: %d of %d, chance allows %d to %d", len(outcomes), all, new, atOne, low, high)
	bar.Exactly("migration-lost-requests", float64(lost+failed), "requests", 0)
	bar.AtLeast("migration-at-1-percent", float64(new), "requests", float64(low))
	bar.AtMost("migration-at-1-percent", float64(new), "requests", float64(high))
	return nil
}
