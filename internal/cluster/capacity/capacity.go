// Package capacity computes whether a cluster's pods find addresses: today, in
// a rolling update, and when a zone is lost. On EKS each pod has an address of
// the VPC, and nodes take addresses in whole network interfaces or blocks, so
// that subnets run out long before pods are as many as addresses.
//
// Everything here is arithmetic: what there is comes from outside. Start at
// Plan.
package capacity

import (
	"net/netip"

	"github.com/landfall-dev/landfall/internal/result"
)

// Reserved is how many addresses of each subnet AWS keeps: the first four and
// the last (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
const Reserved = 5

// Question is what there is, and what is to fit.
type Question struct {
	// VPC are the networks of the VPC: proposals are cut from them.
	VPC []netip.Prefix `json:"vpc,omitempty"`
	// Others are networks of the VPC that are not for nodes; proposals keep clear
	// of them.
	Others  []netip.Prefix `json:"others,omitempty"`
	Subnets []Subnet       `json:"subnets"`
	Groups  []NodeGroup    `json:"nodeGroups"`
	// Workloads that run in the cluster.
	Workloads []Workload `json:"workloads"`
	// Headroom in percent that proposals add to what is needed.
	Headroom int `json:"headroom,omitempty"`
}

// Subnet that nodes are started in.
type Subnet struct {
	Name string       `json:"name"`
	Zone string       `json:"zone"`
	CIDR netip.Prefix `json:"cidr"`
	// Taken addresses that are not the nodes': load balancers, endpoints,
	// databases.
	Taken int `json:"taken,omitempty"`
	// Used is given instead of Taken where only the sum is known, as AWS counts
	// it: the addresses of the cluster's own nodes and pods of today are among it.
	Used int `json:"used,omitempty"`
}

// Size is how many addresses can be used in the subnet.
func (s Subnet) Size() int { return addresses(s.CIDR) - Reserved }

// NodeGroup is nodes that are alike, spread evenly over the zones.
type NodeGroup struct {
	Name         string `json:"name"`
	InstanceType string `json:"instanceType"`
	Nodes        int    `json:"nodes"`
	// MaxPods of a node, as the kubelet is told; zero takes what the instance
	// type allows.
	MaxPods int `json:"maxPods,omitempty"`
	// PrefixDelegation gives nodes blocks of 16 addresses (/28) instead of
	// single ones.
	PrefixDelegation bool `json:"prefixDelegation,omitempty"`
	// Surge is how many nodes more there are while the group is updated; one a
	// zone if zero, as managed node groups do
	// (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html).
	Surge int `json:"surge,omitempty"`
}

// Workload is pods that are alike.
type Workload struct {
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	// MaxReplicas that an autoscaler may reach; Replicas if lower.
	MaxReplicas int `json:"maxReplicas,omitempty"`
	// Surge is how many pods more there are in a rolling update.
	Surge int `json:"surge,omitempty"`
	// PerNode: one pod on each node (DaemonSet); Replicas do not count.
	PerNode bool `json:"perNode,omitempty"`
	// HostNetwork pods have their node's address and count as pods only.
	HostNetwork bool `json:"hostNetwork,omitempty"`
}

// Scenario is a state that the cluster must survive.
type Scenario string

// Scenarios.
const (
	// Today: the replicas there are.
	Today Scenario = "today"
	// Peak: autoscaled workloads at their most.
	Peak Scenario = "peak"
	// Rolling: at peak every workload and every node group is updated at once.
	Rolling Scenario = "rolling update"
	// ZoneLost: at peak, and one zone's nodes are started again in the others.
	ZoneLost Scenario = "zone lost"
)

// Scenarios in the order in which they are asked.
var Scenarios = []Scenario{Today, Peak, Rolling, ZoneLost}

// Answer is what fits.
type Answer struct {
	Scenarios []ScenarioAnswer `json:"scenarios"`
	// Proposals for subnets where something does not fit.
	Proposals []Proposal `json:"proposals,omitempty"`
	// Notes on what the figures mean, and on what is not as it should be.
	Notes []string `json:"notes,omitempty"`
}

// ScenarioAnswer says what one scenario needs.
type ScenarioAnswer struct {
	Scenario Scenario `json:"scenario"`
	// Lost is the zone that is lost.
	Lost    string         `json:"lost,omitempty"`
	Pods    int            `json:"pods"`
	Nodes   int            `json:"nodes"`
	Answer  result.Answer  `json:"answer"`
	Reason  string         `json:"reason,omitempty"`
	Subnets []SubnetAnswer `json:"subnets"`
	// Unplaced pods have no room on the nodes, whatever addresses there are.
	Unplaced int `json:"unplaced,omitempty"`
}

// SubnetAnswer says what one subnet has and needs. Free is below zero where it
// does not fit.
type SubnetAnswer struct {
	Name  string `json:"name"`
	Zone  string `json:"zone"`
	Size  int    `json:"size"`
	Taken int    `json:"taken"`
	Nodes int    `json:"nodes"`
	Pods  int    `json:"pods"`
	// Needed addresses: those of pods and nodes, and those that nodes keep warm.
	Needed int `json:"needed"`
	Free   int `json:"free"`
}

// Proposal is a network that would do.
type Proposal struct {
	Zone string       `json:"zone"`
	CIDR netip.Prefix `json:"cidr"`
	// Secondary: the VPC has no such room, so the network has to be added to it.
	Secondary bool   `json:"secondary,omitempty"`
	Reason    string `json:"reason"`
}

// Holds is the answer of all scenarios together.
func (a Answer) Holds() result.Answer {
	var counts result.Counts
	for _, s := range a.Scenarios {
		counts.Add(s.Answer)
	}
	return counts.Answer()
}

// addresses of a network.
func addresses(p netip.Prefix) int {
	if !p.IsValid() || p.Addr().BitLen()-p.Bits() > 30 {
		return 0
	}
	return 1 << (p.Addr().BitLen() - p.Bits())
}
