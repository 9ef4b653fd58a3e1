package guard

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

func TestResults(t *testing.T) {
	holds := result.Result{Group: "home", Name: "GET /", Answer: result.Holds}
	fails := result.Result{Group: "log in", Name: "POST /login", Answer: result.Fails, Expected: "302", Actual: "500\nInternal"}
	unknown := result.Result{Group: "home", Name: "GET /", Reason: "timed\x1b out"}
	tests := map[string]struct {
		results []result.Result
		want    traffic.Reading
	}{
		"all hold":   {[]result.Result{holds, holds}, traffic.Reading{Answer: result.Holds, Value: "2 hold", Bound: "all hold"}},
		"one fails":  {[]result.Result{holds, unknown, fails}, traffic.Reading{Answer: result.Fails, Value: "1 fails, 1 unknown, 1 holds", Bound: "all hold", Reason: "log in › POST /login: expected 302, got 500", FirstBad: noon}},
		"unknown":    {[]result.Result{holds, unknown}, traffic.Reading{Value: "1 unknown, 1 holds", Bound: "all hold", Reason: `home › GET /: timed\x1b out`}},
		"nothing":    {nil, traffic.Reading{Value: "nothing was compared", Bound: "all hold", Reason: "nothing was checked"}},
		"one metric": {[]result.Result{{Name: "p95", Answer: result.Fails, Expected: "at most 1", Actual: "2"}}, traffic.Reading{Answer: result.Fails, Value: "2", Bound: "at most 1", Reason: "expected at most 1, got 2", FirstBad: noon}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := Results(traffic.GuardRule{Name: "checks"}, func(context.Context, time.Time) []result.Result { return tt.results })
			tt.want.Guard, tt.want.At = "checks", noon
			if diff := cmp.Diff(tt.want, g.Read(t.Context(), noon)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if g.Rule().Name != "checks" {
				t.Errorf("the rule is lost: %+v", g.Rule())
			}
		})
	}
}
