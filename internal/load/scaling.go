package load

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Replicas is how many instances of a component there are.
type Replicas struct {
	Ready   int32 `json:"ready"`
	Desired int32 `json:"desired"`
}

// Scaling follows how many instances of each component there are while a load
// goes on. It belongs to one goroutine.
type Scaling struct {
	start      time.Time
	components map[string]*ComponentScaling
}

// ComponentScaling is what became of one component. In JSON durations are in
// seconds since the load began.
type ComponentScaling struct {
	Component string   `json:"component"`
	Before    Replicas `json:"before"`
	Most      Replicas `json:"most"`
	After     Replicas `json:"after"`
	// Asked is when more instances were first asked for, Served when more were
	// first ready; nil if never.
	Asked  *float64 `json:"asked,omitempty"`
	Served *float64 `json:"served,omitempty"`
}

// ScaledOut tells that more instances than before were ready.
func (c ComponentScaling) ScaledOut() bool { return c.Most.Ready > c.Before.Ready }

// NewScaling begins to follow.
func NewScaling(start time.Time) *Scaling {
	return &Scaling{start: start, components: map[string]*ComponentScaling{}}
}

// Observe takes what there is of a component now. What is observed first is
// what was before.
func (s *Scaling) Observe(at time.Time, component string, now Replicas) {
	c := s.components[component]
	if c == nil {
		c = &ComponentScaling{Component: component, Before: now, Most: now}
		s.components[component] = c
	}
	c.After = now
	c.Most = Replicas{Ready: max(c.Most.Ready, now.Ready), Desired: max(c.Most.Desired, now.Desired)}
	since := at.Sub(s.start).Round(time.Millisecond).Seconds()
	if c.Asked == nil && now.Desired > c.Before.Desired {
		c.Asked = &since
	}
	if c.Served == nil && now.Ready > c.Before.Ready {
		c.Served = &since
	}
}

// Components gives what was observed, by name.
func (s *Scaling) Components() []ComponentScaling {
	var all []ComponentScaling
	for c := range maps.Values(s.components) {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ComponentScaling) int { return cmp.Compare(a.Component, b.Component) })
	return all
}
