package datacopy

import (
	"slices"
	"time"
)

// Result is what a copy did, for the evidence.
type Result struct {
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"durationNanoseconds"`
	Units    []UnitResult  `json:"units"`
	// Retries counts what had to be tried again, all units together.
	Retries int64 `json:"retries,omitempty"`
	// Throttled is how long workers together waited for limits and for the
	// load of the source.
	Throttled time.Duration `json:"throttledNanoseconds,omitempty"`
	// NotKept says what turned out not to be kept, beyond the plan's.
	NotKept []string `json:"notKept,omitempty"`
	// Workers is the parallelism that was used.
	Workers int `json:"workers"`
}

// UnitResult is what a copy did with one unit.
type UnitResult struct {
	Name string `json:"name"`
	// Count and Bytes were sent in this run.
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
	// Chunks were copied in this run; Skipped were done before, or equal in an
	// incremental copy; Repeated had been done but were changed or unproven.
	Chunks   int `json:"chunks"`
	Skipped  int `json:"skipped,omitempty"`
	Repeated int `json:"repeated,omitempty"`
	// Removed were in the target and not in the source.
	Removed  int64         `json:"removed,omitempty"`
	Duration time.Duration `json:"durationNanoseconds"`
}

// Totals adds up all units.
func (r *Result) Totals() (count, bytes int64, chunks int) {
	for _, unit := range r.Units {
		count += unit.Count
		bytes += unit.Bytes
		chunks += unit.Chunks
	}
	return count, bytes, chunks
}

// Add takes in what a later run of the same copy did.
func (r *Result) Add(later *Result) {
	for _, unit := range later.Units {
		at := slices.IndexFunc(r.Units, func(u UnitResult) bool { return u.Name == unit.Name })
		if at < 0 {
			r.Units = append(r.Units, unit)
			continue
		}
		sum := &r.Units[at]
		sum.Count, sum.Bytes, sum.Chunks = sum.Count+unit.Count, sum.Bytes+unit.Bytes, sum.Chunks+unit.Chunks
		sum.Repeated, sum.Removed, sum.Duration = sum.Repeated+unit.Repeated, sum.Removed+unit.Removed, sum.Duration+unit.Duration
	}
	r.Duration, r.Retries, r.Throttled = r.Duration+later.Duration, r.Retries+later.Retries, r.Throttled+later.Throttled
	r.NotKept = append(r.NotKept, later.NotKept...)
}

// Answer is that of a verification.
type Answer string

// Answers. Unknown is never fine: it has its cause beside it.
const (
	Equal     Answer = "equal"
	Different Answer = "different"
	Unknown   Answer = "unknown"
)

// Report is what Verify found.
type Report struct {
	Units    []UnitReport  `json:"units"`
	Duration time.Duration `json:"durationNanoseconds"`
}

// UnitReport is what Verify found of one unit.
type UnitReport struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// Noun is what is counted, as in the plan.
	Noun  string `json:"noun"`
	Count int64  `json:"count"`
	// TargetCount is the target's.
	TargetCount int64 `json:"targetCount"`
	// Digest and TargetDigest are over the contents, independent of order; ""
	// where they were not computed.
	Digest       string `json:"digest,omitempty"`
	TargetDigest string `json:"targetDigest,omitempty"`
	// Differences are the first MaxDifferences; More counts the others.
	Differences []Difference `json:"differences,omitempty"`
	More        int64        `json:"more,omitempty"`
	// Cause says why the answer is unknown.
	Cause string `json:"cause,omitempty"`
}

// MaxDifferences is how many differences of a unit are listed.
const MaxDifferences = 100

// Difference is one thing that is not the same on both sides. It names keys,
// never values.
type Difference struct {
	// Key is that of the row, key or object, or what it is about ("trigger
	// audit"); a masked key stands as it is in the target.
	Key string `json:"key"`
	// What is "missing" (in the target), "extra", "changed", or a sentence.
	What string `json:"what"`
}

// What a Difference says of a key.
const (
	Missing = "missing"
	Extra   = "extra"
	Changed = "changed"
)

// Add lists a difference, or counts it when there are enough.
func (u *UnitReport) Add(key, what string) {
	u.Answer = Different
	if len(u.Differences) >= MaxDifferences {
		u.More++
		return
	}
	u.Differences = append(u.Differences, Difference{Key: key, What: what})
}

// Answer is the worst of all units: one different makes the whole different,
// else one unknown makes it unknown. Nothing compared is unknown.
func (r *Report) Answer() Answer {
	if len(r.Units) == 0 {
		return Unknown
	}
	answer := Equal
	for _, unit := range r.Units {
		switch {
		case unit.Answer == Different:
			return Different
		case unit.Answer != Equal:
			answer = Unknown
		}
	}
	return answer
}
