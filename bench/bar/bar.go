// Package bar prints what benchmarks measured: one line a bar, with its goal
// and whether it is met. It measures nothing itself.
package bar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// AtMost prints a value that must not be over its goal.
func AtMost(name string, value float64, unit string, goal float64) {
	line(name, value, unit, "<="+number(goal), value <= goal)
}

// AtLeast prints a value that must not be under its goal.
func AtLeast(name string, value float64, unit string, goal float64) {
	line(name, value, unit, ">="+number(goal), value >= goal)
}

// Exactly prints a value that must be its goal.
func Exactly(name string, value float64, unit string, goal float64) {
	line(name, value, unit, number(goal), value == goal)
}

// Figure prints a value that nothing is asked of.
func Figure(name string, value float64, unit string) {
	fmt.Printf("figure %s %s %s\n", name, number(value), unit)
}

func line(name string, value float64, unit, goal string, holds bool) {
	verdict := "short"
	if holds {
		verdict = "holds"
	}
	fmt.Printf("BENCH %s %s %s goal %s %s\n", name, number(value), unit, goal, verdict)
}

// number writes three digits, and no fewer than a whole number has.
func number(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Median of at least one value.
func Median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Ratio is the median of what a and b, which have a value for each turn, are to
// each other in the same turn: a machine that others use, too, is faster and
// slower by the minute.
func Ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return Median(ratios)
}
