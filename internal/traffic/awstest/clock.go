package awstest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// step is how far the clock moves at once, so that what happens in between
// happens.
const step = time.Second

// Clock goes as the real one does, and on top of it as far as it is moved on.
type Clock struct {
	mu     sync.Mutex
	ahead  time.Duration
	ticked []func()
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	for d > 0 {
		c.mu.Lock()
		c.ahead += min(d, step)
		ticked := c.ticked
		c.mu.Unlock()
		for _, f := range ticked {
			f()
		}
		d -= step
	}
}

// onTick calls f after each step that the clock is moved on.
func (c *Clock) onTick(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticked = append(c.ticked, f)
}

// bucket is a limit of requests by the account's clock; nil lets all through.
type bucket struct {
	clock *Clock
	rate  *rate.Limiter
}

func newBucket(clock *Clock, on bool, b awsaccount.Bucket) *bucket {
	if !on {
		return nil
	}
	return &bucket{clock: clock, rate: rate.NewLimiter(rate.Limit(b.Second), b.Burst)}
}

// take refuses what is above the limit.
func (b *bucket) take(n int) error {
	if b == nil || b.rate.AllowN(b.clock.Now(), n) {
		return nil
	}
	return refuse("Throttling", "Rate exceeded")
}
