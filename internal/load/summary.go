package load

import (
	"encoding/json"
	"time"
)

// Summary is what came of a load. In JSON all durations are in seconds.
type Summary struct {
	URLs   []string `json:"urls"`
	Method string   `json:"method"`
	// Started is when the first request was due, Ended when the last one had
	// come to its end.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Interrupted before the last step had ended; Abandoned are the requests
	// that were given up then. Nothing else counts them.
	Interrupted bool  `json:"interrupted,omitempty"`
	Abandoned   int64 `json:"abandoned,omitempty"`

	Total Figures       `json:"total"`
	Steps []StepSummary `json:"steps"`
	// Sides by their names; requests that were lost, or whose answer does not
	// say its side, are under NoSide.
	Sides map[string]Figures `json:"sides"`
	// Seconds is the time line, by when requests were due.
	Seconds []Second `json:"seconds"`
	// Lost are the first of the lost requests; Total.Lost counts all.
	Lost []LostRequest `json:"lost,omitempty"`
}

// Names of sides: of what no side is known of, and of all sides after the first
// fifty.
const (
	NoSide     = "unknown"
	OtherSides = "others"
)

// Figures of some requests.
type Figures struct {
	// Requests that came to their end: Answered and Lost together.
	Requests int64 `json:"requests"`
	// Answered are whole answers, whatever their status.
	Answered int64 `json:"answered"`
	// Errors are whole answers with a status from 400 on.
	Errors int64 `json:"errors"`
	// Lost got no whole answer.
	Lost int64 `json:"lost"`
	// Resent counts what was sent a second time; see Outcome.Resent.
	Resent   int64          `json:"resent,omitempty"`
	Bytes    int64          `json:"bytes"`
	Statuses map[int]int64  `json:"statuses,omitempty"`
	Losses   map[Loss]int64 `json:"losses,omitempty"`
	// Latency of all of them: one that was lost counts as Options.Timeout, or
	// longer if it took longer, so that losses do not look fast.
	Latency Latency `json:"latency"`
}

// Bad is how many requests were lost or answered with an error.
func (f Figures) Bad() int64 { return f.Errors + f.Lost }

// BadShare is the part of the requests that was bad, from 0 to 1.
func (f Figures) BadShare() float64 {
	if f.Requests == 0 {
		return 0
	}
	return float64(f.Bad()) / float64(f.Requests)
}

// StepSummary is one step.
type StepSummary struct {
	// Rate that was asked for, and how long it went on.
	Rate    float64       `json:"rate"`
	Began   time.Time     `json:"began"`
	Length  time.Duration `json:"-"`
	Figures `json:"figures"`
	// Late says how much later than due requests were sent: 99 of 100 at most so
	// much. See KeptUp.
	Late time.Duration `json:"-"`
}

// lateAllowed is by how much requests may be late before this machine is to
// blame for latencies.
const lateAllowed = 50 * time.Millisecond

// KeptUp tells that requests were sent when they were due: that the latencies
// are those of the site, not of the machine that asks.
func (s StepSummary) KeptUp() bool { return s.Late <= lateAllowed }

// MarshalJSON writes durations in seconds.
func (s StepSummary) MarshalJSON() ([]byte, error) {
	type plain StepSummary
	return json.Marshal(struct {
		plain
		Length float64 `json:"length"`
		Late   float64 `json:"late"`
		KeptUp bool    `json:"keptUp"`
	}{plain(s), s.Length.Seconds(), s.Late.Seconds(), s.KeptUp()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *StepSummary) UnmarshalJSON(text []byte) error {
	type plain StepSummary
	var read struct {
		plain
		Length float64 `json:"length"`
		Late   float64 `json:"late"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*s = StepSummary(read.plain)
	s.Length, s.Late = ofSeconds(read.Length), ofSeconds(read.Late)
	return nil
}

// Second is one second of the time line.
type Second struct {
	At    time.Time         `json:"at"`
	Sides map[string]Moment `json:"sides"`
}

// Moment is what one side did with the requests of one second.
type Moment struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors,omitempty"`
	Lost     int64 `json:"lost,omitempty"`
	// P50, P95 and Max of the latency, as in Figures.
	P50 time.Duration `json:"-"`
	P95 time.Duration `json:"-"`
	Max time.Duration `json:"-"`
}

// momentJSON is a Moment with durations in seconds.
type momentJSON struct {
	plainMoment
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

type plainMoment Moment

// MarshalJSON writes durations in seconds.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(momentJSON{plainMoment(m), m.P50.Seconds(), m.P95.Seconds(), m.Max.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Moment) UnmarshalJSON(text []byte) error {
	var read momentJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*m = Moment(read.plainMoment)
	m.P50, m.P95, m.Max = ofSeconds(read.P50), ofSeconds(read.P95), ofSeconds(read.Max)
	return nil
}

// LostRequest is a request without a whole answer.
type LostRequest struct {
	// Due and Done as in Outcome.
	Due   time.Time `json:"due"`
	Done  time.Time `json:"done"`
	URL   string    `json:"url"`
	Loss  Loss      `json:"loss"`
	Cause string    `json:"cause"`
	// Side that began to answer, if one did.
	Side string `json:"side,omitempty"`
}

// Latency is how long requests took, from when they were due.
type Latency struct{ Mean, P50, P90, P95, P99, P999, Max time.Duration }

// latencyJSON is a Latency in seconds.
type latencyJSON struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// MarshalJSON writes seconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(latencyJSON{
		l.Mean.Seconds(), l.P50.Seconds(), l.P90.Seconds(), l.P95.Seconds(), l.P99.Seconds(), l.P999.Seconds(), l.Max.Seconds(),
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Latency) UnmarshalJSON(text []byte) error {
	var read latencyJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*l = Latency{
		ofSeconds(read.Mean), ofSeconds(read.P50), ofSeconds(read.P90), ofSeconds(read.P95), ofSeconds(read.P99), ofSeconds(read.P999), ofSeconds(read.Max),
	}
	return nil
}

func ofSeconds(s float64) time.Duration { return time.Duration(s*1e6+0.5) * time.Microsecond }
