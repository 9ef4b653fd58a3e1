package haproxy

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/traffic"
)

func TestSharesReadAsPercents(t *testing.T) {
	tests := map[string]struct {
		w                traffic.Weight
		old, new         []int
		wantOld, wantNew []int
	}{
		"one each":                        {1, []int{1}, []int{0}, []int{99}, []int{1}},
		"ten percent":                     {10, []int{1}, []int{1}, []int{90}, []int{10}},
		"three and two":                   {1, []int{1, 1, 1}, []int{1, 1}, []int{66, 66, 66}, []int{1, 1}},
		"one large, one small":            {50, []int{20, 10}, []int{0, 0}, []int{100, 50}, []int{75, 75}},
		"more new servers than one gives": {1, []int{1}, []int{1, 1, 1}, []int{198}, []int{1, 1, 0}},
		"none":                            {0, []int{20, 10}, []int{5}, []int{20, 10}, []int{0}},
		"all":                             {100, []int{20, 10}, []int{0, 0}, []int{0, 0}, []int{100, 100}},
		"seven and five":                  {1, []int{1, 1, 1, 1, 1, 1, 1}, []int{1, 1, 1, 1, 1}, []int{255, 255, 255, 255, 254, 254, 254}, []int{4, 4, 4, 3, 3}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			old, new := shares(tt.w, tt.old, tt.new)
			if diff := cmp.Diff([][]int{tt.wantOld, tt.wantNew}, [][]int{old, new}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestSharesAreExact tries every percent for sides of every size.
func TestSharesAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	side := func() []int {
		weights := make([]int, 1+random.IntN(64))
		for i := range weights {
			weights[i] = random.IntN(maxWeight + 1)
		}
		return weights
	}
	for range 200 {
		initialOld, initialNew := side(), side()
		for w := traffic.None; w <= traffic.All; w++ {
			old, new := shares(w, initialOld, initialNew)
			if i := (traffic.Instance{Old: sum(old), New: sum(new)}); !i.At(w) {
				t.Fatalf("%d %% of %v and %v: %v and %v", w, initialOld, initialNew, old, new)
			}
			for _, weight := range append(old, new...) {
				if weight < 0 || weight > maxWeight {
					t.Fatalf("%d %%: weight %d", w, weight)
				}
			}
		}
	}
}

func BenchmarkShares(b *testing.B) {
	initial := make([]int, 64)
	for i := range initial {
		initial[i] = i + 1
	}
	for b.Loop() {
		shares(37, initial, initial)
	}
}
