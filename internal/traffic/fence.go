package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// fence says whether this process may write.
//
// A process that was stopped, or had no processor, may have been declared dead
// meanwhile: its first act must not be what it was about to do. So the loop's
// pulse is watched, and after a gap nothing is written, not even a return, until
// a save has shown that nobody else has taken over.
type fence struct {
	epoch      int64
	permission func() error
	now        func() time.Time

	mu      sync.Mutex
	stopped error
	pulse   time.Time
	absent  bool
}

// absentAfter is how long a pulse may fail. Together with a lease's renewal it
// stays below the ten seconds after which another process takes over.
const absentAfter = 5 * time.Second

// pulseEvery is how often the loop shows that it runs.
const pulseEvery = 500 * time.Millisecond

var errAbsent = errors.New("this process has been away for too long to write without asking")

// beat says that the loop runs.
func (f *fence) beat() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent = f.absent || f.missed()
	f.pulse = f.now()
}

// missed looks at both clocks: that of a machine that was suspended may only
// have stood still in one of them.
func (f *fence) missed() bool {
	if f.pulse.IsZero() {
		return false
	}
	now := f.now()
	return now.Sub(f.pulse) > absentAfter || now.Round(0).Sub(f.pulse.Round(0)).Abs() > absentAfter
}

// wasAbsent tells whether a save must show first that the migration is still
// this process's.
func (f *fence) wasAbsent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.absent
}

// confirm says that a save has shown it.
func (f *fence) confirm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent, f.pulse = false, f.now()
}

// lost fails once this process must stop for good: another has taken over, or
// the permission is gone.
func (f *fence) lost() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped == nil {
		if err := f.permission(); err != nil {
			f.stopped = fmt.Errorf("this process may not write any more: %w", err)
		}
	}
	return f.stopped
}

// allowed fails when nothing may be written now.
func (f *fence) allowed() error {
	if err := f.lost(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent = f.absent || f.missed()
	if f.absent {
		return errAbsent
	}
	return nil
}

func (f *fence) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped == nil {
		f.stopped = err
	}
}

// pass is the fence as one call of an adapter asks it.
type pass struct {
	*fence
	// check is asked, too; nil if there is nothing.
	check func() error
}

// Epoch is this process's.
func (p pass) Epoch() int64 { return p.epoch }

// Check fails when this process may not write any more.
func (p pass) Check() error {
	if p.check != nil {
		if err := p.check(); err != nil {
			return err
		}
	}
	return p.allowed()
}

// askAgain makes sure that nobody has taken over while this process was away.
func (r *run) askAgain(ctx context.Context) {
	err := r.do(ctx, saveTimeout, func(ctx context.Context) error { return r.saver.now(r.p).wait(ctx) })
	if err == nil {
		r.fence.confirm()
		r.note("went on after having been away: nobody else has taken over")
		return
	}
	r.note("not writing after having been away: " + err.Error())
	sleep(ctx, time.After(returnBackoff))
}
