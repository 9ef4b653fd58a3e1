package load

import (
	"math"
	"sort"
	"time"
)

// plan knows when each request is due. It is pure.
type plan struct {
	steps []planned
	// requests of all steps, and how long they take; of an endless plan there
	// is no end.
	requests int64
	length   time.Duration
	endless  bool
}

// planned is a step with its place in the whole.
type planned struct {
	Step
	// first request, counted from 0, and when the step begins.
	first int64
	begin time.Duration
}

func newPlan(steps []Step) (plan, error) {
	var p plan
	for i, s := range steps {
		last := i == len(steps)-1
		switch {
		case !(s.Rate > 0) || s.Rate > MaxRate:
			return plan{}, invalid("", "step %d: the rate %g is not over 0 and up to %d requests a second", i+1, s.Rate, MaxRate)
		case s.For < 0 || s.For == 0 && !last:
			return plan{}, invalid("Only the last step may go on until it is interrupted.", "step %d: it lasts %s", i+1, s.For)
		case p.length+s.For > maxDuration:
			return plan{}, invalid("", "step %d: it ends after more than %s", i+1, maxDuration)
		}
		// Request n of a step is due n/rate after its beginning: as many are due
		// before its end.
		p.steps = append(p.steps, planned{Step: s, first: p.requests, begin: p.length})
		p.requests += int64(math.Ceil(s.Rate*s.For.Seconds() - 1e-9))
		p.length += s.For
		p.endless = s.For == 0
	}
	return p, nil
}

// step is the index of the step that request n belongs to.
func (p plan) step(n int64) int {
	return sort.Search(len(p.steps), func(i int) bool { return p.steps[i].first > n }) - 1
}

// due is how long after the start request n is due; false where there is no
// such request.
func (p plan) due(n int64) (time.Duration, bool) {
	if n >= p.requests && !p.endless {
		return 0, false
	}
	s := p.steps[p.step(n)]
	return s.begin + time.Duration(float64(n-s.first)/s.Rate*float64(time.Second)), true
}

// before is how many requests are due before that time.
func (p plan) before(elapsed time.Duration) int64 {
	if !p.endless && elapsed >= p.length {
		return p.requests
	}
	i := sort.Search(len(p.steps), func(i int) bool { return p.steps[i].begin > elapsed }) - 1
	s := p.steps[i]
	return s.first + int64(math.Ceil((elapsed-s.begin).Seconds()*s.Rate-1e-9))
}
