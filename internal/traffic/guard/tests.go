package guard

import (
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// verdict of one test.
type verdict struct {
	answer result.Answer
	reason string
}

// test judges one thing that is bounded in one view. It fails only what would
// happen by chance with at most the allowed probability.
type test func(v view, allowed float64) verdict

func (g *RouterGuard) tests(routerP95 time.Duration) []test {
	var tests []test
	if g.config.MaxErrorRate != nil {
		tests = append(tests, g.testErrorRate)
	}
	if g.config.Compare {
		tests = append(tests, g.testAgainstOld)
	}
	if g.config.MaxLatency > 0 {
		tests = append(tests, func(v view, allowed float64) verdict { return g.testLatency(v, allowed, routerP95) })
	}
	if g.config.MaxSlowdown > 0 {
		tests = append(tests, g.testSlowdown)
	}
	return tests
}

func holds(reason string) verdict { return verdict{result.Holds, reason} }

func unknown(format string, args ...any) verdict {
	return verdict{result.Unknown, fmt.Sprintf(format, args...)}
}

func fails(format string, args ...any) verdict {
	return verdict{result.Fails, fmt.Sprintf(format, args...)}
}

// testErrorRate asks whether so many errors would be likely if the new side were
// just as good as it must be.
func (g *RouterGuard) testErrorRate(v view, allowed float64) verdict {
	most := *g.config.MaxErrorRate
	if chance([]stratum{{v.new.requests, most}}, v.new.errors) > allowed {
		return holds("")
	}
	return fails("%s ended in errors, more than %s", v.requests(), percent(most))
}

// noReference says that there is nothing to compare the new side with.
const noReference = "the old side has had no requests to compare with"

// testAgainstOld asks whether so many of the errors of both sides would fall to
// the new side if errors picked a side by its share of the requests alone: moment
// by moment, so that neither a changing weight nor trouble that both sides share
// speaks against the new side.
func (g *RouterGuard) testAgainstOld(v view, allowed float64) verdict {
	old, strata, when := v.old, v.strata(), "at the same time"
	if v.alone() {
		old, when = g.reference, "when it last had requests"
		if old.requests == 0 {
			return holds(noReference)
		}
		strata = []stratum{{v.new.errors + old.errors, float64(v.new.requests) / float64(v.new.requests+old.requests)}}
	}
	if chance(strata, v.new.errors) > allowed {
		return holds("")
	}
	return fails("%s ended in errors, against %d of %d of the old side %s", v.requests(), old.errors, old.requests, when)
}

// slowShare is the part of requests that may be slower than a 95th percentile.
const slowShare = 0.05

// testLatency asks whether so many slow requests would be likely if 95 of 100
// were as fast as they must be. Where the router has only a figure of its own,
// that is taken at its word.
func (g *RouterGuard) testLatency(v view, allowed float64, routerP95 time.Duration) verdict {
	bound := g.config.MaxLatency
	switch {
	case v.new.requests == 0:
		return holds("")
	case len(v.new.latency) > 0:
		return testSlow(v, bound, bound.String(), allowed)
	case routerP95 == 0:
		return unknown("the router keeps no latencies")
	case routerP95 > bound && v.new.requests >= EnoughRequests:
		return fails("requests of the new side take %s by the router's own figure, more than %s", short(routerP95), bound)
	}
	return holds("")
}

// testSlowdown bounds the new side's latency by the old side's.
func (g *RouterGuard) testSlowdown(v view, allowed float64) verdict {
	if len(v.new.latency) == 0 {
		return unknown("the router keeps no counts by latency, so that the sides cannot be compared")
	}
	old := v.old
	if old.requests < EnoughRequests {
		old = g.reference
	}
	p95, ok := old.quantile(1 - slowShare)
	if !ok {
		return holds(noReference)
	}
	bound := time.Duration(float64(p95) * g.config.MaxSlowdown)
	return testSlow(v, bound, fmt.Sprintf("%g times the old side's %s", g.config.MaxSlowdown, short(p95)), allowed)
}

func testSlow(v view, bound time.Duration, words string, allowed float64) verdict {
	slow, total, ok := v.new.slower(bound)
	if !ok {
		return unknown("the router's counts by latency do not reach %s", short(bound))
	}
	if chance([]stratum{{total, slowShare}}, slow) > allowed {
		return holds("")
	}
	return fails("%d of %d requests of the new side in %s took longer than %s", slow, total, v.length(), words)
}
