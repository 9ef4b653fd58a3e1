package capacity

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// WhatIf changes a question. Maps are by node group; "" means every group.
type WhatIf struct {
	Nodes         map[string]int
	InstanceTypes map[string]string
	MaxPods       map[string]int
	// PrefixDelegation for every group, if not nil.
	PrefixDelegation *bool
	// Replicas multiplies the replicas of workloads, those that autoscalers may
	// reach too; zero leaves them.
	Replicas float64
	// WithoutZone leaves out a zone's subnets.
	WithoutZone string
}

// Apply gives the question as it would be. The question itself stays.
func (w WhatIf) Apply(q Question) (Question, error) {
	q.Groups, q.Workloads = slices.Clone(q.Groups), slices.Clone(q.Workloads)
	if err := w.known(q); err != nil {
		return q, err
	}
	for i := range q.Groups {
		w.group(&q.Groups[i])
	}
	if w.Replicas != 0 {
		for i := range q.Workloads {
			workload := &q.Workloads[i]
			for _, n := range []*int{&workload.Replicas, &workload.MaxReplicas, &workload.Surge} {
				*n = int(math.Ceil(float64(*n) * w.Replicas))
			}
		}
	}
	return w.withoutZone(q), nil
}

// withoutZone leaves a zone's subnets out. They are still there: nothing may
// overlap them.
func (w WhatIf) withoutZone(q Question) Question {
	subnets := q.Subnets
	q.Subnets, q.Others = nil, slices.Clone(q.Others)
	for _, s := range subnets {
		if s.Zone == w.WithoutZone && w.WithoutZone != "" {
			q.Others = append(q.Others, s.CIDR)
			continue
		}
		q.Subnets = append(q.Subnets, s)
	}
	return q
}

// group changes one group. What was the most pods of a node is not known for
// another kind of node: the instance type's own limit takes its place.
func (w WhatIf) group(g *NodeGroup) {
	if t, ok := of(w.InstanceTypes, g.Name); ok && t != g.InstanceType {
		g.InstanceType, g.MaxPods = t, 0
	}
	if p := w.PrefixDelegation; p != nil && *p != g.PrefixDelegation {
		g.PrefixDelegation, g.MaxPods = *p, 0
	}
	if n, ok := of(w.Nodes, g.Name); ok {
		g.Nodes = n
	}
	if n, ok := of(w.MaxPods, g.Name); ok {
		g.MaxPods = n
	}
}

// of gives a group's own value, or that for all.
func of[V any](values map[string]V, group string) (V, bool) {
	v, ok := values[group]
	if !ok {
		v, ok = values[""]
	}
	return v, ok
}

// known refuses what would change nothing, or what is ambiguous.
func (w WhatIf) known(q Question) error {
	var groups, zones []string
	for _, g := range q.Groups {
		groups = append(groups, g.Name)
	}
	for _, s := range q.Subnets {
		zones = append(zones, s.Zone)
	}
	names := slices.Concat(slices.Collect(maps.Keys(w.Nodes)), slices.Collect(maps.Keys(w.InstanceTypes)), slices.Collect(maps.Keys(w.MaxPods)))
	for _, name := range names {
		if name != "" && !slices.Contains(groups, name) {
			return fault.New(fault.Invalid, "The node groups are "+strings.Join(groups, ", ")+".", "asking what if: there is no node group %s", name)
		}
	}
	if _, all := w.Nodes[""]; all && len(groups) > 1 {
		return fault.New(fault.Invalid, "Say which, as GROUP=NUMBER; they are "+strings.Join(groups, ", ")+".", "asking what if: the cluster has several node groups")
	}
	if w.WithoutZone != "" && !slices.Contains(zones, w.WithoutZone) {
		slices.Sort(zones)
		return fault.New(fault.Invalid, "The zones are "+strings.Join(slices.Compact(zones), ", ")+".", "asking what if: there is no subnet in zone %s", w.WithoutZone)
	}
	if w.Replicas < 0 || w.Replicas > 1000 || math.IsNaN(w.Replicas) {
		return fault.New(fault.Invalid, "Such as 2 for twice as many.", "asking what if: %v times the replicas", w.Replicas)
	}
	return nil
}
