package load

import (
	"maps"
	"net/url"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Live is how far a load is.
type Live struct {
	Elapsed time.Duration
	// Length of the whole; 0 where it has no end.
	Length time.Duration
	// Step that is under way, and its rate.
	Step int
	Rate float64
	// Requests that came to their end, and what came of them.
	Requests, Errors, Lost int64
	// InFlight are due and have not come to their end.
	InFlight int64
	// Last is the newest second whose requests have all come to their end.
	Last Second
}

// tally counts outcomes. It belongs to one goroutine.
type tally struct {
	options Options
	plan    plan
	start   time.Time
	ended   time.Time

	finished  int64 // requests that came to their end, given up ones included
	abandoned int64
	total     *counts
	steps     []*counts
	sides     map[string]*counts
	seconds   []*second
	newest    int // index of the newest whole second, or -1
	lost      []LostRequest
}

// maxLost bounds the lost requests that are kept one by one.
const maxLost = 1000

// leadIn lets the first request be made when it is due.
const leadIn = 5 * time.Millisecond

func newTally(o Options, p plan) *tally {
	t := &tally{options: o, plan: p, start: time.Now().Add(leadIn), total: newCounts(), sides: map[string]*counts{}, newest: -1}
	for range p.steps {
		t.steps = append(t.steps, newCounts())
	}
	return t
}

// run counts until there are no more outcomes.
func (t *tally) run(outcomes <-chan Outcome) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case o, open := <-outcomes:
			if !open {
				t.ended = time.Now()
				return
			}
			t.add(o)
			if t.options.Each != nil {
				t.options.Each(o)
			}
		case now := <-ticker.C:
			if t.options.Live != nil {
				t.options.Live(t.live(now))
			}
		}
	}
}

func (t *tally) add(o Outcome) {
	t.finished++
	second := t.second(o)
	second.missing--
	if o.Loss == Abandoned {
		t.abandoned++
		return
	}
	side := t.sideOf(o)
	latency := t.latency(o)
	for _, c := range []*counts{t.total, t.steps[o.Step], t.sides[side]} {
		c.add(o, latency)
	}
	second.add(o, side, latency)
	t.keepLost(o)
}

// maxSides and maxSideName bound what a site can have us keep by naming a side
// of its own in each answer.
const (
	maxSides    = 50
	maxSideName = 100
)

// sideOf is the side that the request counts for.
func (t *tally) sideOf(o Outcome) string {
	side := o.Side[:min(len(o.Side), maxSideName)]
	switch {
	case side == "":
		side = NoSide
	case t.sides[side] == nil && len(t.sides) >= maxSides:
		side = OtherSides
	}
	if t.sides[side] == nil {
		t.sides[side] = newCounts()
	}
	return side
}

// latency of a lost request is no less than the timeout.
func (t *tally) latency(o Outcome) time.Duration {
	if o.Lost() {
		return max(o.Latency(), t.options.Timeout)
	}
	return o.Latency()
}

func (t *tally) keepLost(o Outcome) {
	if !o.Lost() || len(t.lost) == maxLost {
		return
	}
	t.lost = append(t.lost, LostRequest{
		Due: o.Due, Done: o.Done, URL: shown(t.options.URLs[o.Target]), Loss: o.Loss, Cause: o.Cause, Side: o.Side,
	})
}

// shown is the URL without its password.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// second is the one the request was due in; all before it exist, too.
func (t *tally) second(o Outcome) *second {
	i := int(o.Due.Sub(t.start) / time.Second)
	for len(t.seconds) <= i {
		from := time.Duration(len(t.seconds)) * time.Second
		t.seconds = append(t.seconds, &second{
			missing: t.plan.before(from+time.Second) - t.plan.before(from), sides: map[string]*moment{},
		})
	}
	s := t.seconds[i]
	if s.missing == 1 { // this one
		t.newest = max(t.newest, i)
	}
	return s
}

func (t *tally) live(now time.Time) Live {
	elapsed := now.Sub(t.start)
	if !t.plan.endless {
		elapsed = min(elapsed, t.plan.length)
	}
	elapsed = max(elapsed, 0)
	due := t.plan.before(elapsed)
	step := t.plan.step(max(due-1, 0))
	l := Live{
		Elapsed: elapsed, Step: step, Rate: t.plan.steps[step].Rate, InFlight: max(due-t.finished, 0),
		Requests: t.total.Requests, Errors: t.total.Errors, Lost: t.total.Lost,
	}
	if !t.plan.endless {
		l.Length = t.plan.length
	}
	if t.newest >= 0 {
		l.Last = t.secondAt(t.newest)
	}
	return l
}

func (t *tally) summary(interrupted bool) *Summary {
	s := &Summary{
		Method: t.options.Method, Started: t.start, Ended: t.ended, Interrupted: interrupted, Abandoned: t.abandoned,
		Total: t.total.figures(), Sides: map[string]Figures{}, Seconds: []Second{}, Lost: t.lost,
	}
	for _, raw := range t.options.URLs {
		s.URLs = append(s.URLs, shown(raw))
	}
	for i, c := range t.steps {
		if began := t.plan.steps[i].begin; c.Requests > 0 {
			s.Steps = append(s.Steps, StepSummary{
				Rate: t.plan.steps[i].Rate, Began: t.start.Add(began), Length: t.length(i), Figures: c.figures(),
				Late: time.Duration(c.late.ValueAtQuantile(99)) * time.Microsecond,
			})
		}
	}
	for side, c := range t.sides {
		s.Sides[side] = c.figures()
	}
	for i := range t.seconds {
		s.Seconds = append(s.Seconds, t.secondAt(i))
	}
	return s
}

// length is how long step i went on: less than planned if interrupted.
func (t *tally) length(i int) time.Duration {
	s := t.plan.steps[i]
	whole := t.ended.Sub(t.start) - s.begin
	if s.For == 0 {
		return whole
	}
	return min(s.For, whole)
}

func (t *tally) secondAt(i int) Second {
	s := Second{At: t.start.Add(time.Duration(i) * time.Second), Sides: map[string]Moment{}}
	for side, m := range t.seconds[i].sides {
		s.Sides[side] = m.moment()
	}
	return s
}

// counts are figures that grow.
type counts struct {
	Figures
	latency, late *hdrhistogram.Histogram
}

// Histograms hold microseconds up to an hour with three digits.
const maxLatency = time.Hour

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

func newCounts() *counts {
	return &counts{
		Figures: Figures{Statuses: map[int]int64{}, Losses: map[Loss]int64{}}, latency: newHistogram(), late: newHistogram(),
	}
}

func (c *counts) add(o Outcome, latency time.Duration) {
	c.Requests++
	c.Resent += int64(o.Resent)
	c.Bytes += o.Bytes
	switch {
	case o.Lost():
		c.Lost++
		c.Losses[o.Loss]++
	default:
		c.Answered++
		c.Statuses[o.Status]++
		if o.Bad() {
			c.Errors++
		}
	}
	record(c.latency, latency)
	record(c.late, o.Late())
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Within the bounds it cannot fail.
	_ = h.RecordValue(min(max(d, 0), maxLatency).Microseconds())
}

func (c *counts) figures() Figures {
	at := func(percentile float64) time.Duration {
		return time.Duration(c.latency.ValueAtPercentile(percentile)) * time.Microsecond
	}
	f := c.Figures
	f.Statuses, f.Losses = maps.Clone(f.Statuses), maps.Clone(f.Losses)
	f.Latency = Latency{
		Mean: time.Duration(c.latency.Mean()) * time.Microsecond,
		P50:  at(50), P90: at(90), P95: at(95), P99: at(99), P999: at(99.9), Max: at(100),
	}
	return f
}
