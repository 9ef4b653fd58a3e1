package traffic

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
)

// errInterrupted: what was under way was cancelled, since traffic must return.
var errInterrupted = errors.New("interrupted, since traffic must return")

// do runs what takes time, and cancels it when traffic must return meanwhile.
func (r *run) do(ctx context.Context, timeout time.Duration, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- op(ctx) }()
	pulse := time.NewTicker(pulseEvery)
	defer pulse.Stop()
	interrupted := false
	for {
		r.fence.beat()
		select {
		case <-pulse.C:
			continue
		case err := <-done:
			if interrupted {
				return errInterrupted
			}
			return err
		case <-r.saver.lost:
			cancel()
			<-done
			return ErrTakenOver
		case reading := <-r.inbox:
			r.take(reading)
		case words := <-r.heard:
			r.words = append(r.words, words...)
		case <-r.arming.timer.C:
			if ctx.Err() == nil { // what hangs must not seem to be alive
				r.arming.fire(ctx)
			}
			continue
		case result := <-r.arming.results:
			r.arming.took(result)
			continue
		}
		if !interrupted && r.mustReturn() {
			interrupted = true
			cancel()
		}
	}
}

// mustReturn asks what Next would say now.
func (r *run) mustReturn() bool {
	if r.p.Phase == Reverting || r.p.Phase == Reverted {
		return false
	}
	next, _ := Next(r.d, r.p, r.now())
	return next.Phase == Reverting || next.Phase == Reverted
}

// await waits until a time, or until there is something new to decide on.
func (r *run) await(ctx context.Context, until time.Time) {
	timer := time.NewTimer(max(until.Sub(r.Now()), 0))
	defer timer.Stop()
	pulse := time.NewTicker(pulseEvery)
	defer pulse.Stop()
	for {
		r.fence.beat()
		select {
		case <-pulse.C:
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-r.saver.lost:
			return
		case <-r.saver.done:
			if r.Until(r.p) {
				return
			}
		case reading := <-r.inbox:
			r.take(reading)
			return
		case words := <-r.heard:
			r.words = append(r.words, words...)
			return
		case <-r.arming.timer.C:
			r.arming.fire(ctx)
		case result := <-r.arming.results:
			r.arming.took(result)
			return
		}
	}
}

// take keeps a reading for Next.
func (r *run) take(reading Reading) {
	r.readings = append(r.readings, reading)
	r.record(Event{Reading: &reading})
}

// record hands an event to the recorder.
func (r *run) record(event Event) {
	if r.Recorder == nil {
		return
	}
	if event.At.IsZero() {
		event.At = r.Now()
	}
	if event.Phase == "" {
		event.Phase, event.Step = r.p.Phase, r.p.Step
	}
	r.Recorder.Record(event)
}

func (r *run) note(text string) { r.record(Event{Note: text}) }

// recordWords records the words that the next progress has heard.
func (r *run) recordWords(next Progress) {
	for _, word := range r.words {
		if word.Serial > r.p.HeardWords && word.Serial <= next.HeardWords {
			r.record(Event{Word: &word})
		}
	}
}

// tell records a decision, unless only its figures differ from the last one.
func (r *run) tell(next Progress, decision Decision) {
	shape := strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) || c == '.' {
			return -1
		}
		return c
	}, string(next.Phase)+string(decision.Action)+decision.Reason+strings.Join(decision.Remarks, ""))
	if shape == r.told && decision.Action == DoNothing {
		return
	}
	r.told = shape
	r.record(Event{Phase: next.Phase, Step: next.Step, Decision: &decision})
}
