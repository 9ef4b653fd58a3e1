package objective

import "time"

// Burn follows how much of an error budget is spent from a moment on, by a change
// that is to spend no more than a part of it. It belongs to one goroutine.
type Burn struct {
	since time.Time
	// before is what was bad already, at the first look, in slices that began
	// before the moment; nil before the first look.
	before map[time.Time]int64
}

// NewBurn follows from since on. Of the slice that since is in, what was counted
// until the first look is not held against the change.
func NewBurn(since time.Time) *Burn { return &Burn{since: since} }

// Spent is the part of the budget that was spent since, in percent, given the
// budget that the same spans leave: see Verdict.
func (b *Burn) Spent(spans []Span, budgetLeft float64) float64 {
	if b.before == nil {
		b.before = map[time.Time]int64{}
		for _, s := range spans {
			if s.Start.Before(b.since) {
				b.before[s.Start.UTC()] = s.Total - s.Good
			}
		}
	}
	var bad, since int64
	for _, s := range spans {
		bad += s.Total - s.Good
		since += max(s.Total-s.Good-b.before[s.Start.UTC()], 0)
	}
	if bad == 0 {
		return 0
	}
	return (100 - budgetLeft) * float64(since) / float64(bad)
}
