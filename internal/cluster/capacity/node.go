package capacity

import (
	"strconv"
	"strings"

	"github.com/aws/amazon-vpc-resource-controller-k8s/pkg/aws/vpc"
	"github.com/landfall-dev/landfall/internal/fault"
)

// perPrefix is how many addresses a delegated prefix (/28) has.
const perPrefix = 16

// node is what one node of a group takes and carries.
type node struct {
	interfaces   int // at most
	perInterface int // addresses, the interface's own included
	prefixes     bool
	maxPods      int
}

// nodeOf looks the instance type up. Limits are AWS's own table.
func nodeOf(g NodeGroup) (node, error) {
	limits, ok := vpc.Limits[g.InstanceType]
	if !ok {
		return node{}, fault.New(fault.Invalid, "Check the spelling, such as m6i.large; types newer than this program's table are not known.", "reading node group %s: instance type %q is not known", g.Name, g.InstanceType)
	}
	n := node{interfaces: limits.Interface, perInterface: limits.IPv4PerInterface, prefixes: g.PrefixDelegation}
	if g.PrefixDelegation && limits.Hypervisor != "nitro" && !limits.IsBareMetal {
		return node{}, fault.New(fault.Invalid, "Choose a Nitro type, or leave prefixDelegation out.", "reading node group %s: %s does not do prefix delegation", g.Name, g.InstanceType)
	}
	n.maxPods = g.MaxPods
	if n.maxPods == 0 {
		n.maxPods = recommendedPods(n, g.InstanceType)
	}
	return n, nil
}

// recommendedPods is the formula of EKS
// (https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html):
// two more than there are addresses, since two pods use the host's; with
// prefixes at most 110, or 250 from 30 processors on.
func recommendedPods(n node, instanceType string) int {
	slots := n.interfaces * (n.perInterface - 1)
	if !n.prefixes {
		return slots + 2
	}
	most := 110
	if processors(instanceType) > 30 {
		most = 250
	}
	return min(slots*perPrefix+2, most)
}

// processors by the size in the type's name: large has 2, xlarge 4, Nxlarge 4N.
func processors(instanceType string) int {
	_, size, _ := strings.Cut(instanceType, ".")
	times, found := strings.CutSuffix(size, "xlarge")
	switch {
	case found && times == "":
		return 4
	case found:
		n, err := strconv.Atoi(times)
		if err != nil {
			return 0
		}
		return 4 * n
	case strings.HasPrefix(size, "metal"):
		return 64
	}
	return 2
}

// takes is how many addresses a node with so many pods takes from its subnet.
// The CNI keeps one interface, or one prefix, more than it needs (its defaults
// WARM_ENI_TARGET=1 and WARM_PREFIX_TARGET=1,
// https://github.com/aws/amazon-vpc-cni-k8s/blob/master/docs/eni-and-ip-target.md).
func (n node) takes(pods int) int {
	slots := n.perInterface - 1
	if n.prefixes {
		prefixes := min(ceil(pods, perPrefix)+1, n.interfaces*slots)
		return ceil(prefixes, slots) + prefixes*perPrefix
	}
	interfaces := min(max(ceil(pods, slots), 1)+1, n.interfaces)
	return interfaces * n.perInterface
}

func ceil(a, b int) int { return (a + b - 1) / b }
