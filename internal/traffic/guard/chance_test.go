package guard

import (
	"math"
	"testing"
)

// binomialTail is exact: at least k of n, each with probability p.
func binomialTail(n, k int64, p float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// hypergeometricTail is exact: of n requests, m of them on the new side, e end
// in errors; at least k of those are among the m.
func hypergeometricTail(n, m, e, k int64) float64 {
	sum := 0.0
	for i := k; i <= min(e, m); i++ {
		if e-i <= n-m {
			sum += math.Exp(logChoose(m, i) + logChoose(n-m, e-i) - logChoose(n, e))
		}
	}
	return sum
}

func logChoose(n, k int64) float64 {
	lg := func(x int64) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return lg(n) - lg(k) - lg(n-k)
}

// TestChanceIsNeverLowerThanTheTruth, and not so much higher that it would be
// slow: a few more errors say the same.
func TestChanceIsNeverLowerThanTheTruth(t *testing.T) {
	for _, share := range []float64{0.001, 0.01, 0.05, 0.25, 0.5, 0.9, 0.99} {
		for _, events := range []int64{1, 2, 5, 20, 100, 1000} {
			for seen := int64(0); seen <= events; seen += max(events/20, 1) {
				bound, exact := chance([]stratum{{events, share}}, seen), binomialTail(events, seen, share)
				if bound < exact*(1-1e-6) {
					t.Errorf("%d of %d at %g: %g, lower than the true %g", seen, events, share, bound, exact)
				}
				if slack := 40 * math.Sqrt(float64(events)); exact > 1e-12 && float64(seen) > float64(events)*share && bound > exact*slack {
					t.Errorf("%d of %d at %g: %g, more than %g times the true %g", seen, events, share, bound, slack, exact)
				}
			}
		}
	}
}

// TestChanceHoldsForErrorsAmongRequests: errors are drawn from requests without
// putting them back.
func TestChanceHoldsForErrorsAmongRequests(t *testing.T) {
	for _, c := range []struct{ n, m, e int64 }{{100, 5, 10}, {2000, 20, 3}, {2000, 1000, 40}, {50, 25, 49}} {
		for k := int64(0); k <= min(c.e, c.m); k++ {
			bound := chance([]stratum{{c.e, float64(c.m) / float64(c.n)}}, k)
			if exact := hypergeometricTail(c.n, c.m, c.e, k); bound < exact*(1-1e-6) {
				t.Errorf("%d of %d errors on %d of %d requests: %g, lower than the true %g", k, c.e, c.m, c.n, bound, exact)
			}
		}
	}
}

// TestChanceOfSeveralMoments against the exact sum of two binomials.
func TestChanceOfSeveralMoments(t *testing.T) {
	strata := []stratum{{12, 0.02}, {30, 0.5}, {5, 0}, {0, 0.3}}
	exactly := func(n, k int64, p float64) float64 { return binomialTail(n, k, p) - binomialTail(n, k+1, p) }
	for seen := int64(0); seen <= 42; seen++ {
		exact := 0.0
		for i := int64(0); i <= 12; i++ {
			exact += exactly(12, i, 0.02) * binomialTail(30, max(seen-i, 0), 0.5)
		}
		if bound := chance(strata, seen); bound < exact*(1-1e-6) || bound > 1 {
			t.Errorf("%d: %g, the true one is %g", seen, bound, exact)
		}
	}
	if got := chance(strata, 43); got != 0 {
		t.Errorf("more than there are: %g", got)
	}
}

func BenchmarkChance(b *testing.B) {
	strata := make([]stratum, 120)
	for i := range strata {
		strata[i] = stratum{int64(i % 7), 0.05}
	}
	for b.Loop() {
		chance(strata, 60)
	}
}
