package traffic

import (
	"context"
	"errors"
	"sync"
	"time"
)

// saver saves the progress beside the loop, one at a time and the newest only,
// so that a journal that does not answer holds up nothing but raises.
type saver struct {
	journal Journal
	reached func(Point)
	// done says that something was saved; lost is closed when another process has
	// taken over.
	done chan struct{}
	lost chan struct{}

	mu      sync.Mutex
	queued  *ticket
	offered Progress
	at      time.Time
	// redo: what the journal has is not known to be what was offered last.
	redo bool
	// busy: something is queued or being saved.
	busy bool
	wake chan struct{}
}

// ticket is one progress to be saved.
type ticket struct {
	p Progress
	// once: it is not tried again, since by then it may no longer be meant.
	once bool
	done chan error
}

// wait for the ticket.
func (t *ticket) wait(ctx context.Context) error {
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newSaver(journal Journal, reached func(Point), saved Progress) *saver {
	return &saver{
		journal: journal, reached: reached, offered: saved,
		done: make(chan struct{}, 1), lost: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// offer saves the progress if it says something new, or if it is time.
func (s *saver) offer(p Progress, now time.Time, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.redo && !s.offered.differs(p) && now.Sub(s.at) < every {
		return
	}
	s.queue(&ticket{p: p, done: make(chan error, 1)})
	s.redo, s.at = false, now
}

// now saves the progress as soon as possible, once.
func (s *saver) now(p Progress) *ticket {
	t := &ticket{p: p, once: true, done: make(chan error, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue(t)
	return t
}

func (s *saver) queue(t *ticket) {
	if s.queued != nil {
		s.queued.done <- errors.New("something newer was to be saved")
	}
	s.queued, s.offered, s.busy = t, t.p, true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *saver) next() *ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.queued
	s.queued = nil
	return t
}

// work saves what is queued until the context ends.
func (s *saver) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for t := s.next(); t != nil; t = s.next() {
			if !s.save(ctx, t) {
				return
			}
		}
	}
}

// save tells whether to go on.
func (s *saver) save(ctx context.Context, t *ticket) bool {
	saving, cancel := context.WithTimeout(ctx, saveTimeout)
	err := s.journal.Save(saving, t.p)
	cancel()
	if err == nil && (t.p.Phase == Reverting || t.p.Phase == Reverted) {
		s.reached(AfterReturnJournal)
	}
	t.done <- err
	s.settle(err == nil || t.once)
	switch {
	case errors.Is(err, ErrTakenOver):
		close(s.lost)
		return false
	case err != nil && t.once:
		s.mu.Lock()
		s.redo = true
		s.mu.Unlock()
	case err != nil:
		s.again(ctx, t)
	}
	return true
}

// settle says that a save has ended.
func (s *saver) settle(over bool) {
	s.mu.Lock()
	s.busy = s.queued != nil || !over
	s.mu.Unlock()
	select {
	case s.done <- struct{}{}:
	default:
	}
}

// idle tells whether the journal has what was offered last.
func (s *saver) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy && !s.redo
}

// again queues a ticket that failed, after a while, unless there is a newer one.
func (s *saver) again(ctx context.Context, t *ticket) {
	if !sleep(ctx, time.After(200*time.Millisecond)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued == nil {
		s.queue(&ticket{p: t.p, done: make(chan error, 1)})
	}
}

func (s *saver) takenOver() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// differs tells whether there is more to a newer progress than that time went by
// and guards said the same again.
func (p Progress) differs(newer Progress) bool {
	if p.Phase != newer.Phase || p.Step != newer.Step || p.Wanted != newer.Wanted ||
		!p.WantedAt.Equal(newer.WantedAt) || !p.SettledAt.Equal(newer.SettledAt) ||
		p.Approved != newer.Approved || p.HeardWords != newer.HeardWords ||
		p.LettingGo != newer.LettingGo || p.Drift != newer.Drift || p.Cause != newer.Cause {
		return true
	}
	for name, guard := range newer.Guards {
		if p.Guards[name].Last.Answer != guard.Last.Answer {
			return true
		}
	}
	return false
}

// leave saves the last progress before the process goes.
func (r *run) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if r.p.ended() {
		r.arming.disarm(ctx)
	}
	// If it fails, the next process finds out from the router.
	_ = r.Journal.Save(ctx, r.p)
}
