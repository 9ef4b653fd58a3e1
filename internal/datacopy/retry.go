package datacopy

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Retry tries things again that may pass. The zero value tries a few times
// within about a minute. Safe for concurrent use.
type Retry struct {
	// Attempts in all, 0 is 8.
	Attempts int
	// First is the pause before the second attempt, 0 is 250 ms; each further
	// one is twice as long, up to Longest (0 is 15 s), a quarter less or more.
	First, Longest time.Duration
	// Passing says that an error may pass. Nil means that all may.
	Passing func(error) bool
	// Count is increased for each repetition, when it is not nil.
	Count *atomic.Int64
}

// Do calls do until it succeeds, fails for good, or ctx ends, and gives the
// last error. The number of earlier attempts is passed to it.
func (r Retry) Do(ctx context.Context, do func(attempt int) error) error {
	attempts, pause, longest := r.Attempts, r.First, r.Longest
	if attempts == 0 {
		attempts = 8
	}
	if pause == 0 {
		pause = 250 * time.Millisecond
	}
	if longest == 0 {
		longest = 15 * time.Second
	}
	for attempt := 0; ; attempt++ {
		err := do(attempt)
		if err == nil || ctx.Err() != nil || attempt+1 >= attempts || (r.Passing != nil && !r.Passing(err)) {
			return err
		}
		if r.Count != nil {
			r.Count.Add(1)
		}
		jittered := time.Duration(float64(pause) * (0.75 + rand.Float64()/2))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(jittered):
		}
		pause = min(2*pause, longest)
	}
}
