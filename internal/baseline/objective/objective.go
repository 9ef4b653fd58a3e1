// Package objective says how often something must hold over a time, and how far
// that is met. It only computes: runs are counted in slices of the window, which
// somebody else keeps. Start at Objective.
package objective

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// Slices of a window: what is counted leaves it slice by slice.
const Slices = 24

// Bounds of a window.
const (
	MinWindow     = 10 * time.Minute
	MaxWindow     = 30 * 24 * time.Hour
	DefaultWindow = 24 * time.Hour
)

// Objective is a promise: of all runs within the window, so many hold.
type Objective struct {
	Name string
	// Check that is counted; empty for all.
	Check string
	// Target in percent of the runs, over 0 and at most 100.
	Target float64
	Window time.Duration
}

// New checks an objective. Without a window it is DefaultWindow.
func New(name, check, target string, window time.Duration) (Objective, error) {
	percent, err := strconv.ParseFloat(target, 64)
	if err != nil || math.IsNaN(percent) || percent <= 0 || percent > 100 {
		return Objective{}, fmt.Errorf("objective %s: the target %q is not a percentage over 0 and up to 100", name, target)
	}
	if window == 0 {
		window = DefaultWindow
	}
	if window < MinWindow || window > MaxWindow {
		return Objective{}, fmt.Errorf("objective %s: the window %s is not from %s to %s", name, window, MinWindow, MaxWindow)
	}
	return Objective{Name: name, Check: check, Target: percent, Window: window}, nil
}

// Span counts the runs of one slice.
type Span struct {
	Start       time.Time
	Good, Total int64
}

// Count adds runs to the spans of the past, the oldest first, and drops those
// that have left the window. It does not change what it is given.
func (o Objective) Count(past []Span, now time.Time, good, total int64) []Span {
	slice := o.Window / Slices
	start := now.Truncate(slice)
	var spans []Span
	for _, s := range past {
		if s.Start.Add(slice).After(now.Add(-o.Window)) && !s.Start.After(now) {
			spans = append(spans, s)
		}
	}
	if total == 0 {
		return spans
	}
	if last := len(spans) - 1; last >= 0 && spans[last].Start.Equal(start) {
		spans[last].Good += good
		spans[last].Total += total
		return spans
	}
	return append(spans, Span{Start: start, Good: good, Total: total})
}

// Verdict is how far an objective is met.
type Verdict struct {
	// Answer is unknown where nothing was counted.
	Answer      result.Answer
	Good, Total int64
	// BudgetLeft is the part of the allowed failures that is left, in percent of
	// them; negative when overspent. With a target of 100 it is 100 or -100.
	BudgetLeft float64
}

// Judge sums the spans up.
func (o Objective) Judge(spans []Span) Verdict {
	var v Verdict
	for _, s := range spans {
		v.Good += s.Good
		v.Total += s.Total
	}
	if v.Total == 0 {
		return v
	}
	bad := float64(v.Total - v.Good)
	allowed := float64(v.Total) * (100 - o.Target) / 100
	// Binary fractions of a percentage are a little off: 0.1 % of 1000 is one.
	const off = 1e-9
	switch {
	case bad == 0:
		v.BudgetLeft = 100
	case allowed < off:
		v.BudgetLeft = -100
	default:
		v.BudgetLeft = 100 * (allowed - bad) / allowed
	}
	v.Answer = result.Fails
	if bad <= allowed*(1+off) {
		v.Answer = result.Holds
	}
	return v
}
