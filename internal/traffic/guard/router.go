// Package guard has the guards of a migration: judgements of a router's own
// counters (Router), and of whatever answers with results, as HTTP checks,
// metrics and objectives do (Results). Where those come from is none of its
// business.
//
// Start at Router; chance.go is its arithmetic.
package guard

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// RouterConfig says what the new side's requests must be like, as the router
// counts them.
type RouterConfig struct {
	// MaxErrorRate is the largest part of requests that may end in errors, from 0
	// to 1; nil for no bound.
	MaxErrorRate *float64
	// MaxLatency of 95 of 100 requests; zero for no bound.
	MaxLatency time.Duration
	// Compare fails the new side where it has more errors than the old one has
	// at the same moment.
	Compare bool
	// MaxSlowdown is how many times the old side's 95th percentile the new
	// side's may be; zero for no bound. It needs a router that keeps counts by
	// latency.
	MaxSlowdown float64
	// Confidence, from 0.5 up to but not including 1: a new side that is just
	// good enough is failed by chance, in an hour of watching, at most with
	// probability 1-Confidence, however often it is read. DefaultConfidence if
	// zero.
	Confidence float64
	// Window that is looked back at; DefaultWindow if zero.
	Window time.Duration
}

// Defaults and bounds of a RouterConfig.
const (
	DefaultConfidence = 0.99
	DefaultWindow     = time.Minute
	MaxWindow         = 24 * time.Hour
	// EnoughRequests are what the new side must have had in the window for a
	// guard to hold, unless it may be idle.
	EnoughRequests = 20
)

// watched is the time that Confidence is about.
const watched = time.Hour

// RouterGuard judges a router's own counters. Its errors can be told from chance,
// at a weight of 1 % as well as at 99 %: see chance.
type RouterGuard struct {
	rule    traffic.GuardRule
	counter traffic.Counter
	config  RouterConfig
	window  window
	// reference is the old side when it last had enough requests: what the new
	// side is compared with once it has all of them.
	reference delta
}

var _ traffic.Guard = (*RouterGuard)(nil)

// Router makes a guard of a router's counters. Errors are fault.Invalid.
func Router(rule traffic.GuardRule, counter traffic.Counter, c RouterConfig) (*RouterGuard, error) {
	if c.Confidence == 0 {
		c.Confidence = DefaultConfidence
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	refuse := func(format string, args ...any) (*RouterGuard, error) {
		return nil, fault.New(fault.Invalid, "", "guard %s: "+format, append([]any{rule.Name}, args...)...)
	}
	switch {
	case counter == nil:
		return refuse("this router does not count requests")
	case c.MaxErrorRate == nil && c.MaxLatency == 0 && c.MaxSlowdown == 0 && !c.Compare:
		return refuse("it bounds nothing: give a largest error rate or latency, or compare with the old side")
	case c.MaxErrorRate != nil && !(*c.MaxErrorRate >= 0 && *c.MaxErrorRate < 1):
		return refuse("the largest error rate %g is not from 0 to below 1", *c.MaxErrorRate)
	case c.MaxLatency < 0:
		return refuse("the largest latency %s is less than nothing", c.MaxLatency)
	case c.MaxSlowdown != 0 && !(c.MaxSlowdown >= 1 && c.MaxSlowdown <= 1000):
		return refuse("the largest slowdown %g is not from 1 to 1000", c.MaxSlowdown)
	case !(c.Confidence >= 0.5 && c.Confidence < 1):
		return refuse("the confidence %g is not from 0.5 to below 1", c.Confidence)
	case c.Window < time.Second || c.Window > MaxWindow:
		return refuse("the window %s is not from 1s to %s", c.Window, MaxWindow)
	}
	return &RouterGuard{rule: rule, counter: counter, config: c, window: window{length: c.Window}}, nil
}

// Rule is part of traffic.Guard.
func (g *RouterGuard) Rule() traffic.GuardRule { return g.rule }

// Read is part of traffic.Guard.
func (g *RouterGuard) Read(ctx context.Context, at time.Time) traffic.Reading {
	reading := traffic.Reading{Guard: g.rule.Name, At: at, Bound: g.bound()}
	totals, err := g.counter.Counters(ctx)
	if err != nil {
		reading.Reason = "reading the router's counters: " + err.Error()
		return reading
	}
	covered := g.window.add(at, totals)
	if covered == 0 {
		reading.Reason = "the router's counters have just begun, there is nothing to compare them with yet"
		return reading
	}
	g.judge(&reading, covered, totals[traffic.New].P95)
	return reading
}

// judge asks every test, and tells the worst of their verdicts.
func (g *RouterGuard) judge(r *traffic.Reading, covered time.Duration, routerP95 time.Duration) {
	views := g.window.views()
	whole := views[len(views)-1]
	g.remember(whole)
	tests := g.tests(routerP95)
	allowed := g.allowed(covered) / float64(len(tests)*len(views))

	r.Value, r.Answer = g.value(whole, routerP95), result.Holds
	var reasons []string
	for _, test := range tests {
		v := ask(test, views, allowed)
		if v.reason != "" {
			reasons = append(reasons, v.reason)
		}
		r.Answer = worse(r.Answer, v.answer)
	}
	r.Reason = strings.Join(reasons, "; ")
	switch {
	case r.Answer == result.Fails:
		r.FirstBad = g.window.badSince()
	case r.Answer == result.Holds && whole.new.requests < EnoughRequests:
		r.Reason = few(whole.new.requests, g.config.Window)
		if !g.rule.Idle {
			r.Answer = result.Unknown
		}
	}
}

// allowed is how likely a false alarm may be in a reading that covers so much
// time: as much of what Confidence allows in all of watched.
func (g *RouterGuard) allowed(covered time.Duration) float64 {
	return (1 - g.config.Confidence) * min(float64(covered)/float64(watched), 1)
}

// remember keeps the old side as it was while it had its usual requests, not
// while they run out.
func (g *RouterGuard) remember(whole view) {
	newest := whole.spans[len(whole.spans)-1].old.requests
	if whole.old.requests >= EnoughRequests && 2*newest*int64(len(whole.spans)) >= whole.old.requests {
		g.reference = whole.old
	}
}

// ask puts a test to the views, the shortest first: sudden trouble shows there,
// and slow trouble in the whole window.
func ask(t test, views []view, allowed float64) verdict {
	var v verdict
	for _, view := range views {
		if v = t(view, allowed); v.answer == result.Fails {
			break
		}
	}
	return v
}

// worse of two answers: fails, then unknown, then holds.
func worse(a, b result.Answer) result.Answer {
	for _, answer := range result.Answers {
		if a == answer || b == answer {
			return answer
		}
	}
	return result.Unknown
}

func few(requests int64, window time.Duration) string {
	if requests == 0 {
		return fmt.Sprintf("the new side had no requests in the last %s", window)
	}
	return fmt.Sprintf("the new side had only %d requests in the last %s", requests, window)
}

// value is what the reading shows people.
func (g *RouterGuard) value(v view, routerP95 time.Duration) string {
	var parts []string
	if g.config.MaxErrorRate != nil || g.config.Compare {
		text := fmt.Sprintf("%s of %d", percent(v.new.errorRate()), v.new.requests)
		if g.config.Compare {
			text += fmt.Sprintf(", old %s of %d", percent(v.old.errorRate()), v.old.requests)
		}
		parts = append(parts, text)
	}
	if g.config.MaxLatency > 0 || g.config.MaxSlowdown > 0 {
		if p95, ok := v.new.quantile(1 - slowShare); ok {
			parts = append(parts, "p95 about "+short(p95))
		} else if routerP95 > 0 {
			parts = append(parts, "latency "+short(routerP95))
		}
	}
	return strings.Join(parts, "; ")
}

// bound is what the guard wants, for people.
func (g *RouterGuard) bound() string {
	var parts []string
	if g.config.MaxErrorRate != nil {
		parts = append(parts, "errors at most "+percent(*g.config.MaxErrorRate))
	}
	if g.config.Compare {
		parts = append(parts, "no more errors than old")
	}
	if g.config.MaxLatency > 0 {
		parts = append(parts, "p95 at most "+g.config.MaxLatency.String())
	}
	if g.config.MaxSlowdown > 0 {
		parts = append(parts, fmt.Sprintf("p95 at most %g × old", g.config.MaxSlowdown))
	}
	return strings.Join(parts, ", ")
}
