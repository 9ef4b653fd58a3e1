package load

import (
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestEachRequestIsDueAtAFixedTime(t *testing.T) {
	p, err := newPlan([]Step{{Rate: 2, For: 2 * time.Second}, {Rate: 4, For: 1500 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		step int
		due  time.Duration
	}{
		{0, 0}, {0, 500 * time.Millisecond}, {0, time.Second}, {0, 1500 * time.Millisecond},
		{1, 2 * time.Second}, {1, 2250 * time.Millisecond}, {1, 2500 * time.Millisecond},
		{1, 2750 * time.Millisecond}, {1, 3 * time.Second}, {1, 3250 * time.Millisecond},
	}
	for n, w := range want {
		due, ok := p.due(int64(n))
		if !ok || due != w.due || p.step(int64(n)) != w.step {
			t.Errorf("request %d: due at %s in step %d (%v), want %s in %d", n, due, p.step(int64(n)), ok, w.due, w.step)
		}
		if got := p.before(due); got != int64(n) {
			t.Errorf("%d requests are due before request %d", got, n)
		}
	}
	if due, ok := p.due(int64(len(want))); ok {
		t.Errorf("there is one more, at %s", due)
	}
	if got := p.before(time.Hour); got != int64(len(want)) {
		t.Errorf("%d requests in all, want %d", got, len(want))
	}
}

func TestTheLastStepMayHaveNoEnd(t *testing.T) {
	p, err := newPlan([]Step{{Rate: 1, For: time.Second}, {Rate: 10}})
	if err != nil {
		t.Fatal(err)
	}
	if due, ok := p.due(1_000_001); !ok || due != time.Second+100_000*time.Second {
		t.Errorf("due at %s, %v", due, ok)
	}
}

func TestBadOptions(t *testing.T) {
	url := []string{"http://127.0.0.1:1/"}
	second := []Step{{Rate: 1, For: time.Second}}
	tests := map[string]struct {
		options Options
		says    string
	}{
		"no URL":            {Options{Steps: second}, "no URL"},
		"no HTTP":           {Options{URLs: []string{"ftp://x"}, Steps: second}, `"ftp://x"`},
		"no host":           {Options{URLs: []string{"/x"}, Steps: second}, `"/x"`},
		"no step":           {Options{URLs: url}, "no step"},
		"rate of nothing":   {Options{URLs: url, Steps: []Step{{For: time.Second}}}, "step 1: the rate 0"},
		"rate not a number": {Options{URLs: url, Steps: []Step{{Rate: nan(), For: time.Second}}}, "the rate NaN"},
		"rate too high":     {Options{URLs: url, Steps: []Step{{Rate: 1e9, For: time.Second}}}, "up to 50000"},
		"endless first":     {Options{URLs: url, Steps: []Step{{Rate: 1}, {Rate: 1}}}, "step 1: it lasts 0s"},
		"too long":          {Options{URLs: url, Steps: []Step{{Rate: 1, For: 1e9 * time.Second}}}, "ends after more than"},
		"negative timeout":  {Options{URLs: url, Steps: second, Timeout: -1}, "less than nothing"},
		"no authority":      {Options{URLs: url, Steps: second, CA: []byte("hello")}, "no certificate"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Attack(t.Context(), tt.options)
			if err == nil || fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want one that says %q", err, tt.says)
			}
		})
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}
