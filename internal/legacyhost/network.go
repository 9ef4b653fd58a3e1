package legacyhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// network is the hosts' own: one bridge on this machine, a /24, nothing routed
// beyond this machine.
type network struct {
	Bridge string       `json:"bridge"`
	Subnet netip.Prefix `json:"subnet"`
}

// address is the address that ends in last; the bridge has 1.
func (n network) address(last int) netip.Addr {
	a := n.Subnet.Addr().As4()
	a[3] = byte(last)
	return netip.AddrFrom4(a)
}

// prefix is the first three numbers of the addresses.
func (n network) prefix() string {
	a := n.Subnet.Addr().As4()
	return fmt.Sprintf("%d.%d.%d", a[0], a[1], a[2])
}

// cable is the name of this machine's end of a host's cable. Names of
// interfaces have 15 characters at most.
func (n network) cable(last int) string { return n.Bridge + "-" + strconv.Itoa(last) }

// network gives the fleet's network, up and running.
func (m *Manager) network(ctx context.Context, asked netip.Prefix) (network, error) {
	n, err := m.readNetwork()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n, err = m.chooseNetwork(asked)
	case err == nil && asked.IsValid() && asked.Masked() != n.Subnet:
		err = fault.New(fault.Refused, "Delete the hosts first: landfall local legacy delete.", "using network %s: the hosts that there are use %s", asked, n.Subnet)
	}
	if err != nil {
		return n, err
	}
	if _, err := net.InterfaceByName(n.Bridge); err == nil {
		return n, nil
	}
	if taken := takenBy(n.Subnet); taken != "" {
		return n, fault.New(fault.Refused, "Free it, or delete the hosts and create them with another --subnet.", "using network %s: %s has it now", n.Subnet, taken)
	}
	err = ip(ctx,
		"link add "+n.Bridge+" type bridge",
		"addr add "+n.address(1).String()+"/24 dev "+n.Bridge,
		"link set "+n.Bridge+" up")
	if err != nil {
		return n, err
	}
	return n, n.forward()
}

// forward lets the hosts answer what reaches them through this machine: pods of
// a local cluster go on using the old database.
func (n network) forward() error {
	path := "/proc/sys/net/ipv4/conf/" + n.Bridge + "/forwarding"
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switching on forwarding of %s: %w", n.Bridge, err)
	}
	return nil
}

func (m *Manager) readNetwork() (network, error) {
	var n network
	text, err := os.ReadFile(m.path("network.json"))
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err == nil && (n.Bridge == "" || !n.Subnet.Addr().Is4()) {
		err = errors.New("bridge or subnet is missing")
	}
	if err != nil {
		return n, fmt.Errorf("reading the network of the legacy hosts: %w", err)
	}
	return n, nil
}

// bridge is the name of the fleet's bridge: another one for each folder.
func (m *Manager) bridge() string {
	sum := sha256.Sum256([]byte(m.Dir))
	return "lfl-" + hex.EncodeToString(sum[:3])
}

// chooseNetwork takes the subnet asked for, or the first free one. The ranges
// of local clusters, 10.100.0.0/16 and up, are left alone.
func (m *Manager) chooseNetwork(asked netip.Prefix) (network, error) {
	n := network{Bridge: m.bridge(), Subnet: asked.Masked()}
	if asked.IsValid() {
		if !asked.Addr().Is4() || asked.Bits() != 24 || !asked.Addr().IsPrivate() {
			return n, fault.New(fault.Invalid, "Name one such as 10.66.0.0/24.", "using network %s: the hosts need a private IPv4 /24", asked)
		}
		if taken := takenBy(n.Subnet); taken != "" {
			return n, fault.New(fault.Refused, "Choose another --subnet, or none to take a free one.", "using network %s: it overlaps %s", asked, taken)
		}
		return n, m.writeJSON("network.json", n)
	}
	for third := range 256 {
		n.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 66, byte(third), 0}), 24)
		if takenBy(n.Subnet) == "" {
			return n, m.writeJSON("network.json", n)
		}
	}
	return n, fault.New(fault.Refused, "Name a free one with --subnet.", "choosing a network: all of 10.66.0.0/16 is taken on this machine")
}

// takenBy names what on this machine overlaps the subnet, or "".
func takenBy(subnet netip.Prefix) string {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(subnet) {
				return "interface " + i.Name + " (" + p.String() + ")"
			}
		}
	}
	routes, _ := os.ReadFile("/proc/net/route")
	for _, line := range strings.Split(string(routes), "\n") {
		if p, ok := parseRoute(line); ok && p.Bits() > 0 && p.Overlaps(subnet) {
			return "the route to " + p.String()
		}
	}
	return ""
}

// parseRoute reads a line of /proc/net/route: destination and mask are
// hexadecimal in the machine's byte order (little-endian where this runs).
func parseRoute(line string) (netip.Prefix, bool) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return netip.Prefix{}, false
	}
	to, err := hex.DecodeString(fields[1])
	mask, err2 := hex.DecodeString(fields[7])
	if err != nil || err2 != nil || len(to) != 4 || len(mask) != 4 {
		return netip.Prefix{}, false
	}
	bits, _ := net.IPv4Mask(mask[3], mask[2], mask[1], mask[0]).Size()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{to[3], to[2], to[1], to[0]}), bits), true
}

// plug gives a host its network interface: eth0 in the namespaces of pid.
func (n network) plug(ctx context.Context, last, pid int) error {
	cable := n.cable(last)
	if err := n.unplug(ctx, last); err != nil { // that of a host that ended just now
		return err
	}
	return ip(ctx,
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", cable, pid),
		"link set "+cable+" master "+n.Bridge,
		"link set "+cable+" up")
}

// unplug removes a host's cable. The kernel does so by itself when the host's
// namespaces go, but takes its time.
func (n network) unplug(ctx context.Context, last int) error {
	cable := n.cable(last)
	if _, err := net.InterfaceByName(cable); err != nil {
		return nil
	}
	if err := ip(ctx, "link delete "+cable); err != nil {
		if _, gone := net.InterfaceByName(cable); gone == nil {
			return err
		}
	}
	return nil
}

// deleteNetwork removes the bridge and the cables that are left on it.
func (m *Manager) deleteNetwork(ctx context.Context) error {
	n, err := m.readNetwork()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("deleting the network: %w", err)
	}
	for _, i := range interfaces {
		last, err := strconv.Atoi(strings.TrimPrefix(i.Name, n.Bridge+"-"))
		if err != nil {
			continue
		}
		if err := n.unplug(ctx, last); err != nil {
			return err
		}
	}
	if _, err := net.InterfaceByName(n.Bridge); err != nil {
		return nil
	}
	return ip(ctx, "link delete "+n.Bridge)
}

// ip runs commands of ip(8), one a line.
func ip(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("setting up the network: ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
