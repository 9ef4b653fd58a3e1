package preflight

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Severity says what a finding means for the move.
type Severity string

// Severities.
const (
	// Block: it will not work on the target.
	Block Severity = "block"
	// Unknown: it could not be found out; the finding says why.
	Unknown Severity = "unknown"
	// Warn: it may not work, or not as before.
	Warn Severity = "warn"
	// Note: nothing breaks, but people should know.
	Note Severity = "note"
)

// Severities, the worst news first.
var Severities = []Severity{Block, Unknown, Warn, Note}

// Finding is something that will be different on the target.
type Finding struct {
	// Check that found it.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Objects it is about, under their names on the target: "Deployment
	// shop/web". Empty if it is about the cluster. Of many, the first are named;
	// Count is how many there are.
	Objects []string `json:"objects,omitempty"`
	Count   int      `json:"count,omitempty"`
	// What is so, in a sentence without full stop.
	What string `json:"what"`
	// Remedy is the next step, an imperative sentence.
	Remedy string `json:"remedy,omitempty"`
	// Source of the rule: an address.
	Source string `json:"source,omitempty"`
}

// Report is what a preflight found.
type Report struct {
	From string `json:"from"`
	To   string `json:"to"`
	// FromVersion and ToVersion are those of the API servers.
	FromVersion string `json:"fromVersion,omitempty"`
	ToVersion   string `json:"toVersion,omitempty"`
	// Objects that would come, and Workloads among them.
	Objects   int `json:"objects"`
	Workloads int `json:"workloads"`
	// Checks that were made, and those that were Skipped on demand.
	Checks  []string `json:"checks"`
	Skipped []string `json:"skipped,omitempty"`
	// Findings, the worst first, then in the order of the checks.
	Findings []Finding     `json:"findings"`
	Answer   result.Answer `json:"answer"`
}

// Count is how many findings have the severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// answer of findings: fails where something blocks, unknown where something
// could not be found out.
func answer(findings []Finding) result.Answer {
	worst := result.Holds
	for _, f := range findings {
		switch f.Severity {
		case Block:
			return result.Fails
		case Unknown:
			worst = result.Unknown
		}
	}
	return worst
}

// Outcome in a sentence.
func (r *Report) Outcome() string {
	switch r.Answer {
	case result.Fails:
		return fmt.Sprintf("%s would break on %s", english.Plural(r.Count(Block), "thing", ""), r.To)
	case result.Unknown:
		return fmt.Sprintf("%s could not be found out", english.Plural(r.Count(Unknown), "thing", ""))
	}
	return fmt.Sprintf("nothing stands in the way from %s to %s", r.From, r.To)
}

// Err is the outcome of a command: nil where nothing blocks, fault.NotHolding
// where something does, fault.Failed where something is unknown.
func (r *Report) Err() error {
	switch r.Answer {
	case result.Fails:
		return fault.New(fault.NotHolding, "", "%s", r.Outcome())
	case result.Unknown:
		return fault.New(fault.Failed, "Make readable what is listed as unknown, or leave its check out by --skip.", "%s", r.Outcome())
	}
	return nil
}

// maxObjects bounds the objects that a finding names; more are counted.
const maxObjects = 100

// merge joins findings that say the same about several objects, and puts the
// worst first.
func merge(findings []Finding) []Finding {
	type saying struct {
		check                string
		severity             Severity
		what, remedy, source string
	}
	at := map[saying]int{}
	merged := []Finding{}
	for _, f := range findings {
		said := saying{f.Check, f.Severity, f.What, f.Remedy, f.Source}
		i, seen := at[said]
		if !seen {
			at[said] = len(merged)
			merged = append(merged, f)
			continue
		}
		merged[i].Objects = append(slices.Clip(merged[i].Objects), f.Objects...)
		merged[i].Count += f.Count
	}
	for i := range merged {
		f := &merged[i]
		f.Objects = slices.Compact(slices.Sorted(slices.Values(f.Objects)))
		f.Count = max(f.Count, len(f.Objects))
		f.Objects = f.Objects[:min(len(f.Objects), maxObjects)]
	}
	slices.SortStableFunc(merged, func(a, b Finding) int {
		return cmp.Compare(slices.Index(Severities, a.Severity), slices.Index(Severities, b.Severity))
	})
	return merged
}
