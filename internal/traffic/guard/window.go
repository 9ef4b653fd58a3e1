package guard

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// window keeps what happened on both sides between one reading and the next, as
// far back as it is long.
type window struct {
	length time.Duration
	// last totals, and when they were read; zero before the first reading.
	last   map[traffic.Side]traffic.Counters
	lastAt time.Time
	spans  []span
}

// span is what happened between two readings.
type span struct {
	// began and ended with readings.
	began, ended time.Time
	old, new     delta
}

// delta is what happened on one side.
type delta struct {
	requests, errors int64
	latency          []traffic.LatencyBucket
}

// add takes the totals of a reading. It says how much time they cover: zero if
// there is nothing to compare them with, since they are the first, the router
// was started anew or the clock went back.
func (w *window) add(at time.Time, totals map[traffic.Side]traffic.Counters) time.Duration {
	before, beforeAt := w.last, w.lastAt
	w.last, w.lastAt = totals, at
	if before == nil || !at.After(beforeAt) {
		w.spans = nil
		return 0
	}
	w.forget(at)
	s := span{began: beforeAt, ended: at}
	var oldKnown, newKnown bool
	s.old, oldKnown = difference(before[traffic.Old], totals[traffic.Old])
	s.new, newKnown = difference(before[traffic.New], totals[traffic.New])
	if !oldKnown || !newKnown {
		return 0
	}
	w.spans = append(w.spans, s)
	w.condense()
	return at.Sub(beforeAt)
}

// forget drops what has left the window.
func (w *window) forget(now time.Time) {
	first := 0
	for first < len(w.spans) && !w.spans[first].ended.After(now.Add(-w.length)) {
		first++
	}
	w.spans = slices.Delete(w.spans, 0, first)
}

// maxSpans bounds what a long window with short intervals costs.
const maxSpans = 512

// condense joins spans of the older half two by two once there are too many: what
// is long ago need not be told apart so finely.
func (w *window) condense() {
	if len(w.spans) <= maxSpans {
		return
	}
	var joined []span
	older := w.spans[:maxSpans/2]
	for pair := range slices.Chunk(older, 2) {
		s := pair[0]
		s.ended = pair[1].ended
		s.old.add(pair[1].old)
		s.new.add(pair[1].new)
		joined = append(joined, s)
	}
	w.spans = append(joined, w.spans[len(older):]...)
}

// difference is what happened between two totals; false if one of them went
// back, because an instance of the router was started anew. How much of the sum
// was that instance's is not known, so that nothing of it counts.
func difference(before, after traffic.Counters) (delta, bool) {
	d := delta{requests: after.Requests - before.Requests, errors: after.Errors - before.Errors}
	if d.requests < 0 || d.errors < 0 || len(before.Latency) != len(after.Latency) {
		return delta{}, false
	}
	// Requests end and are counted at moments of their own.
	d.errors = min(d.errors, d.requests)
	for i, b := range after.Latency {
		count := b.Count - before.Latency[i].Count
		if count < 0 || b.Upper != before.Latency[i].Upper {
			return delta{}, false
		}
		d.latency = append(d.latency, traffic.LatencyBucket{Upper: b.Upper, Count: count})
	}
	return d, true
}

// view is the newest part of a window.
type view struct {
	spans []span
	// old and new are the sums.
	old, new delta
}

// views of the newest span, the newest two, four and so on, and the whole.
func (w *window) views() []view {
	var views []view
	for n := 1; n < len(w.spans); n *= 2 {
		views = append(views, newView(w.spans[len(w.spans)-n:]))
	}
	return append(views, newView(w.spans))
}

func newView(spans []span) view {
	v := view{spans: spans}
	for _, s := range spans {
		v.old.add(s.old)
		v.new.add(s.new)
	}
	return v
}

// length of time that the view covers.
func (v view) length() time.Duration {
	return v.spans[len(v.spans)-1].ended.Sub(v.spans[0].began).Round(100 * time.Millisecond)
}

// requests tells in words what the new side's errors are among.
func (v view) requests() string {
	return fmt.Sprintf("%d of %d requests of the new side in %s", v.new.errors, v.new.requests, v.length())
}

// strata are the errors of each moment, with the new side's share of requests
// at that moment.
func (v view) strata() []stratum {
	var strata []stratum
	for _, s := range v.spans {
		if errors := s.old.errors + s.new.errors; errors > 0 {
			strata = append(strata, stratum{errors, float64(s.new.requests) / float64(s.old.requests+s.new.requests)})
		}
	}
	return strata
}

// manyAlone is how many requests the new side must have had, and the old side
// none, for the old side to be without traffic: at a weight of 99 % that happens
// by chance once in 20 times.
const manyAlone = 300

// alone tells that the old side has no traffic any more to compare with.
func (v view) alone() bool { return v.old.requests == 0 && v.new.requests >= manyAlone }

func (d *delta) add(more delta) {
	d.requests += more.requests
	d.errors += more.errors
	if d.latency == nil {
		d.latency = slices.Clone(more.latency)
		return
	}
	for i, b := range more.latency {
		if i < len(d.latency) && d.latency[i].Upper == b.Upper {
			d.latency[i].Count += b.Count
		}
	}
}

func (d delta) errorRate() float64 {
	if d.requests == 0 {
		return 0
	}
	return float64(d.errors) / float64(d.requests)
}

// endless is the upper end of a bucket for all that is slower than the others.
const endless = time.Duration(math.MaxInt64)

// slower counts the requests that took longer than the first bucket that is not
// below bound; false where no bucket reaches so far.
func (d delta) slower(bound time.Duration) (count, total int64, ok bool) {
	for _, b := range d.latency {
		if b.Upper >= bound && b.Upper != endless {
			total = d.timed()
			return total - b.Count, total, true
		}
	}
	return 0, 0, false
}

// timed counts the requests that the buckets are about: those beyond the last
// one, too, if it has an end.
func (d delta) timed() int64 {
	last := d.latency[len(d.latency)-1]
	if last.Upper == endless {
		return last.Count
	}
	return max(last.Count, d.requests)
}

// quantile estimates from the buckets, evenly spread within each; of what is
// beyond the last end it gives that end.
func (d delta) quantile(q float64) (time.Duration, bool) {
	if len(d.latency) == 0 || d.latency[len(d.latency)-1].Count == 0 {
		return 0, false
	}
	rank := q * float64(d.latency[len(d.latency)-1].Count)
	var lower time.Duration
	var below int64
	for _, b := range d.latency {
		if b.Upper == endless {
			break
		}
		if float64(b.Count) >= rank {
			part := (rank - float64(below)) / float64(max(b.Count-below, 1))
			return lower + time.Duration(part*float64(b.Upper-lower)), true
		}
		lower, below = b.Upper, b.Count
	}
	return lower, true
}

// badSince is when the first of the new side's present errors was seen: after
// the moment that best divides the window into a better and a worse part, by
// the likelihood of the errors on both.
func (w *window) badSince() time.Time {
	before, after := delta{}, newView(w.spans).new
	best, since := math.Inf(-1), time.Time{}
	for _, s := range w.spans {
		if fit := before.fit() + after.fit(); s.new.errors > 0 && after.errorRate() >= before.errorRate() && fit > best+1e-6 {
			best, since = fit, s.ended
		}
		before.requests += s.new.requests
		before.errors += s.new.errors
		after.requests -= s.new.requests
		after.errors -= s.new.errors
	}
	return since
}

// fit is the logarithm of how likely its errors are at its own rate of errors.
func (d delta) fit() float64 {
	good := d.requests - d.errors
	return times(d.errors, d.errorRate()) + times(good, 1-d.errorRate())
}

func times(n int64, probability float64) float64 {
	if n == 0 {
		return 0
	}
	return float64(n) * math.Log(probability)
}
