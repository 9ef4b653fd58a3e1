package load

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// Bounds are what a load must stay within, in each step.
type Bounds struct {
	// MaxP95 and MaxP99 of the latency; zero for no bound.
	MaxP95, MaxP99 time.Duration
	// MaxErrors is the largest share of requests that are answered with an error
	// or lost, from 0 to 1; nil for no bound.
	MaxErrors *float64
	// MaxLost is the largest number of requests lost in a step; nil for no
	// bound.
	MaxLost *int64
}

// Judge compares each step with the bounds. A latency over its bound is unknown
// where the machine that asks did not keep up: it may be to blame itself. So is
// all of a load that was interrupted.
func (b Bounds) Judge(s *Summary) result.Report {
	var report result.Report
	for i, step := range s.Steps {
		group := fmt.Sprintf("step %d, %s/s", i+1, strconv.FormatFloat(step.Rate, 'f', -1, 64))
		for _, r := range b.judgeStep(step) {
			r.Group = group
			if s.Interrupted && r.Answer == result.Holds {
				r.Answer, r.Reason = result.Unknown, "the load was interrupted"
			}
			report.Add(r)
		}
	}
	return report
}

func (b Bounds) judgeStep(s StepSummary) []result.Result {
	var results []result.Result
	for _, bound := range []struct {
		name     string
		most, is time.Duration
	}{{"p95", b.MaxP95, s.Latency.P95}, {"p99", b.MaxP99, s.Latency.P99}} {
		if bound.most > 0 {
			results = append(results, judgeLatency(bound.name, bound.most, bound.is, s))
		}
	}
	if b.MaxErrors != nil {
		results = append(results, result.Result{
			Name: "errors", Answer: answer(s.BadShare() <= *b.MaxErrors),
			Expected: "at most " + Percent(*b.MaxErrors), Actual: fmt.Sprintf("%s (%d of %d)", Percent(s.BadShare()), s.Bad(), s.Requests),
		})
	}
	if b.MaxLost != nil {
		results = append(results, result.Result{
			Name: "lost", Answer: answer(s.Lost <= *b.MaxLost),
			Expected: fmt.Sprintf("at most %d", *b.MaxLost), Actual: strconv.FormatInt(s.Lost, 10),
		})
	}
	return results
}

func judgeLatency(name string, most, is time.Duration, s StepSummary) result.Result {
	r := result.Result{Name: name, Answer: answer(is <= most), Expected: "at most " + most.String(), Actual: Short(is)}
	if r.Answer == result.Fails && !s.KeptUp() {
		r.Answer = result.Unknown
		r.Reason = fmt.Sprintf("this machine did not keep up: requests were sent up to %s late; ask with a lower rate or from elsewhere", Short(s.Late))
	}
	return r
}

func answer(holds bool) result.Answer {
	if holds {
		return result.Holds
	}
	return result.Fails
}

// Percent writes a share for people, with as many digits as it needs.
func Percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// ParsePercent reads a share such as "0.1%".
func ParsePercent(text string) (float64, error) {
	number := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("%q is no percentage from 0 to 100, such as 0.1%%", text)
	}
	return percent / 100, nil
}

// Short writes a duration for people, with three digits.
func Short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
