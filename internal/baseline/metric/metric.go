// Package metric bounds what other systems measure: a query to Prometheus,
// Datadog or CloudWatch gives one number, which holds, fails, or is unknown.
// Sources are packages below this one, each named after its tool.
//
// No data is unknown, never fine and never a failure; so are NaN, several
// numbers where one was asked for, and answers that cannot be read. Start at
// Bounds.
package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Source is one query to one system. Read ends soon after its context and does
// not retry: who asks again and again does. It is safe for concurrent use.
type Source interface {
	// Read gives the number as of a time. ErrNoData says that the system
	// answered, and has none.
	Read(ctx context.Context, at time.Time) (Sample, error)
}

// Sample is a number with the time that it is about.
type Sample struct {
	Value float64
	At    time.Time
}

// ErrNoData says that a query found nothing.
var ErrNoData = errors.New("no data")

// Defaults and bounds of what sources look back at.
const (
	DefaultWindow = time.Minute
	MinWindow     = time.Second
	MaxWindow     = 24 * time.Hour
)

// Window checks how far a source is to look back; DefaultWindow if zero.
func Window(w time.Duration) (time.Duration, error) {
	if w == 0 {
		return DefaultWindow, nil
	}
	if w < MinWindow || w > MaxWindow {
		return 0, fault.New(fault.Invalid, "", "the window %s is not from %s to %s", w, MinWindow, MaxWindow)
	}
	return w, nil
}

// Several is the error of a query with more than one number; what are some of
// them, and function is how the query language makes one of them.
func Several(count int, what []string, function string) error {
	const shown = 3
	list := strings.Join(what[:min(len(what), shown)], ", ")
	if len(what) > shown {
		list += ", …"
	}
	return fault.New(fault.Invalid, "Say which: "+function+".", "the query gives %d numbers instead of one (%s)", count, result.Clean(list))
}

// Bounds are what a number may be. At least one is set.
type Bounds struct {
	// Group and Name as in result.Result.
	Group, Name string
	Max, Min    *float64
}

// Check refuses bounds that hold always or never.
func (b Bounds) Check() error {
	switch {
	case b.Max == nil && b.Min == nil:
		return fault.New(fault.Invalid, "Give max, min or both.", "metric %s has no bound", b.Name)
	case !finite(b.Max), !finite(b.Min):
		return fault.New(fault.Invalid, "", "metric %s: a bound is no number", b.Name)
	case b.Max != nil && b.Min != nil && *b.Max < *b.Min:
		return fault.New(fault.Invalid, "", "metric %s: max %s is less than min %s", b.Name, number(*b.Max), number(*b.Min))
	}
	return nil
}

func finite(f *float64) bool { return f == nil || !math.IsNaN(*f) && !math.IsInf(*f, 0) }

// Read asks the source and compares. It never fails: what cannot be read is
// unknown, with the reason.
func (b Bounds) Read(ctx context.Context, source Source, at time.Time) result.Result {
	r := result.Result{Group: b.Group, Name: b.Name, Expected: b.expected()}
	began := time.Now()
	sample, err := source.Read(ctx, at)
	r.Duration = time.Since(began)
	switch {
	case err != nil:
		r.Reason = err.Error()
	case math.IsNaN(sample.Value):
		r.Actual, r.Reason = "NaN", "the query gives no number: it divides nothing by nothing"
	default:
		r.Actual = number(sample.Value)
		r.Answer = result.Fails
		if (b.Max == nil || sample.Value <= *b.Max) && (b.Min == nil || sample.Value >= *b.Min) {
			r.Answer = result.Holds
		}
	}
	return r
}

func (b Bounds) expected() string {
	switch {
	case b.Max != nil && b.Min != nil:
		return fmt.Sprintf("from %s to %s", number(*b.Min), number(*b.Max))
	case b.Max != nil:
		return "at most " + number(*b.Max)
	case b.Min != nil:
		return "at least " + number(*b.Min)
	}
	return ""
}

// number writes a number for people: four digits are enough to compare with.
func number(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}
