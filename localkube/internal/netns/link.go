package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Cable is a virtual cable from a bridge on the host to a namespace.
type Cable struct {
	Bridge string
	// Veth is the host's end.
	Veth string
	// NetNS is the namespace at the other end, where the interface is eth0.
	NetNS string
	// Address is eth0's address with the length of its network.
	Address netip.Prefix
	// Gateway is the default route.
	Gateway netip.Addr
}

// EnsureBridge makes the bridge with the host's address on it. Forwarding is
// switched on for the bridge alone, not for the host.
func EnsureBridge(name string, address netip.Prefix) error {
	if err := addLink(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
		return fmt.Errorf("making bridge %s: %w", name, err)
	}
	if err := addAddress(name, address); err != nil {
		return fmt.Errorf("addressing bridge %s: %w", name, err)
	}
	if err := setUp(name); err != nil {
		return fmt.Errorf("raising bridge %s: %w", name, err)
	}
	return setForwarding(name)
}

// Attach lays the cable, and lets the namespace forward for its pods.
func Attach(c Cable) error {
	if err := layCable(c); err != nil {
		return fmt.Errorf("joining %s to %s: %w", c.NetNS, c.Bridge, err)
	}
	return Do(c.NetNS, func() error {
		if err := addAddress("eth0", c.Address); err != nil {
			return fmt.Errorf("addressing %s: %w", c.NetNS, err)
		}
		if err := setUp("eth0"); err != nil {
			return fmt.Errorf("raising eth0 of %s: %w", c.NetNS, err)
		}
		if err := setForwarding("all"); err != nil {
			return err
		}
		return ensureRoute("eth0", netip.PrefixFrom(netip.IPv4Unspecified(), 0), c.Gateway)
	})
}

func layCable(c Cable) error {
	if _, err := netlink.LinkByName(c.Veth); err == nil {
		return nil
	}
	bridge, err := netlink.LinkByName(c.Bridge)
	if err != nil {
		return err
	}
	ns, err := os.Open(Path(c.NetNS))
	if err != nil {
		return err
	}
	defer ns.Close()
	veth := netlink.NewLinkAttrs()
	veth.Name, veth.MasterIndex = c.Veth, bridge.Attrs().Index
	err = netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: veth, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.Fd()),
	})
	if err != nil {
		return err
	}
	return setUp(c.Veth)
}

// EnsureRoute leads a network to a gateway behind a link of the host.
func EnsureRoute(link string, network netip.Prefix, gateway netip.Addr) error {
	return ensureRoute(link, network, gateway)
}

func ensureRoute(linkName string, network netip.Prefix, gateway netip.Addr) error {
	link, err := netlink.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("routing %s: %w", network, err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(network), Gw: gateway.AsSlice()}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("routing %s via %s: %w", network, gateway, err)
	}
	return nil
}

// RemoveRoute removes the route to a network. Absent is a success.
func RemoveRoute(network netip.Prefix) error {
	err := netlink.RouteDel(&netlink.Route{Dst: ipNet(network)})
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("removing route to %s: %w", network, err)
	}
	return nil
}

// RemoveLink removes an interface of the host, with its routes. Absent is a
// success.
func RemoveLink(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("removing interface %s: %w", name, err)
	}
	return nil
}

// Taken returns what on this host already uses addresses of the network, in
// words, or "" if nothing does.
func Taken(network netip.Prefix) (string, error) {
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", fmt.Errorf("listing addresses: %w", err)
	}
	for _, a := range addresses {
		if used, ok := prefix(a.IPNet); ok && used.Overlaps(network) {
			return fmt.Sprintf("address %s of interface %s", used, a.Label), nil
		}
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if used, ok := prefix(r.Dst); ok && used.Bits() > 0 && used.Overlaps(network) {
			return fmt.Sprintf("route to %s", used), nil
		}
	}
	return "", nil
}

func addLink(link netlink.Link) error {
	err := netlink.LinkAdd(link)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func addAddress(linkName string, address netip.Prefix) error {
	link, err := netlink.LinkByName(linkName)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), 32),
	}}
	err = netlink.AddrAdd(link, addr)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func setUp(linkName string) error {
	link, err := netlink.LinkByName(linkName)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// setForwarding lets packets that arrive on the link be forwarded.
// /proc/sys/net shows the network namespace of the thread that opens it.
func setForwarding(link string) error {
	path := "/proc/sys/net/ipv4/conf/" + link + "/forwarding"
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switching on forwarding of %s: %w", link, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP.To4())
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, bits), ok
}
