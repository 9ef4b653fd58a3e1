package haproxy

import (
	"github.com/landfall-dev/landfall/internal/traffic"
)

// maxWeight is what a server of HAProxy can have.
const maxWeight = 256

// shares gives every server a weight, so that the new side's sum is exactly the
// share w of all. Within a side, servers keep the proportions of their initial
// weights as nearly as whole numbers allow; at the ends the side that has all
// traffic has its initial weights.
func shares(w traffic.Weight, initialOld, initialNew []int) (old, new []int) {
	initialOld, initialNew = usable(initialOld), usable(initialNew)
	switch w {
	case traffic.None:
		return initialOld, make([]int, len(initialNew))
	case traffic.All:
		return make([]int, len(initialOld)), initialNew
	}
	partNew := int(w)
	partOld := int(traffic.All) - partNew
	divisor := gcd(partOld, partNew)
	partOld, partNew = partOld/divisor, partNew/divisor
	unit := chooseUnit(partOld, partNew, divisor, initialOld, initialNew)
	return spread(partOld*unit, initialOld), spread(partNew*unit, initialNew)
}

// chooseUnit gives the factor of both parts: one with which every server's
// weight is exactly in proportion, best of all so that people read percents;
// otherwise the largest that fits, where rounding matters least.
func chooseUnit(partOld, partNew, percent int, initialOld, initialNew []int) int {
	largest := min(room(initialOld)/partOld, room(initialNew)/partNew)
	exact := func(unit int) bool {
		return divides(partOld*unit, initialOld) && divides(partNew*unit, initialNew)
	}
	for _, step := range []int{percent, 1} {
		for unit := step; unit <= largest; unit += step {
			if exact(unit) {
				return unit
			}
		}
	}
	return largest
}

// usable are initial weights to share by: equal ones where the configuration
// gives none, as with servers that are to get nothing yet.
func usable(initial []int) []int {
	if sum(initial) > 0 {
		return initial
	}
	equal := make([]int, len(initial))
	for i := range equal {
		equal[i] = int(traffic.All)
	}
	return equal
}

// room is the largest sum of weights with which no server has more than it can.
// It is at least maxWeight.
func room(initial []int) int {
	largest := 0
	for _, weight := range initial {
		largest = max(largest, weight)
	}
	return maxWeight * sum(initial) / largest
}

func divides(total int, initial []int) bool {
	for _, weight := range initial {
		if total*weight%sum(initial) != 0 {
			return false
		}
	}
	return true
}

// spread gives out a total by proportion. What rounding leaves goes, one each,
// to those who lost most by it.
func spread(total int, initial []int) []int {
	all, left := sum(initial), total
	weights, lost := make([]int, len(initial)), make([]int, len(initial))
	for i, weight := range initial {
		weights[i], lost[i] = total*weight/all, total*weight%all
		left -= weights[i]
	}
	for ; left > 0; left-- {
		most := 0
		for i := range lost {
			if lost[i] > lost[most] {
				most = i
			}
		}
		weights[most]++
		lost[most] = -1
	}
	return weights
}

func sum(weights []int) int {
	total := 0
	for _, weight := range weights {
		total += weight
	}
	return total
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
