// Package result is the outcome of comparing something with what is expected
// of it: host specs, HTTP checks and objectives all answer in this shape, and
// are written for people and programs in one way. It knows nothing of what is
// compared.
//
// Start at Result; Report holds many, Writer writes them as they come.
package result

import (
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Answer is what a comparison says. The zero value is Unknown: an answer that
// nobody gave is not fine.
type Answer int8

// Answers.
const (
	// Unknown: it could not be found out; the result's Reason says why.
	Unknown Answer = iota
	// Fails: it was found out, and is not as expected.
	Fails
	// Holds: it is as expected.
	Holds
)

// Answers, the worst news first.
var Answers = []Answer{Fails, Unknown, Holds}

var words = map[Answer]string{Unknown: "unknown", Fails: "fails", Holds: "holds"}

// String is the word for the answer.
func (a Answer) String() string { return words[a] }

// MarshalText writes the word.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the word.
func (a *Answer) UnmarshalText(text []byte) error {
	for answer, word := range words {
		if word == string(text) {
			*a = answer
			return nil
		}
	}
	return fmt.Errorf("reading an answer: %q is not holds, fails or unknown", text)
}

// Result is one thing that was compared. Its texts may hold what a foreign
// host or server sent: print them by a Writer or through Clean only.
type Result struct {
	// Group is what the thing belongs to: a kind of a host spec, a flow of
	// checks.
	Group string `json:"group"`
	// Name tells the thing apart within its group and target.
	Name string `json:"name"`
	// Target is where it was looked at: a host, a pod, an address.
	Target string `json:"target,omitempty"`
	Answer Answer `json:"answer"`
	// Expected and Actual may be of several lines. Both are empty where they
	// say nothing that Reason does not.
	Expected string `json:"expected,omitempty"`
	Actual   string `json:"actual,omitempty"`
	// Reason says why it is unknown or what is wrong, in a sentence without
	// full stop; it may go on with a difference of several lines.
	Reason string `json:"reason,omitempty"`
	// Duration is how long finding out took; zero where it was not measured.
	// In JSON it is in seconds.
	Duration time.Duration `json:"-"`
}

// Counts is how many results there are of each answer.
type Counts struct {
	Holds   int `json:"holds"`
	Fails   int `json:"fails"`
	Unknown int `json:"unknown"`
}

// Add counts one more.
func (c *Counts) Add(a Answer) {
	switch a {
	case Holds:
		c.Holds++
	case Fails:
		c.Fails++
	default:
		c.Unknown++
	}
}

// Total is the number of results.
func (c Counts) Total() int { return c.Holds + c.Fails + c.Unknown }

// Answer is that of all together: fails where one fails, unknown where one is
// unknown or nothing was compared.
func (c Counts) Answer() Answer {
	switch {
	case c.Fails > 0:
		return Fails
	case c.Unknown > 0 || c.Holds == 0:
		return Unknown
	}
	return Holds
}

// String names what there is, the worst news first: "1 fails, 12 hold".
func (c Counts) String() string {
	return Amounts(Amount{c.Fails, "fails", "fail"}, Amount{c.Unknown, "unknown", "unknown"}, Amount{c.Holds, "holds", "hold"})
}

// Amount is how many there are, and what to say of one and of more.
type Amount struct {
	N         int
	One, More string
}

// Amounts lists what a comparison came to; of what there is none it says nothing.
func Amounts(of ...Amount) string {
	var parts []string
	for _, a := range of {
		switch {
		case a.N == 1:
			parts = append(parts, "1 "+a.One)
		case a.N > 1:
			parts = append(parts, fmt.Sprintf("%d %s", a.N, a.More))
		}
	}
	if len(parts) == 0 {
		return "nothing was compared"
	}
	return strings.Join(parts, ", ")
}

// Err turns the counts into the outcome of a command: nil where all hold,
// fault.NotHolding where something fails, fault.Failed where the answer is
// unknown. The error only counts: what it counts is printed by a Writer.
func (c Counts) Err() error {
	switch c.Answer() {
	case Holds:
		return nil
	case Fails:
		return fault.New(fault.NotHolding, "", "%d of %d do not hold", c.Fails, c.Total())
	}
	if c.Total() == 0 {
		return fault.New(fault.Failed, "", "nothing was compared")
	}
	return fault.New(fault.Failed, "", "%d of %d could not be found out", c.Unknown, c.Total())
}

// Report is a list of results that fits in memory. What does not is written
// one by one by a Writer.
type Report struct {
	Results []Result
}

// Add appends results.
func (r *Report) Add(results ...Result) { r.Results = append(r.Results, results...) }

// Document is a report as programs read it.
type Document struct {
	Results []Result `json:"results"`
	Counts  Counts   `json:"counts"`
	Answer  Answer   `json:"answer"`
}

// Document is the report with its counts, for forms that no Writer has. Its
// texts are clean.
func (r Report) Document() Document {
	counts := r.Counts()
	results := append([]Result{}, r.Results...)
	for i := range results {
		one := &results[i]
		for _, text := range []*string{&one.Group, &one.Name, &one.Target, &one.Expected, &one.Actual, &one.Reason} {
			*text = cleanText(*text)
		}
	}
	return Document{Results: results, Counts: counts, Answer: counts.Answer()}
}

// Counts counts the results.
func (r Report) Counts() Counts {
	var c Counts
	for i := range r.Results {
		c.Add(r.Results[i].Answer)
	}
	return c
}

// Err is that of the counts.
func (r Report) Err() error { return r.Counts().Err() }
