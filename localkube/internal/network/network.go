// Package network lays out a cluster's network on the host as its plan says,
// and removes it: the bridge, a namespace for the control plane and each node,
// and the way out. Start reading at Ensure.
package network

import (
	"errors"
	"net/netip"

	"github.com/landfall-dev/landfall/localkube/internal/netns"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// Ensure makes the parts of the network that are not there yet.
func Ensure(l plan.Layout) error {
	host := netip.PrefixFrom(l.HostIP(), l.NodeNetwork().Bits())
	if err := netns.EnsureBridge(l.Bridge(), host); err != nil {
		return err
	}
	if err := ensureCable(l, l.ControlPlaneNetNS(), l.ControlPlaneVeth(), l.ControlPlaneIP()); err != nil {
		return err
	}
	for _, n := range l.Cluster.Nodes {
		if n.Phase == state.Deleting {
			continue
		}
		if err := ensureCable(l, l.NodeNetNS(n), l.NodeVeth(n), l.NodeIP(n)); err != nil {
			return err
		}
		if err := netns.EnsureRoute(l.Bridge(), l.NodePods(n), l.NodeIP(n)); err != nil {
			return err
		}
	}
	return egress(l).Ensure()
}

func ensureCable(l plan.Layout, namespace, veth string, ip netip.Addr) error {
	if err := netns.Ensure(namespace); err != nil {
		return err
	}
	return netns.Attach(netns.Cable{
		Bridge: l.Bridge(), Veth: veth, NetNS: namespace,
		Address: netip.PrefixFrom(ip, l.NodeNetwork().Bits()), Gateway: l.HostIP(),
	})
}

// Remove removes the whole network. Absent is a success.
func Remove(l plan.Layout) error {
	var errs error
	for _, n := range l.Cluster.Nodes {
		errs = errors.Join(errs, RemoveNode(l, n))
	}
	return errors.Join(errs,
		egress(l).Remove(),
		netns.RemoveLink(l.ControlPlaneVeth()),
		netns.Remove(l.ControlPlaneNetNS()),
		netns.RemoveLink(l.Bridge()),
	)
}

// RemoveNode removes the node's part of the network. Absent is a success.
func RemoveNode(l plan.Layout, n state.Node) error {
	return errors.Join(
		netns.RemoveLink(l.NodeVeth(n)),
		netns.Remove(l.NodeNetNS(n)),
		netns.RemoveRoute(l.NodePods(n)),
	)
}

func egress(l plan.Layout) netns.Egress {
	return netns.Egress{
		Bridge: l.Bridge(), Network: l.Cluster.Network, Table: l.NatTable(), OwnLinks: plan.LinkPrefix,
	}
}
