package environment

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// everything in runBefore means all components that are not jobs.
const everything = "*"

// validateOrder checks that runBefore names components and has no cycle.
func validateOrder(bp *v1alpha1.Blueprint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := componentNames(bp)
	for i, c := range bp.Spec.Components {
		for j, before := range c.RunBefore {
			at := path.Index(i).Child("runBefore").Index(j)
			switch {
			case before == c.Name:
				errs = append(errs, field.Invalid(at, before, "a component cannot run before itself"))
			case before != everything && !slices.Contains(names, before):
				errs = append(errs, unknown(at, "component", before, names))
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	if cycle := findCycle(bp.Spec.Components); cycle != nil {
		first := slices.Index(names, cycle[0])
		errs = append(errs, field.Invalid(path.Index(first).Child("runBefore"), cycle[1],
			"the components run before each other: "+strings.Join(cycle, " → ")))
	}
	return errs
}

// predecessors gives, for each component, the jobs that must complete before
// it, sorted.
func predecessors(components []v1alpha1.Component) map[string][]string {
	before := map[string][]string{}
	for _, job := range components {
		for _, name := range job.RunBefore {
			if name != everything {
				before[name] = append(before[name], job.Name)
				continue
			}
			for _, c := range components {
				if len(c.RunBefore) == 0 {
					before[c.Name] = append(before[c.Name], job.Name)
				}
			}
		}
	}
	for name, jobs := range before {
		slices.Sort(jobs)
		before[name] = slices.Compact(jobs)
	}
	return before
}

// findCycle is a chain of components that run before each other, its first one
// repeated at the end, or nil.
func findCycle(components []v1alpha1.Component) []string {
	before := predecessors(components)
	const (
		unseen = iota
		onPath
		done
	)
	state := map[string]int{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		switch state[name] {
		case onPath:
			cycle := append(slices.Clone(path[slices.Index(path, name):]), name)
			slices.Reverse(cycle) // from predecessors to "runs before"
			return cycle
		case done:
			return nil
		}
		state[name] = onPath
		path = append(path, name)
		for _, job := range before[name] {
			if cycle := visit(job); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}

// levels gives each component the number of jobs in the longest chain that must
// complete before it. The components must have no cycle.
func levels(components []v1alpha1.Component) map[string]int {
	before, level := predecessors(components), map[string]int{}
	var visit func(name string) int
	visit = func(name string) int {
		if known, ok := level[name]; ok {
			return known
		}
		highest := 0
		for _, job := range before[name] {
			highest = max(highest, visit(job)+1)
		}
		level[name] = highest
		return highest
	}
	for _, c := range components {
		visit(c.Name)
	}
	return level
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
