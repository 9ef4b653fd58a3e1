package guard

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// world serves random requests: rate a second, weight to the new side, errors by
// the rates of the sides.
type world struct {
	random           *rand.Rand
	rate             int64
	weight           float64
	oldRate, newRate float64
}

func (w *world) serve(r *router, seconds float64) {
	for range int64(float64(w.rate) * seconds) {
		side, rate := &r.old, w.oldRate
		if w.random.Float64() < w.weight {
			side, rate = &r.new, w.newRate
		}
		failed := int64(0)
		if w.random.Float64() < rate {
			failed = 1
		}
		serve(side, 1, failed)
	}
}

// watch reads until the guard fails, and gives the time that took; false if it
// never did.
func (w *world) watch(t *testing.T, g *RouterGuard, r *router, interval, length time.Duration, start time.Time) (time.Duration, bool) {
	t.Helper()
	for at := interval; at <= length; at += interval {
		w.serve(r, interval.Seconds())
		if reading := g.Read(t.Context(), start.Add(at)); reading.Answer == result.Fails {
			return at, true
		}
	}
	return 0, false
}

func newGuard(t *testing.T, r *router, c RouterConfig) *RouterGuard {
	t.Helper()
	g, err := Router(traffic.GuardRule{Name: "errors", Idle: true}, r, c)
	if err != nil {
		t.Fatal(err)
	}
	g.Read(t.Context(), noon)
	return g
}

// TestFalseAlarmsAreAsRareAsPromised: sides that are equally good, and just as
// good as they must be, for an hour each. With a confidence of 90 % at most one
// hour of ten may end in an alarm; an alarm in so many of so few hours as are
// allowed here would be seen once in 10,000 runs if the promise were only just
// kept.
func TestFalseAlarmsAreAsRareAsPromised(t *testing.T) {
	hours := 40
	if testing.Short() {
		hours = 10
	}
	for name, tt := range map[string]struct {
		weight float64
		config RouterConfig
	}{
		"against the old side at 1 %":  {0.01, RouterConfig{Compare: true, Confidence: 0.9}},
		"against the old side at 50 %": {0.5, RouterConfig{Compare: true, Confidence: 0.9}},
		"just within the bound":        {0.5, RouterConfig{MaxErrorRate: share(0.02), Confidence: 0.9}},
		"both":                         {0.1, RouterConfig{MaxErrorRate: share(0.02), Compare: true, Confidence: 0.9}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alarms := 0
			w := &world{random: rand.New(rand.NewPCG(4, 0)), rate: 40, weight: tt.weight, oldRate: 0.02, newRate: 0.02}
			for range hours {
				r := &router{}
				if at, failed := w.watch(t, newGuard(t, r, tt.config), r, 5*time.Second, time.Hour, noon); failed {
					t.Logf("a false alarm after %s", at)
					alarms++
				}
			}
			t.Logf("%d false alarms in %d hours", alarms, hours)
			if most := map[int]int{40: 12, 10: 6}[hours]; alarms > most {
				t.Errorf("%d false alarms in %d hours, more than %d", alarms, hours, most)
			}
		})
	}
}

// TestTroubleIsSeenSoon: how long until a new side that turns bad after five good
// minutes is noticed, with a reading each 500 ms and 500 requests a second.
func TestTroubleIsSeenSoon(t *testing.T) {
	const interval = 500 * time.Millisecond
	for name, tt := range map[string]struct {
		weight  float64
		becomes float64 // the rate of errors
		within  time.Duration
	}{
		"all bad at 1 %":      {0.01, 1, 2 * time.Second},
		"all bad at 5 %":      {0.05, 1, 500 * time.Millisecond},
		"all bad at 50 %":     {0.5, 1, 500 * time.Millisecond},
		"all bad at 100 %":    {1, 1, 500 * time.Millisecond},
		"one of five at 5 %":  {0.05, 0.2, 2500 * time.Millisecond},
		"one of five at 50 %": {0.5, 0.2, time.Second},
		"3 % at 5 %":          {0.05, 0.03, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &router{}
			w := &world{random: rand.New(rand.NewPCG(9, 1)), rate: 500, weight: 0.5, oldRate: 0.001, newRate: 0.001}
			g := newGuard(t, r, onePercentAndCompare)
			start := noon
			for _, weight := range []float64{w.weight, tt.weight} {
				w.weight = weight
				if at, failed := w.watch(t, g, r, interval, 5*time.Minute, start); failed {
					t.Fatalf("a false alarm after %s", at)
				}
				start = start.Add(5 * time.Minute)
			}
			w.newRate = tt.becomes
			took, failed := w.watch(t, g, r, interval, 2*time.Minute, start)
			t.Logf("seen after %s", took)
			if !failed || took > tt.within {
				t.Errorf("seen: %v, after %s; want it within %s", failed, took, tt.within)
			}
		})
	}
}

// BenchmarkRead is one reading of a full window of half seconds, with errors on
// both sides all the time.
func BenchmarkRead(b *testing.B) {
	r := &router{}
	g, err := Router(traffic.GuardRule{Name: "errors"}, r, RouterConfig{MaxErrorRate: share(0.05), Compare: true, MaxLatency: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	at := noon
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(500 * time.Millisecond)
		timed(&r.old, 200, 20, 0)
		timed(&r.new, 20, 2, 0)
		serve(&r.old, 0, 2)
		serve(&r.new, 0, 1)
		g.Read(b.Context(), at)
	}
}
