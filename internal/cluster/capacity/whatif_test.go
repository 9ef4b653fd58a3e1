package capacity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestWhatIf(t *testing.T) {
	yes := true
	for name, tt := range map[string]struct {
		ask    WhatIf
		change func(*Question)
	}{
		"nothing":       {WhatIf{}, func(*Question) {}},
		"more nodes":    {WhatIf{Nodes: map[string]int{"": 12}}, func(q *Question) { q.Groups[0].Nodes = 12 }},
		"another type":  {WhatIf{InstanceTypes: map[string]string{"main": "m5.large"}}, func(q *Question) { q.Groups[0].InstanceType, q.Groups[0].MaxPods = "m5.large", 0 }},
		"the same type": {WhatIf{InstanceTypes: map[string]string{"": "m5.xlarge"}}, func(*Question) {}},
		"prefixes":      {WhatIf{PrefixDelegation: &yes, MaxPods: map[string]int{"": 110}}, func(q *Question) { q.Groups[0].PrefixDelegation, q.Groups[0].MaxPods = true, 110 }},
		"half as many more": {WhatIf{Replicas: 1.5}, func(q *Question) {
			q.Workloads[2].Replicas, q.Workloads[2].MaxReplicas, q.Workloads[2].Surge, q.Workloads[3].Replicas = 90, 225, 57, 135
		}},
		"a zone less": {WhatIf{WithoutZone: "ap-northeast-1c"}, func(q *Question) {
			q.Others = append(q.Others, q.Subnets[1].CIDR)
			q.Subnets = append(q.Subnets[:1:1], q.Subnets[2])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			q, want, before := school(), school(), school()
			q.Groups[0].MaxPods, want.Groups[0].MaxPods, before.Groups[0].MaxPods = 58, 58, 58
			tt.change(&want)
			got, err := tt.ask.Apply(q)
			if err != nil {
				t.Fatal(err)
			}
			same := cmpopts.EquateComparable(q.VPC[0])
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, q, same); diff != "" {
				t.Errorf("the question itself has changed:\n%s", diff)
			}
		})
	}
}

func TestWhatIfOfWhatIsNotThere(t *testing.T) {
	two := school()
	two.Groups = append(two.Groups, NodeGroup{Name: "spot", InstanceType: "m5.large"})
	for want, ask := range map[string]WhatIf{
		"no node group side":           {MaxPods: map[string]int{"side": 1}},
		"several node groups":          {Nodes: map[string]int{"": 1}},
		"no subnet in zone eu-west-1a": {WithoutZone: "eu-west-1a"},
		"-1 times":                     {Replicas: -1},
	} {
		if _, err := ask.Apply(two); err == nil || fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestSettle: what AWS counts as used has the cluster's own addresses in it.
func TestSettle(t *testing.T) {
	q := school()
	answer, err := Plan(q)
	if err != nil {
		t.Fatal(err)
	}
	counted := school()
	for i, s := range answer.Scenarios[0].Subnets {
		counted.Subnets[i].Taken, counted.Subnets[i].Used = 0, min(s.Taken+s.Needed, s.Size)
	}
	// The last has less room than is needed today: nothing there is others'.
	settled, err := Settle(counted)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(q.Subnets, settled.Subnets, cmpopts.EquateComparable(q.VPC[0])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
