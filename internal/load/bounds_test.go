package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

func TestJudge(t *testing.T) {
	share, lost := 0.001, int64(0)
	bounds := Bounds{MaxP95: 200 * time.Millisecond, MaxErrors: &share, MaxLost: &lost}
	step := func(p95 time.Duration, errors, lost int64, late time.Duration) StepSummary {
		return StepSummary{Rate: 50, Late: late, Figures: Figures{Requests: 1000, Errors: errors, Lost: lost, Latency: Latency{P95: p95}}}
	}
	tests := map[string]struct {
		step        StepSummary
		interrupted bool
		want        []result.Answer
	}{
		"within":        {step(200*time.Millisecond, 1, 0, 0), false, []result.Answer{result.Holds, result.Holds, result.Holds}},
		"slow":          {step(201*time.Millisecond, 0, 0, 0), false, []result.Answer{result.Fails, result.Holds, result.Holds}},
		"errors":        {step(time.Millisecond, 2, 0, 0), false, []result.Answer{result.Holds, result.Fails, result.Holds}},
		"one lost":      {step(time.Millisecond, 0, 1, 0), false, []result.Answer{result.Holds, result.Holds, result.Fails}},
		"slow, or we":   {step(time.Second, 0, 0, time.Second), false, []result.Answer{result.Unknown, result.Holds, result.Holds}},
		"fast although": {step(time.Millisecond, 0, 0, time.Second), false, []result.Answer{result.Holds, result.Holds, result.Holds}},
		"interrupted":   {step(time.Millisecond, 2, 0, 0), true, []result.Answer{result.Unknown, result.Fails, result.Unknown}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []result.Answer
			for _, r := range bounds.Judge(&Summary{Steps: []StepSummary{tt.step}, Interrupted: tt.interrupted}).Results {
				got = append(got, r.Answer)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]float64{"0.1%": 0.001, "0": 0, " 5 % ": 0.05, "100": 1} {
		if got, err := ParsePercent(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101", "NaN", "a lot"} {
		if got, err := ParsePercent(text); err == nil {
			t.Errorf("%q is accepted as %v", text, got)
		}
	}
	for share, want := range map[float64]string{0: "0 %", 0.001: "0.1 %", 0.5: "50 %", 1: "100 %", 0.12345: "12.345 %"} {
		if got := Percent(share); got != want {
			t.Errorf("%v is %q, want %q", share, got, want)
		}
	}
}
