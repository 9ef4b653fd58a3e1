package objective

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	tests := []struct {
		target      string
		good, total int64
		want        Verdict
	}{
		{"99.9", 0, 0, Verdict{}},
		{"99.9", 1000, 1000, Verdict{result.Holds, 1000, 1000, 100}},
		{"99.9", 999, 1000, Verdict{result.Holds, 999, 1000, 0}},
		{"99.9", 998, 1000, Verdict{result.Fails, 998, 1000, -100}},
		{"99", 199, 200, Verdict{result.Holds, 199, 200, 50}},
		{"100", 200, 200, Verdict{result.Holds, 200, 200, 100}},
		{"100", 199, 200, Verdict{result.Fails, 199, 200, -100}},
		{"50", 0, 10, Verdict{result.Fails, 0, 10, -100}},
	}
	for _, tt := range tests {
		o, err := New("o", "", tt.target, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := o.Judge([]Span{{Good: tt.good / 2, Total: tt.total / 2}, {Good: tt.good - tt.good/2, Total: tt.total - tt.total/2}})
		near := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 })
		if diff := cmp.Diff(tt.want, got, near); diff != "" {
			t.Errorf("%s %% with %d of %d (-want +got):\n%s", tt.target, tt.good, tt.total, diff)
		}
	}
}

func TestRunsLeaveTheWindowSliceBySlice(t *testing.T) {
	o, err := New("o", "", "99", 24*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var spans []Span
	for minute := range 60 {
		spans = o.Count(spans, noon.Add(time.Duration(minute)*time.Minute), 1, 2)
		spans = o.Count(spans, noon.Add(time.Duration(minute)*time.Minute+30*time.Second), 1, 1)
		if len(spans) > Slices+1 {
			t.Fatalf("minute %d: %d spans", minute, len(spans))
		}
	}
	if got := o.Judge(spans); got.Total < 24*3 || got.Total > 25*3 || got.Good*3 != got.Total*2 {
		t.Errorf("after an hour %+v", got)
	}
	if spans = o.Count(spans, noon.Add(3*time.Hour), 0, 0); len(spans) != 0 {
		t.Errorf("after a pause %v", spans)
	}
}

func TestAClockThatWentBackLosesWhatIsAhead(t *testing.T) {
	o, _ := New("o", "", "99", time.Hour)
	spans := o.Count([]Span{{Start: noon.Add(time.Hour), Good: 5, Total: 5}}, noon, 1, 1)
	if want := []Span{{Start: noon, Good: 1, Total: 1}}; !cmp.Equal(want, spans) {
		t.Errorf("%v", spans)
	}
}

func TestBadObjectives(t *testing.T) {
	for _, target := range []string{"", "0", "-1", "100.1", "NaN", "a lot"} {
		if _, err := New("o", "", target, 0); err == nil {
			t.Errorf("target %q is accepted", target)
		}
	}
	for _, window := range []time.Duration{-time.Hour, time.Minute, 31 * 24 * time.Hour} {
		if _, err := New("o", "", "99", window); err == nil {
			t.Errorf("window %s is accepted", window)
		}
	}
}
