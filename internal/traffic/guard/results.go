package guard

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Results makes a guard of whatever answers with results: HTTP checks against a
// side, a metric, an error budget. The guard fails where one fails and is
// unknown where one is unknown or there are none. read must end soon after its
// context.
func Results(rule traffic.GuardRule, read func(ctx context.Context, at time.Time) []result.Result) traffic.Guard {
	return &results{rule: rule, read: read}
}

type results struct {
	rule traffic.GuardRule
	read func(context.Context, time.Time) []result.Result
}

// Rule is part of traffic.Guard.
func (g *results) Rule() traffic.GuardRule { return g.rule }

// Read is part of traffic.Guard.
func (g *results) Read(ctx context.Context, at time.Time) traffic.Reading {
	all := g.read(ctx, at)
	var counts result.Counts
	for i := range all {
		counts.Add(all[i].Answer)
	}
	reading := traffic.Reading{Guard: g.rule.Name, At: at, Answer: counts.Answer(), Value: counts.String(), Bound: "all hold"}
	if len(all) == 1 && all[0].Actual != "" {
		reading.Value, reading.Bound = line(all[0].Actual), line(all[0].Expected)
	}
	if reading.Answer == result.Fails {
		reading.FirstBad = at
	}
	if reading.Answer != result.Holds {
		reading.Reason = reason(all, reading.Answer)
	}
	return reading
}

// reason names the first result with the answer.
func reason(all []result.Result, answer result.Answer) string {
	for _, r := range all {
		if r.Answer != answer {
			continue
		}
		text := line(r.Reason)
		if text == "" && r.Expected != "" {
			text = fmt.Sprintf("expected %s, got %s", line(r.Expected), line(r.Actual))
		}
		if len(all) == 1 && text != "" {
			return text
		}
		return strings.TrimSuffix(name(r)+": "+text, ": ")
	}
	return "nothing was checked"
}

func name(r result.Result) string {
	if r.Group == "" || r.Group == r.Name {
		return line(r.Name)
	}
	return line(r.Group) + " › " + line(r.Name)
}

// line is the first line of a foreign text, safe to print.
func line(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return result.Clean(strings.TrimSpace(first))
}

// percent writes a share for people.
func percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// short writes a duration for people.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
