package guard

import "math"

// stratum is a group of events of which each may fall to the new side with the
// same chance, independently of all others.
type stratum struct {
	// events of both sides together, and the new side's share of what they may
	// happen to.
	events int64
	share  float64
}

// chance bounds from above how likely it is that at least so many of the events
// fall to the new side if they pick a side by its share alone. The bound is
// never lower than the true probability (Chernoff's bound; by Hoeffding 1963,
// theorem 4, it holds as well for drawing without replacement, which is what
// errors among a known number of requests are). It costs time in proportion to
// the strata, however many events there are.
func chance(strata []stratum, seen int64) float64 {
	mean, most, allThere := 0.0, int64(0), 0.0
	for _, s := range strata {
		if s.events > 0 && s.share > 0 {
			mean += float64(s.events) * s.share
			most += s.events
			allThere += float64(s.events) * math.Log(s.share)
		}
	}
	switch {
	case float64(seen) <= mean:
		return 1
	case seen > most:
		return 0
	case seen == most:
		return math.Exp(allThere)
	}
	tilt := tiltTo(strata, float64(seen))
	exponent := -tilt * float64(seen)
	for _, s := range strata {
		exponent += float64(s.events) * math.Log1p(s.share*math.Expm1(tilt))
	}
	return math.Exp(min(exponent, 0))
}

// tiltTo finds how much more likely the new side would have to be, as the
// logarithm of a factor on its odds, for so many events to be what is expected.
// It lies over 0 and is found by halving: the expectation grows with it.
func tiltTo(strata []stratum, seen float64) float64 {
	low, high := 0.0, 60.0 // a factor of 10²⁶
	for range 60 {
		middle := (low + high) / 2
		if expected(strata, middle) < seen {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func expected(strata []stratum, tilt float64) float64 {
	sum, factor := 0.0, math.Exp(tilt)
	for _, s := range strata {
		sum += float64(s.events) * s.share * factor / (1 - s.share + s.share*factor)
	}
	return sum
}
