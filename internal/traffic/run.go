package traffic

import (
	"context"
	"errors"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Limits of what is waited for. A raise that is journalled but not yet written
// is forgotten after intentLasts; that and a write's timeout stay below the ten
// seconds after which another process takes over.
const (
	intentLasts    = 2 * time.Second
	writeTimeout   = 7 * time.Second
	readTimeout    = 5 * time.Second
	prepareTimeout = 30 * time.Second
	saveTimeout    = 5 * time.Second
	wordsEvery     = time.Second
	// Health of the sides is asked for now and then, and before a raise unless
	// it is fresh.
	healthEvery = 30 * time.Second
	// unhealthyEvery is for a new side that is waited for.
	unhealthyEvery = 2 * time.Second
	healthLasts    = 10 * time.Second
	// A return is tried again after returnBackoff at most, and is not kept waiting
	// by a router that takes long to be read.
	returnBackoff     = 100 * time.Millisecond
	returnReadTimeout = 2 * time.Second
)

// run is one Executor at work. Its fields belong to the loop.
type run struct {
	*Executor
	d     Definition
	p     Progress
	fence *fence

	// world is what is known; readings and words are those that Next has not
	// taken yet.
	world    World
	readings []Reading
	words    []Word
	// given is the serial number of the last word of before the loop began.
	given int64

	// lookAt is when the router is to be read next, and retryAt when something
	// that failed may be tried again.
	lookAt, retryAt time.Time
	// askedHealth is when the sides' health was asked for, and written when the
	// weight was first written that is not in effect yet.
	askedHealth, written time.Time
	backoff              time.Duration

	attention *attention
	saver     *saver
	arming    arming
	inbox     chan Reading
	heard     chan []Word
	told      string
}

func newRun(e *Executor, p Progress) *run {
	with := *e
	orDefault(&with.SaveEvery, time.Second)
	if with.Permission == nil {
		with.Permission = func() error { return nil }
	}
	if with.Reached == nil {
		with.Reached = func(Point) {}
	}
	if with.Now == nil {
		with.Now = time.Now
	}
	if with.Until == nil {
		with.Until = func(p Progress) bool { return p.Phase == Finished }
	}
	r := &run{
		Executor:  &with,
		d:         with.Definition.WithDefaults(),
		p:         p,
		fence:     &fence{epoch: p.Epoch, permission: with.Permission, now: with.Now},
		attention: newAttention(),
		saver:     newSaver(with.Journal, with.Reached, p),
		inbox:     make(chan Reading, MaxGuards),
		heard:     make(chan []Word),
	}
	_, drains := with.Router.(Drainer)
	r.world = World{Router: with.Router.Describe(), Drains: drains, Health: map[Side]Health{}}
	r.arming = newArming(r)
	return r
}

// besides are the goroutines beside the loop.
func (r *run) besides() []func(context.Context) {
	all := []func(context.Context){r.listen, r.saver.work}
	for _, guard := range r.Guards {
		if rule, ok := r.ruleOf(guard); ok {
			all = append(all, func(ctx context.Context) { r.readGuard(ctx, guard, rule) })
		}
	}
	if counter, ok := r.Router.(Counter); ok && r.Recorder != nil {
		all = append(all, func(ctx context.Context) { r.recordCounters(ctx, counter) })
	}
	return all
}

func (r *run) ruleOf(guard Guard) (GuardRule, bool) {
	for _, rule := range r.d.Guards {
		if rule.Name == guard.Rule().Name {
			return rule, true
		}
	}
	return GuardRule{}, false
}

// loop looks, decides, acts and waits.
func (r *run) loop(ctx context.Context) error {
	for {
		if err := r.mayGoOn(ctx); err != nil {
			return err
		}
		if r.fence.wasAbsent() {
			r.askAgain(ctx)
			continue
		}
		if r.lookDue() {
			r.look(ctx)
		}
		next, decision := Next(r.d, r.p, r.now())
		r.tell(next, decision)
		if decision.Raise {
			r.raise(ctx, next, decision)
			continue
		}
		r.adopt(next)
		if r.Until(r.p) && r.saver.idle() {
			return nil
		}
		r.act(ctx, decision)
	}
}

// mayGoOn fails when this process must stop.
func (r *run) mayGoOn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.saver.takenOver() {
		r.fence.stop(ErrTakenOver)
	}
	r.fence.beat()
	return r.fence.lost()
}

// now is the world as Next sees it.
func (r *run) now() World {
	w := r.world
	w.Now = r.Now()
	w.Readings, w.Words = r.readings, r.words
	w.Armed, w.ArmErr = r.arming.state(w.Now)
	return w
}

// adopt makes a progress that Next gave the one that counts.
func (r *run) adopt(next Progress) {
	before := r.p.Phase
	r.recordWords(next)
	r.p = next
	r.readings, r.words = nil, nil
	r.attention.set(next)
	r.arming.follow(next)
	r.saver.offer(next, r.Now(), r.SaveEvery)
	if next.Phase == Reverting && before != Reverting {
		r.retryAt, r.backoff, r.written, r.world.WriteErr = time.Time{}, 0, time.Time{}, nil
	}
}

// act does what was decided, and then waits for something new.
func (r *run) act(ctx context.Context, decision Decision) {
	if decision.Action == DoNothing {
		r.lookWithin(decision.Wait)
		r.await(ctx, r.lookAt)
		return
	}
	if r.Now().Before(r.retryAt) {
		r.awaitRetry(ctx, decision.Urgent)
		return
	}
	var err error
	switch decision.Action {
	case DoWrite:
		err = r.write(ctx, decision, time.Time{})
	case DoPrepare:
		err = r.prepare(ctx)
	case DoDrain:
		err = r.drain(ctx, decision)
	case DoFinish:
		err = r.finish(ctx)
	}
	r.pace(err, decision)
}

// pace says when something may be tried again.
func (r *run) pace(err error, decision Decision) {
	var throttled *Throttled
	switch {
	case decision.Urgent && errors.As(err, &throttled):
		// Asking a throttled API more often makes it throttle for longer.
		r.retryAt = r.Now().Add(min(max(throttled.After, returnBackoff), time.Second))
	case decision.Urgent:
		r.backoff = min(max(2*r.backoff, 5*time.Millisecond), returnBackoff)
		r.retryAt = r.Now().Add(r.backoff)
	case errors.As(err, &throttled):
		r.retryAt = r.Now().Add(max(throttled.After, r.d.Interval))
	case err != nil, decision.Action == DoDrain:
		r.retryAt = r.Now().Add(r.d.Interval)
	case decision.Action == DoWrite:
		// Where reading lags behind writing, the write must not look lost.
		r.retryAt = r.Now().Add(min(time.Second, r.d.Interval))
	default:
		r.retryAt = time.Time{}
	}
}

// awaitRetry waits until something may be tried again, and lets the router be
// read before. A return is read back after each try anyway.
func (r *run) awaitRetry(ctx context.Context, urgent bool) {
	if !urgent {
		r.lookWithin(r.retryAt.Sub(r.Now()))
	}
	r.await(ctx, r.retryAt)
}

// raise writes a higher weight: journal first, and only while that is fresh.
func (r *run) raise(ctx context.Context, next Progress, decision Decision) {
	if now := r.Now(); now.Before(r.retryAt) {
		r.awaitRetry(ctx, false)
		return
	}
	if r.Now().Sub(r.askedHealth).Abs() >= healthLasts {
		r.askHealth(ctx)
		return // Next decides anew
	}
	r.Reached(BeforeJournal)
	began := r.Now()
	saved := r.saver.now(next)
	err := r.do(ctx, saveTimeout, func(ctx context.Context) error { return saved.wait(ctx) })
	if err != nil {
		r.note("not raising: journalling: " + err.Error())
		r.pace(err, decision)
		return
	}
	r.adopt(next)
	r.Reached(AfterJournal)
	if r.Now().Sub(began) > intentLasts {
		return // too old: Next decides anew
	}
	r.pace(r.write(ctx, decision, began.Add(intentLasts)), decision)
}

// errTooOld: the process slept between the journal and the write, and another
// may have taken over since.
var errTooOld = errors.New("what the journal says was written down too long ago")

// write writes a weight and reads it back. No instance is written after a time,
// if there is one.
func (r *run) write(ctx context.Context, decision Decision, until time.Time) error {
	before, during, after, back := BeforeWrite, DuringWrite, AfterWrite, AfterReadBack
	if decision.Urgent {
		ctx = Urgent(ctx)
		before, during, after, back = BeforeReturn, DuringReturn, AfterReturn, AfterReturnReadBack
	}
	r.Reached(before)
	if err := r.fence.allowed(); err != nil {
		return err
	}
	r.world.Weights, r.world.WeightsErr, r.world.Drained, r.world.DrainErr = nil, nil, false, nil
	if r.written.IsZero() {
		r.written = r.Now()
	}
	fence := pass{r.fence, func() error {
		r.Reached(during)
		if !until.IsZero() && r.Now().After(until) {
			return errTooOld
		}
		return nil
	}}
	err := r.do(ctx, writeTimeout, func(ctx context.Context) error {
		return r.Router.Write(ctx, decision.Weight, fence)
	})
	r.Reached(after)
	if errors.Is(err, errInterrupted) {
		return err
	}
	r.world.WriteErr = err
	r.look(ctx)
	r.Reached(back)
	return err
}

func (r *run) prepare(ctx context.Context) error {
	var preparation Preparation
	err := r.do(ctx, prepareTimeout, func(ctx context.Context) (err error) {
		preparation, err = r.Router.Prepare(ctx, pass{fence: r.fence})
		return err
	})
	r.world.Preparation, r.world.PrepareErr, r.world.PreparedAt = &preparation, err, r.Now()
	class := fault.ClassOf(err)
	r.world.Refused = err != nil && (class == fault.Invalid || class == fault.Refused || class == fault.NotFound)
	return nil // Next paces it
}

func (r *run) drain(ctx context.Context, decision Decision) error {
	drainer, ok := r.Router.(Drainer)
	if !ok {
		return errors.New("the router cannot cut sessions")
	}
	err := r.do(ctx, writeTimeout, func(ctx context.Context) error {
		return drainer.Drain(ctx, decision.Side, pass{fence: r.fence})
	})
	r.world.Drained, r.world.DrainErr = err == nil, err
	r.look(ctx)
	return err
}

func (r *run) finish(ctx context.Context) error {
	err := r.do(ctx, prepareTimeout, func(ctx context.Context) error { return r.Router.Finish(ctx, pass{fence: r.fence}) })
	r.world.LetGo, r.world.FinishErr = err == nil, err
	return err
}

// lookDue tells whether the router is to be read now.
func (r *run) lookDue() bool {
	phase := r.p.Phase
	if phase == Paused {
		phase = r.p.PausedFrom
	}
	switch phase {
	case "", Pending, Finished:
		return false
	case Preparing:
		return r.world.Preparation != nil && r.world.Preparation.Done && r.world.Weights == nil && r.world.WeightsErr == nil
	case Reverting:
		if r.world.Weights == nil && r.world.WeightsErr == nil {
			return false // write first
		}
	}
	return !r.Now().Before(r.lookAt)
}

// lookWithin makes the next look not later than that.
func (r *run) lookWithin(wait time.Duration) {
	at := r.Now().Add(max(wait, time.Millisecond))
	if !r.lookAt.After(r.Now()) || at.Before(r.lookAt) {
		r.lookAt = at
	}
}

// look reads the weights and, now and then, the sides' health.
func (r *run) look(ctx context.Context) {
	r.lookAt = r.Now().Add(max(r.d.Interval, restInterval)) // Next says when earlier
	timeout := readTimeout
	if IsUrgent(ctx) {
		timeout = returnReadTimeout
	}
	var state State
	err := r.do(ctx, timeout, func(ctx context.Context) (err error) {
		state, err = r.Router.Read(ctx)
		return err
	})
	switch {
	case errors.Is(err, errInterrupted):
		return
	case err != nil:
		r.world.Weights, r.world.WeightsErr = nil, err
		return
	}
	r.world.Weights, r.world.WeightsErr = &state, nil
	event := Event{Weights: &state}
	if !r.written.IsZero() && r.p.Wanted == r.wantedSeen(state) {
		event.Took, r.written = r.Now().Sub(r.written), time.Time{}
	}
	r.record(event)
	if !IsUrgent(ctx) && r.Now().Sub(r.askedHealth).Abs() >= r.healthAfter() {
		r.askHealth(ctx)
	}
}

// wantedSeen is the wanted weight if the state has it in effect everywhere.
func (r *run) wantedSeen(state State) Weight {
	if standing, _ := (World{Weights: &state}).stand(r.p.Wanted); standing == inEffect {
		return r.p.Wanted
	}
	return -1
}

// healthAfter is how long the sides' health is believed: for less where the new
// side's is what keeps the migration from going on.
func (r *run) healthAfter() time.Duration {
	if fresh := r.world.Health[New]; fresh.Known && !fresh.Healthy {
		return max(unhealthyEvery, r.d.Interval)
	}
	return max(healthEvery, r.d.Interval)
}

func (r *run) askHealth(ctx context.Context) {
	r.askedHealth = r.Now()
	for _, side := range []Side{Old, New} {
		var health Health
		err := r.do(ctx, readTimeout, func(ctx context.Context) (err error) {
			health, err = r.Router.Health(ctx, side)
			return err
		})
		if errors.Is(err, errInterrupted) {
			return
		}
		if err != nil {
			health = Health{Reason: err.Error()}
		}
		r.world.Health[side] = health
	}
}
