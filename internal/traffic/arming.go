package traffic

import (
	"context"
	"time"
)

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
