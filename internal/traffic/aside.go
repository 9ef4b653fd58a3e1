package traffic

import (
	"context"
	"sync"
	"time"
)

// attention is what guards are to know about the migration: whether they are
// asked.
type attention struct {
	mu      sync.Mutex
	p       Progress
	changed chan struct{}
}

func newAttention() *attention { return &attention{changed: make(chan struct{})} }

func (a *attention) set(p Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.p.Phase != p.Phase || a.p.Wanted != p.Wanted {
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

// readGuard reads a guard again and again, for as long as it is asked.
func (r *run) readGuard(ctx context.Context, guard Guard, rule GuardRule) {
	every, timeout := r.d.every(rule), r.d.readTimeout(rule)
	var underWay chan Reading
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
		if !sleep(ctx, next) {
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

// arming tells the dead man that Landfall is alive. It is driven by the loop: a
// loop that hangs is not alive.
type arming struct {
	watched Watched
	silence time.Duration
	fence   *fence
	now     func() time.Time

	timer   *time.Timer
	results chan armed
	// wanted is what the dead man is to be told, once begun.
	wanted time.Duration
	begun  bool
	// told is the last call that succeeded, and err why the last one did not.
	told armed
	err  error
}

// armed is one call and its outcome.
type armed struct {
	at      time.Time
	silence time.Duration
	err     error
}

func newArming(r *run) arming {
	a := arming{silence: r.d.DeadMan, fence: r.fence, now: r.Now, timer: time.NewTimer(time.Hour), results: make(chan armed, 1)}
	a.timer.Stop()
	if watched, ok := r.Router.(Watched); ok && r.d.DeadMan > 0 {
		a.watched = watched
	}
	return a
}

// follow arms while traffic is on its way and disarms when it has arrived.
func (a *arming) follow(p Progress) {
	if a.watched == nil {
		return
	}
	wanted := time.Duration(0)
	if p.Phase == Reverting || p.watched() && !p.ended() {
		wanted = a.silence
	} else if !p.ended() {
		return
	}
	if wanted != a.wanted || !a.begun {
		a.wanted, a.begun = wanted, true
		a.timer.Reset(0)
	}
}

// fire calls the dead man in a goroutine of its own.
func (a *arming) fire(ctx context.Context) {
	at, silence := a.now(), a.wanted
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.silence/4)
		defer cancel()
		err := a.watched.Arm(ctx, silence, pass{fence: a.fence})
		a.results <- armed{at: at, silence: silence, err: err}
	}()
}

// took hears how that went, and says when to call again.
func (a *arming) took(result armed) {
	a.err = result.err
	if result.err == nil {
		a.told = result
	}
	switch {
	case result.err != nil:
		a.timer.Reset(min(time.Second, a.silence/10))
	case result.silence != a.wanted:
		a.timer.Reset(0)
	case a.wanted > 0:
		a.timer.Reset(a.silence / 4)
	}
}

// state tells whether the dead man has heard of us lately.
func (a *arming) state(now time.Time) (bool, error) {
	return a.told.silence > 0 && now.Sub(a.told.at) < a.silence/2, a.err
}

// disarm says that the dead man may go, before this process does.
func (a *arming) disarm(ctx context.Context) {
	if a.watched == nil || !a.told.at.IsZero() && a.told.silence == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	// If it fails, traffic returns to the old side, which is safe; there is
	// nobody to tell any more.
	_ = a.watched.Arm(ctx, 0, pass{fence: a.fence})
}
