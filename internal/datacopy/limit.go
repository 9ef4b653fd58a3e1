package datacopy

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limiter holds workers of one copy back: to a rate of bytes, and while the
// source is under load. Safe for concurrent use; nil limits nothing.
type Limiter struct {
	rate   *rate.Limiter
	waited atomic.Int64
	// busy is not nil while the source is under load; it is closed afterwards.
	busy atomic.Pointer[chan struct{}]
}

// NewLimiter makes a limiter; bytesPerSecond 0 means no limit.
func NewLimiter(bytesPerSecond int64) *Limiter {
	l := &Limiter{}
	if bytesPerSecond > 0 {
		// A tenth of a second at once: smooth, yet few wake-ups.
		l.rate = rate.NewLimiter(rate.Limit(bytesPerSecond), max(int(bytesPerSecond/10), 1))
	}
	return l
}

// Wait returns when n more bytes may be read, or with the error of ctx.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	if l == nil {
		return ctx.Err()
	}
	began := time.Now()
	waited := false
	if busy := l.busy.Load(); busy != nil {
		waited = true
		select {
		case <-*busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for l.rate != nil && n > 0 {
		waited = true
		part := min(n, l.rate.Burst())
		if err := l.rate.WaitN(ctx, part); err != nil {
			return err
		}
		n -= part
	}
	if waited {
		l.waited.Add(int64(time.Since(began)))
	}
	return ctx.Err()
}

// Waited is how long workers together were held back.
func (l *Limiter) Waited() time.Duration {
	if l == nil {
		return 0
	}
	return time.Duration(l.waited.Load())
}

// Guard looks at the source every interval until ctx ends, and holds workers
// back while look says that it is under load. A look that fails holds nobody
// back: the copy itself will tell what is wrong.
func (l *Limiter) Guard(ctx context.Context, interval time.Duration, look func(context.Context) (loaded bool, err error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	defer l.setBusy(false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			loaded, err := look(ctx)
			l.setBusy(loaded && err == nil)
		}
	}
}

func (l *Limiter) setBusy(busy bool) {
	now := l.busy.Load()
	switch {
	case busy && now == nil:
		gate := make(chan struct{})
		l.busy.Store(&gate)
	case !busy && now != nil:
		l.busy.Store(nil)
		close(*now)
	}
}
