package traffic

import (
	"context"
	"sync"
	"time"
)

// attention is what guards are to know about the migration: whether they are
// asked, and when a weight has come into effect.
type attention struct {
	mu      sync.Mutex
	p       Progress
	changed chan struct{}
}

func newAttention() *attention { return &attention{changed: make(chan struct{})} }

func (a *attention) set(p Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.p.Phase != p.Phase || a.p.Wanted != p.Wanted || !a.p.SettledAt.Equal(p.SettledAt) {
		close(a.changed)
		a.changed = make(chan struct{})
	}
	a.p = p
}

// await waits until the progress is as asked for.
func (a *attention) await(ctx context.Context, asked func(Progress) bool) bool {
	for {
		a.mu.Lock()
		p, changed := a.p, a.changed
		a.mu.Unlock()
		if asked(p) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// rest waits until it is time for the next reading: at the moment given, or as
// soon as a weight has settled at another moment than the one known. It gives
// the moment of the newest.
func (a *attention) rest(ctx context.Context, until <-chan time.Time, known time.Time) (time.Time, bool) {
	for {
		a.mu.Lock()
		settled, changed := a.p.SettledAt, a.changed
		a.mu.Unlock()
		if !settled.IsZero() && !settled.Equal(known) {
			return settled, true
		}
		select {
		case <-ctx.Done():
			return known, false
		case <-until:
			return known, true
		case <-changed:
		}
	}
}

// asks tells whether a guard is to be read now.
func (p Progress) asks(rule GuardRule) bool {
	return p.watched() && !(rule.Idle && p.Wanted == None)
}

// watched: guards look at the migration.
func (p Progress) watched() bool {
	phase := p.Phase
	if phase == Paused {
		phase = p.PausedFrom
	}
	switch phase {
	case Shifting, Holding, AwaitingApproval, Completed:
		return true
	}
	return false
}

// counted: the requests of both sides are worth recording.
func (p Progress) counted() bool { return p.watched() || p.Phase == Reverting || p.Phase == Reverted }

// readGuard reads a guard again and again, for as long as it is asked: at its
// interval, and once more as soon as a weight has settled, since no weight goes
// up before every guard was read at the one before it.
func (r *run) readGuard(ctx context.Context, guard Guard, rule GuardRule) {
	every, timeout := r.d.every(rule), r.d.readTimeout(rule)
	var underWay chan Reading
	var settled time.Time
	for r.attention.await(ctx, func(p Progress) bool { return p.asks(rule) }) {
		next := time.After(every)
		if underWay == nil {
			underWay = startReading(ctx, guard, timeout, r.Now())
		}
		var reading Reading
		select {
		case reading = <-underWay:
			underWay = nil
		case <-time.After(timeout + every/10):
			reading = Reading{Reason: "no answer within " + rough(timeout)}
		case <-ctx.Done():
			return
		}
		reading.Guard, reading.At = rule.Name, r.Now()
		reading.Value, reading.Reason = printable(reading.Value), printable(reading.Reason)
		select {
		case r.inbox <- reading:
		case <-ctx.Done():
			return
		}
		var goOn bool
		if settled, goOn = r.attention.rest(ctx, next, settled); !goOn {
			return
		}
	}
}

// startReading reads in a goroutine of its own, which a guard that does not end
// with its context holds up alone.
func startReading(ctx context.Context, guard Guard, timeout time.Duration, at time.Time) chan Reading {
	done := make(chan Reading, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		done <- guard.Read(ctx, at)
	}()
	return done
}

func sleep(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-until:
		return true
	}
}

// hearFirst takes what was said while nobody listened: that comes before any
// decision.
func (r *run) hearFirst(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, wordsEvery)
	defer cancel()
	r.given = r.p.HeardWords
	words, err := r.Journal.Words(ctx, r.given)
	if err == nil && len(words) > 0 {
		r.words, r.given = words, words[len(words)-1].Serial
	}
}

// listen fetches what people say.
func (r *run) listen(ctx context.Context) {
	after := r.given
	for {
		words, err := r.Journal.Words(ctx, after)
		if err == nil && len(words) > 0 {
			after = words[len(words)-1].Serial
			select {
			case r.heard <- words:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-r.Wake:
		case <-time.After(min(wordsEvery, r.d.Interval)):
		}
	}
}

// recordCounters records what both sides served, for evidence.
func (r *run) recordCounters(ctx context.Context, counter Counter) {
	for r.attention.await(ctx, Progress.counted) {
		next := time.After(r.d.Interval)
		asking, cancel := context.WithTimeout(ctx, readTimeout)
		counters, err := counter.Counters(asking)
		cancel()
		if err == nil {
			r.Recorder.Record(Event{At: r.Now(), Counters: counters})
		}
		if !sleep(ctx, next) {
			return
		}
	}
}
