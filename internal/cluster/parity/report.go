package parity

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// State is what a comparison says of one object.
type State string

// States.
const (
	Equal     State = "equal"
	Different State = "different"
	// Missing: the target does not have it.
	Missing State = "missing"
	// Extra: only the target has it.
	Extra State = "extra"
	// Unknown: it could not be compared.
	Unknown State = "unknown"
)

// Report is what a comparison found. It marshals to JSON.
type Report struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Answer: holds where both are equal.
	Answer result.Answer `json:"answer"`
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"-"`
	// Kinds counts objects by kind, in order of their names.
	Kinds []KindCount `json:"kinds"`
	// Objects that are not equal, in order of their keys.
	Objects []Object `json:"objects,omitempty"`
	// Workloads that are on both sides, in order of their keys.
	Workloads []Workload `json:"workloads,omitempty"`
	// Checks are what a baseline says of each side.
	Checks []Check `json:"checks,omitempty"`
	// Unknown are parts that could not be read: kinds, groups of kinds.
	Unknown []transfer.Unreadable `json:"unknown,omitempty"`
	// Ignored counts what differs and does not count, by rule.
	Ignored []Ignored `json:"ignored,omitempty"`
	// Unused are rules of the user that nothing was ignored by.
	Unused []v1alpha1.ParityIgnore `json:"unusedRules,omitempty"`
}

// KindCount counts the objects of one kind.
type KindCount struct {
	Kind string `json:"kind"`
	// From and To are how many each side has.
	From      int `json:"from"`
	To        int `json:"to"`
	Equal     int `json:"equal"`
	Different int `json:"different,omitempty"`
	Missing   int `json:"missing,omitempty"`
	Extra     int `json:"extra,omitempty"`
	Unknown   int `json:"unknown,omitempty"`
	// Ignored are missing or extra, and a rule of the user says so.
	Ignored int `json:"ignored,omitempty"`
}

// Object that is not equal.
type Object struct {
	// Key as in the target; extra, in the source's words.
	Key   transfer.Key `json:"object"`
	State State        `json:"state"`
	// Reason it is unknown.
	Reason string `json:"reason,omitempty"`
	// Differences in order of their paths; values of Secrets are hidden.
	Differences []transfer.Difference `json:"differences,omitempty"`
	// More differences than are listed.
	More int `json:"more,omitempty"`
}

// Workload is how a workload runs on both sides.
type Workload struct {
	Key  transfer.Key `json:"object"`
	From Running      `json:"from"`
	To   Running      `json:"to"`
	// Answer: holds where the target's runs as well as the source's, of the same
	// images.
	Answer result.Answer `json:"answer"`
	Reason string        `json:"reason,omitempty"`
}

// Running is how a workload runs on one side.
type Running struct {
	Desired int64 `json:"desired"`
	Ready   int64 `json:"ready"`
	// Images by container, as digests; several while they are replaced.
	Images map[string][]string `json:"images,omitempty"`

	// observed: the controller has seen the newest specification.
	observed bool
}

// Check is what a check of a baseline says of both sides; nil where it was not
// asked.
type Check struct {
	Name string         `json:"name"`
	From *result.Answer `json:"from,omitempty"`
	To   *result.Answer `json:"to,omitempty"`
	// Reason it does not hold in the target.
	Reason string `json:"reason,omitempty"`
}

// Ignored is how often a rule left differences out.
type Ignored struct {
	Rule v1alpha1.ParityIgnore `json:"rule"`
	// Source is the documentation of a built-in rule; empty for the user's own.
	Source string `json:"source,omitempty"`
	Count  int    `json:"count"`
	// Example is one of the differences.
	Example string `json:"example,omitempty"`
}

// Count adds up the kinds.
func (r *Report) Count() (sum KindCount) {
	for _, k := range r.Kinds {
		sum.From += k.From
		sum.To += k.To
		sum.Equal += k.Equal
		sum.Different += k.Different
		sum.Missing += k.Missing
		sum.Extra += k.Extra
		sum.Unknown += k.Unknown
		sum.Ignored += k.Ignored
	}
	return sum
}

// Word for the answer.
func Word(a result.Answer) string {
	switch a {
	case result.Holds:
		return string(Equal)
	case result.Fails:
		return string(Different)
	}
	return string(Unknown)
}

// Summary says in a sentence what was found, without full stop.
func (r *Report) Summary() string {
	sum := r.Count()
	if r.Answer == result.Holds {
		return fmt.Sprintf("%s and %s are equal", english.Plural(sum.Equal+sum.Ignored, "object", ""), english.Plural(len(r.Workloads), "workload", ""))
	}
	return result.Amounts(
		result.Amount{N: sum.Different, One: "object differs", More: "objects differ"},
		result.Amount{N: sum.Missing, One: "is missing", More: "are missing"},
		result.Amount{N: sum.Extra, One: "is only in the target", More: "are only in the target"},
		result.Amount{N: sum.Unknown, One: "object is unknown", More: "objects are unknown"},
		result.Amount{N: r.workloads(result.Fails), One: "workload does not run alike", More: "workloads do not run alike"},
		result.Amount{N: r.workloads(result.Unknown), One: "workload is unknown", More: "workloads are unknown"},
		result.Amount{N: r.checks(result.Fails), One: "check fails in the target", More: "checks fail in the target"},
		result.Amount{N: r.checks(result.Unknown), One: "check is unknown", More: "checks are unknown"},
		result.Amount{N: len(r.Unknown), One: "part could not be read", More: "parts could not be read"},
	)
}

// First names the worst findings, n at most, each in a clause.
func (r *Report) First(n int) []string {
	var bad, unknown []string
	for _, o := range r.Objects {
		if o.State == Unknown {
			unknown = append(unknown, o.String(r.To))
		} else {
			bad = append(bad, o.String(r.To))
		}
	}
	for _, w := range r.Workloads {
		switch w.Answer {
		case result.Fails:
			bad = append(bad, w.Key.String()+" "+w.Reason)
		case result.Unknown:
			unknown = append(unknown, w.Key.String()+" "+w.Reason)
		}
	}
	for _, c := range r.Checks {
		switch c.answer() {
		case result.Fails:
			bad = append(bad, "check "+c.Name+" fails: "+c.Reason)
		case result.Unknown:
			unknown = append(unknown, "check "+c.Name+" is unknown: "+c.Reason)
		}
	}
	for _, u := range r.Unknown {
		unknown = append(unknown, u.What+" could not be read: "+u.Reason)
	}
	all := append(bad, unknown...)
	return all[:min(n, len(all))]
}

// String says in a clause what is so with the object.
func (o Object) String(target string) string {
	switch o.State {
	case Missing:
		return fmt.Sprintf("%s is missing in %s", o.Key, target)
	case Extra:
		return fmt.Sprintf("%s is only in %s", o.Key, target)
	case Unknown:
		return fmt.Sprintf("%s is unknown: %s", o.Key, o.Reason)
	}
	text := o.Key.String() + " " + Text(o.Differences[0])
	if more := len(o.Differences) - 1 + o.More; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Text is a difference for people: "spec.replicas: 2 → 3".
func Text(d transfer.Difference) string {
	if d.From == hidden && d.To == hidden {
		return d.Path + ": differs (hidden)"
	}
	return fmt.Sprintf("%s: %s → %s", d.Path, brief(d.From), brief(d.To))
}

// brief is a value in a line, cut where it is long.
func brief(v any) string {
	const most = 100
	switch text := v.(type) {
	case nil:
		return "nothing"
	case hiddenValue:
		return string(text)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return cut(result.Clean(string(text)), most)
}

// cut shortens a text to a number of characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (r *Report) workloads(a result.Answer) (n int) {
	for _, w := range r.Workloads {
		if w.Answer == a {
			n++
		}
	}
	return n
}

func (r *Report) checks(a result.Answer) (n int) {
	for _, c := range r.Checks {
		if c.answer() == a {
			n++
		}
	}
	return n
}

// answer: what counts is the target. A check that does not hold in the source
// alone was put right.
func (c Check) answer() result.Answer {
	if c.To == nil {
		return result.Unknown
	}
	return *c.To
}

// conclude sets the answer: different where anything is, unknown where anything
// could not be compared, or nothing was.
func (r *Report) conclude() {
	var counts result.Counts
	sum := r.Count()
	counts.Holds = sum.Equal + sum.Ignored
	counts.Fails = sum.Different + sum.Missing + sum.Extra
	counts.Unknown = sum.Unknown + len(r.Unknown)
	for _, w := range r.Workloads {
		counts.Add(w.Answer)
	}
	for _, c := range r.Checks {
		counts.Add(c.answer())
	}
	r.Answer = counts.Answer()
}

// Err is the outcome of a command: nil where both are equal, fault.NotHolding
// where anything differs, fault.Failed where the answer is unknown.
func (r *Report) Err() error {
	switch r.Answer {
	case result.Holds:
		return nil
	case result.Fails:
		return fault.New(fault.NotHolding, "", "%s and %s are different: %s", r.From, r.To, r.Summary())
	}
	return fault.New(fault.Failed, "", "whether %s and %s are equal is unknown: %s", r.From, r.To, r.Summary())
}

// Says tells whether both reports found the same.
func (r *Report) Says(other *Report) bool {
	return r.Answer == other.Answer && slices.Equal(r.First(math.MaxInt), other.First(math.MaxInt))
}
