package capacity

import (
	"fmt"
	"net/netip"

	"go4.org/netipx"
)

// secondary networks that AWS recommends for pods: shared address space that is
// routed nowhere else (RFC 6598, https://docs.aws.amazon.com/eks/latest/userguide/cni-custom-network.html).
var secondary = netip.MustParsePrefix("100.64.0.0/10")

// proposals give each zone that lacks addresses one more subnet, large enough
// for the worst scenario and the headroom, overlapping nothing that there is.
func (p planner) proposals(a Answer) []Proposal {
	lacking := map[string]int{}
	for _, s := range a.Scenarios {
		for zone, needed := range lack(s) {
			lacking[zone] = max(lacking[zone], needed)
		}
	}
	free, shared := p.room()
	var list []Proposal
	for _, zone := range p.zones {
		if lacking[zone] == 0 {
			continue
		}
		wanted := lacking[zone]*(100+p.q.Headroom)/100 + p.largestNode() + Reserved
		bits := prefixFor(wanted)
		reason := fmt.Sprintf("%d addresses are missing in the worst case", lacking[zone])
		if cidr, rest, ok := free.RemoveFreePrefix(bits); ok {
			free = rest
			list = append(list, Proposal{Zone: zone, CIDR: cidr, Reason: reason})
		} else if cidr, rest, ok := shared.RemoveFreePrefix(bits); ok {
			shared = rest
			list = append(list, Proposal{Zone: zone, CIDR: cidr, Secondary: true, Reason: reason + ", and the VPC has no such room"})
		}
	}
	return list
}

// largestNode is how many addresses one node may take: a node is started in one
// subnet or the other, not in both.
func (p planner) largestNode() int {
	largest := 0
	for _, n := range p.nodes {
		largest = max(largest, n.takes(n.maxPods))
	}
	return largest
}

// lack is how many addresses each zone lacks in a scenario.
func lack(s ScenarioAnswer) map[string]int {
	missing := map[string]int{}
	for _, subnet := range s.Subnets {
		if subnet.Free < 0 {
			missing[subnet.Zone] -= subnet.Free
		}
	}
	return missing
}

// room that is free in the VPC, and in the shared space.
func (p planner) room() (free, shared *netipx.IPSet) {
	var inside, outside netipx.IPSetBuilder
	outside.AddPrefix(secondary)
	for _, prefix := range p.q.VPC {
		inside.AddPrefix(prefix)
		outside.RemovePrefix(prefix)
	}
	for _, s := range p.q.Subnets {
		inside.RemovePrefix(s.CIDR)
		outside.RemovePrefix(s.CIDR)
	}
	for _, other := range p.q.Others {
		inside.RemovePrefix(other)
		outside.RemovePrefix(other)
	}
	free, _ = inside.IPSet() // fails for invalid prefixes only, which validate refuses
	shared, _ = outside.IPSet()
	return free, shared
}

// prefixFor is the smallest network, from /16 to /28, with so many addresses.
func prefixFor(wanted int) uint8 {
	bits := uint8(28)
	for bits > 16 && 1<<(32-bits) < wanted {
		bits--
	}
	return bits
}
