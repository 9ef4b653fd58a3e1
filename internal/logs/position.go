package logs

import "time"

// Position remembers how far a container's output was read, so that reading
// goes on after a break without loss or repetition. The log API resumes at
// whole seconds only, and lines may share a nanosecond; so the lines of the
// last second are counted. The zero value is the beginning. 24 bytes a
// container, whatever its output.
type Position struct {
	// First is the time of the first line in the second of the last one.
	First int64 `json:"first"`
	// Last is the time of the last line.
	Last int64 `json:"last"`
	// Count of lines from First to Last, both included.
	Count int64 `json:"count"`
}

// Begun says whether any line was read.
func (p *Position) Begun() bool { return p.Count > 0 }

// Note takes the next line's time.
func (p *Position) Note(at int64) {
	switch second := at / int64(time.Second); {
	case p.Count == 0 || second > p.First/int64(time.Second):
		p.First, p.Count = at, 1
	case second < p.First/int64(time.Second):
		return // from another thread of the container; asking again will not give it
	default:
		p.Count++
	}
	p.Last = at
}

// Since is the whole second to ask from when reading goes on.
func (p *Position) Since() time.Time { return time.Unix(p.First/int64(time.Second), 0).UTC() }

// Resumption drops what was seen already from output that was asked for again
// from Position.Since on. Make it with Position.Resume.
type Resumption struct {
	from  Position
	seen  int64
	state resumeState
	// replaced: not reaching back is no gap.
	replaced bool
}

type resumeState int

const (
	resumeThrough  resumeState = iota // everything is new
	resumeStart                       // no line yet
	resumeCounting                    // the second's first line was there: drop as many as were seen
	resumeByTime                      // the log starts within the second: drop by time
)

// Resume begins to go on from p.
func (p Position) Resume() Resumption {
	if !p.Begun() {
		return Resumption{}
	}
	return Resumption{from: p, state: resumeStart}
}

// Take says whether the line of this time is new, and whether lines before it
// may be missing: the log no longer reaches back to what was seen last.
func (r *Resumption) Take(at int64) (fresh, gap bool) {
	if r.state == resumeStart {
		switch {
		case at == r.from.First:
			r.state = resumeCounting
		case at > r.from.Last:
			r.state = resumeThrough
			return true, !r.replaced
		default:
			r.state = resumeByTime
		}
	}
	switch r.state {
	case resumeCounting:
		if r.seen < r.from.Count {
			r.seen++
			return false, false
		}
		r.state = resumeThrough
	case resumeByTime:
		if at <= r.from.Last {
			return false, false
		}
		r.state = resumeThrough
	}
	return true, false
}
