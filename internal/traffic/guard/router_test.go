package guard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// router counts what a story tells.
type router struct {
	old, new traffic.Counters
	err      error
}

func (r *router) Counters(context.Context) (map[traffic.Side]traffic.Counters, error) {
	return map[traffic.Side]traffic.Counters{traffic.Old: r.old, traffic.New: r.new}, r.err
}

// serve adds requests and errors to a side.
func serve(c *traffic.Counters, requests, errors int64) {
	c.Requests += requests
	c.Errors += errors
}

// timed adds requests by latency: so many up to 100 ms, up to 500 ms, slower.
func timed(c *traffic.Counters, fast, slow, slower int64) {
	if c.Latency == nil {
		c.Latency = []traffic.LatencyBucket{{Upper: 100 * time.Millisecond}, {Upper: 500 * time.Millisecond}, {Upper: 10 * time.Second}}
	}
	buckets := append([]traffic.LatencyBucket{}, c.Latency...)
	buckets[0].Count += fast
	buckets[1].Count += fast + slow
	buckets[2].Count += fast + slow + slower
	c.Latency = buckets
	c.Requests += fast + slow + slower
}

// open is timed with a last bucket for all that is slower.
func open(c *traffic.Counters, fast, slow, slower int64) {
	timed(c, fast, slow, slower)
	c.Latency[2].Upper = endless
}

func share(s float64) *float64 { return &s }

// story is what happens before each reading, five seconds after the one before.
type story struct {
	config RouterConfig
	busy   bool // the rule does not allow the new side to be idle
	tell   []func(*router)
}

func each(n int, tell func(*router)) []func(*router) {
	var all []func(*router)
	for range n {
		all = append(all, tell)
	}
	return all
}

func then(parts ...[]func(*router)) []func(*router) {
	var all []func(*router)
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

var onePercentAndCompare = RouterConfig{MaxErrorRate: share(0.01), Compare: true}

// traffic of 400 requests a second in five seconds, at weights of the new side.
func at(weight int64, oldErrors, newErrors int64) func(*router) {
	return func(r *router) {
		serve(&r.old, 2000*(100-weight)/100, oldErrors)
		serve(&r.new, 2000*weight/100, newErrors)
	}
}

var stories = map[string]story{
	"clean": {config: onePercentAndCompare, tell: then(each(2, at(1, 2, 0)), each(2, at(10, 2, 0)), each(2, at(50, 1, 1)), each(2, at(100, 0, 2)))},
	// 3 errors among 20 requests: at 1 % that is no chance, whatever a bare ratio
	// might do in another moment.
	"three errors of twenty at one percent": {config: onePercentAndCompare, tell: then(each(2, at(1, 2, 0)), each(1, at(1, 2, 3)), each(2, at(1, 1, 2)))},
	"one error of twenty at one percent":    {config: onePercentAndCompare, tell: then(each(2, at(1, 2, 0)), each(1, at(1, 2, 1)), each(3, at(1, 2, 0)))},
	"all bad at five percent":               {config: onePercentAndCompare, tell: then(each(2, at(5, 2, 0)), each(1, at(5, 2, 100)))},
	// Trouble that both sides share is not the new side's, but it is over the
	// bound.
	"both sides suffer":          {config: RouterConfig{Compare: true}, tell: then(each(2, at(1, 2, 0)), each(3, at(50, 500, 505)))},
	"both sides suffer, bounded": {config: onePercentAndCompare, tell: then(each(2, at(1, 2, 0)), each(1, at(50, 500, 505)))},
	// The old side was bad and is well again; the new side had most requests
	// while all were bad.
	"weight and trouble change together":  {config: RouterConfig{Compare: true}, tell: then(each(3, at(90, 20, 180)), each(3, at(10, 0, 0)))},
	"worse than the old side was, at 100": {config: RouterConfig{Compare: true}, tell: then(each(3, at(50, 1, 1)), each(13, at(100, 0, 2)), each(2, at(100, 0, 60)))},
	"a little worse than allowed":         {config: RouterConfig{MaxErrorRate: share(0.01)}, tell: each(8, at(50, 0, 18))},
	"no error is allowed":                 {config: RouterConfig{MaxErrorRate: share(0)}, tell: then(each(2, at(50, 0, 0)), each(1, at(50, 0, 1)))},
	"no requests":                         {config: onePercentAndCompare, tell: each(3, at(0, 2, 0))},
	"no requests although there must be":  {config: onePercentAndCompare, busy: true, tell: then(each(2, at(0, 2, 0)), each(1, at(1, 0, 0)))},
	"started anew": {config: onePercentAndCompare, tell: then(each(2, at(10, 2, 0)), each(1, func(r *router) {
		r.old, r.new = traffic.Counters{Requests: 10}, traffic.Counters{Requests: 1}
	}), each(2, at(10, 2, 0)))},
	"cannot be read": {config: onePercentAndCompare, tell: then(each(2, at(10, 2, 0)), each(1, func(r *router) { r.err = errors.New("lb2: connection refused") }),
		each(1, func(r *router) { r.err = nil; at(10, 2, 0)(r) }))},
	"slow by counts": {config: RouterConfig{MaxLatency: 300 * time.Millisecond, MaxSlowdown: 2}, tell: then(
		each(3, func(r *router) { timed(&r.old, 980, 20, 0); timed(&r.new, 98, 2, 0) }),
		each(1, func(r *router) { timed(&r.old, 980, 20, 0); timed(&r.new, 50, 30, 20) }))},
	"counts that do not reach": {config: RouterConfig{MaxLatency: time.Minute}, tell: each(3, func(r *router) { open(&r.old, 10, 0, 0); open(&r.new, 100, 0, 0) })},
	"slower than the last bucket": {config: RouterConfig{MaxLatency: 300 * time.Millisecond}, tell: then(
		each(3, func(r *router) { open(&r.new, 98, 2, 0) }),
		each(1, func(r *router) { open(&r.new, 50, 0, 50) }))},
	"slow by the router's figure": {config: RouterConfig{MaxLatency: 300 * time.Millisecond}, tell: then(
		each(2, func(r *router) { at(10, 0, 0)(r); r.new.P95 = 120 * time.Millisecond }),
		each(1, func(r *router) { at(10, 0, 0)(r); r.new.P95 = 900 * time.Millisecond }))},
	"no latencies": {config: RouterConfig{MaxLatency: 300 * time.Millisecond}, tell: each(2, at(10, 0, 0))},
}

func TestStories(t *testing.T) {
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			r := &router{}
			g, err := Router(traffic.GuardRule{Name: "errors", Idle: !s.busy}, r, s.config)
			if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			for i, tell := range append([]func(*router){func(*router) {}}, s.tell...) {
				tell(r)
				at := noon.Add(time.Duration(i) * 5 * time.Second)
				reading := g.Read(t.Context(), at)
				if i == 0 {
					fmt.Fprintf(&log, "bound: %s\n", reading.Bound)
				}
				log.WriteString(told(reading, i*5))
			}
			golden.Assert(t, log.String(), strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)+".txt")
		})
	}
}

// told is a reading as a line of a story.
func told(r traffic.Reading, second int) string {
	line := fmt.Sprintf("%3d s  %-8s", second, r.Answer)
	for _, part := range []string{r.Value, r.Reason} {
		if part != "" {
			line += "  " + part
		}
	}
	if !r.FirstBad.IsZero() {
		line += fmt.Sprintf("  (first bad at %.0f s)", r.FirstBad.Sub(noon).Seconds())
	}
	return strings.TrimRight(line, " ") + "\n"
}

func TestBadRouterConfigs(t *testing.T) {
	good := RouterConfig{Compare: true}
	tests := map[string]struct {
		change func(*RouterConfig)
		says   string
	}{
		"nothing":         {func(c *RouterConfig) { c.Compare = false }, "bounds nothing"},
		"rate over all":   {func(c *RouterConfig) { c.MaxErrorRate = share(1) }, "error rate 1"},
		"rate below none": {func(c *RouterConfig) { c.MaxErrorRate = share(-0.1) }, "error rate -0.1"},
		"latency":         {func(c *RouterConfig) { c.MaxLatency = -1 }, "latency"},
		"slowdown":        {func(c *RouterConfig) { c.MaxSlowdown = 0.5 }, "slowdown"},
		"sure":            {func(c *RouterConfig) { c.Confidence = 1 }, "confidence"},
		"unsure":          {func(c *RouterConfig) { c.Confidence = 0.1 }, "confidence"},
		"window":          {func(c *RouterConfig) { c.Window = time.Millisecond }, "window"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			config := good
			tt.change(&config)
			_, err := Router(traffic.GuardRule{Name: "errors"}, &router{}, config)
			if fault.ClassOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("got %v, want one that says %q", err, tt.says)
			}
		})
	}
	if _, err := Router(traffic.GuardRule{Name: "errors"}, nil, good); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a router that does not count: %v", err)
	}
}

func TestAClockThatJumps(t *testing.T) {
	r := &router{}
	g, err := Router(traffic.GuardRule{Name: "errors", Idle: true}, r, onePercentAndCompare)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		at   time.Duration
		want result.Answer
	}{{0, result.Unknown}, {5 * time.Second, result.Holds}, {-time.Hour, result.Unknown}, {5*time.Second - time.Hour, result.Holds}, {24 * time.Hour, result.Holds}} {
		at(10, 2, 0)(r)
		if got := g.Read(t.Context(), noon.Add(tt.at)); got.Answer != tt.want {
			t.Errorf("reading %d: %+v, want %s", i, got, tt.want)
		}
	}
}

// TestALongWindowIsBounded: a day at ten readings a second, of which nothing is
// forgotten but the finest detail.
func TestALongWindowIsBounded(t *testing.T) {
	w := window{length: 24 * time.Hour}
	r := &router{}
	for i := range 5000 {
		timed(&r.old, 1, 0, 0)
		serve(&r.new, 2, int64(i%2))
		totals, _ := r.Counters(t.Context())
		w.add(noon.Add(time.Duration(i)*100*time.Millisecond), totals)
		if len(w.spans) > maxSpans {
			t.Fatalf("%d spans after %d readings", len(w.spans), i)
		}
	}
	views := w.views()
	whole := views[len(views)-1]
	if whole.old.requests != 4999 || whole.new.requests != 2*4999 || whole.new.errors != 2500 || whole.old.latency[0].Count != 4999 {
		t.Errorf("old %+v, new %+v", whole.old, whole.new)
	}
	if whole.length() != 499900*time.Millisecond {
		t.Errorf("the spans cover %s", whole.length())
	}
}

func FuzzCountersNeverPanic(f *testing.F) {
	f.Add(int64(10), int64(1), int64(100), int64(3), int64(5), int64(-1))
	f.Add(int64(1)<<62, int64(1)<<62, int64(-9223372036854775808), int64(1), int64(0), int64(9223372036854775807))
	f.Fuzz(func(t *testing.T, a, b, c, d, e, x int64) {
		r := &router{}
		g, err := Router(traffic.GuardRule{Name: "errors"}, r, RouterConfig{MaxErrorRate: share(0.01), Compare: true, MaxLatency: time.Second, MaxSlowdown: 2})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []int64{a, b, c, d, e, x} {
			r.old = traffic.Counters{Requests: v, Errors: a ^ v, Latency: []traffic.LatencyBucket{{Upper: time.Duration(x), Count: b ^ v}}}
			r.new = traffic.Counters{Requests: c ^ v, Errors: d ^ v, Latency: []traffic.LatencyBucket{{Upper: time.Duration(x), Count: e ^ v}}}
			g.Read(t.Context(), noon.Add(time.Duration(i)*time.Second))
		}
	})
}
