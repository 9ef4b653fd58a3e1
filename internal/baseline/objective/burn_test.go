package objective

import (
	"testing"
	"time"
)

func TestBurn(t *testing.T) {
	o, err := New("o", "", "90", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	hour := func(n int, good, total int64) Span {
		return Span{Start: noon.Add(time.Duration(n) * time.Hour), Good: good, Total: total}
	}
	past := []Span{hour(-3, 95, 100), hour(-1, 100, 100), hour(0, 48, 50)} // 7 bad of 250, 25 allowed
	looks := []struct {
		name  string
		spans []Span
		want  float64
	}{
		{"at first nothing", past, 0},
		{"in the slice of the beginning", []Span{past[0], past[1], hour(0, 94, 100)}, 100 * 4 / 30.0},
		{"in a later one", []Span{past[0], past[1], hour(0, 94, 100), hour(1, 96, 100)}, 100 * 8 / 40.0},
		{"what is long ago has left", []Span{hour(0, 94, 100), hour(1, 96, 100)}, 100 * 8 / 20.0},
		{"none are bad any more", []Span{hour(1, 100, 100)}, 0},
		{"nothing was counted", nil, 0},
	}
	burn := NewBurn(noon.Add(30 * time.Minute))
	for _, look := range looks {
		got := burn.Spent(look.spans, o.Judge(look.spans).BudgetLeft)
		if near := got - look.want; near > 1e-6 || near < -1e-6 {
			t.Errorf("%s: %g %%, want %g %%", look.name, got, look.want)
		}
	}
}

// TestBurnIsTakenUpAgain: a process that takes over at 14:10 looks for the first
// time, and counts what was spent in the slices since.
func TestBurnIsTakenUpAgain(t *testing.T) {
	spans := []Span{{Start: noon, Good: 48, Total: 50}, {Start: noon.Add(time.Hour), Good: 7, Total: 10}}
	if got := NewBurn(noon.Add(30*time.Minute)).Spent(spans, 50); got != 30 {
		t.Errorf("%g %% of the budget, want 3 of 5 bad ones, that is 30 %%", got)
	}
}
