package netpol

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// ruleset is what the kernel is to enforce, free of Kubernetes and of netlink.
// Every node gets the same one. A packet of a new connection between a pod and
// anything passes the chain of its source pod in outbound and the chain of its
// destination pod in inbound; a pod in neither map is not isolated.
type ruleset struct {
	inbound, outbound map[netip.Addr]string // pod → name of its chain
	chains            map[string][]rule
	networks          map[string][]netipx.IPRange // sets of addresses
	sockets           map[string][]socket         // sets of exact destinations
}

// rule lets a packet through its chain when every given condition holds.
type rule struct {
	outbound bool   // peers are destinations, not sources
	peers    string // name in networks; empty: any peer
	sockets  string // name in sockets; empty: any destination
	ports    portRange
}

// portRange is a protocol and its destination ports, both ends included. The
// zero value matches every packet; a zero last port means every port.
type portRange struct {
	protocol    uint8
	first, last uint16
}

// socket is one port of one pod.
type socket struct {
	addr     netip.Addr
	protocol uint8
	port     uint16
}

func newRuleset() *ruleset {
	return &ruleset{
		inbound:  map[netip.Addr]string{},
		outbound: map[netip.Addr]string{},
		chains:   map[string][]rule{},
		networks: map[string][]netipx.IPRange{},
		sockets:  map[string][]socket{},
	}
}

// addNetwork keeps the set under a name made of its content, so that equal
// sets are kept once.
func (r *ruleset) addNetwork(set *netipx.IPSet) string {
	ranges := set.Ranges()
	name := contentName("net-", fmt.Sprint(ranges))
	r.networks[name] = ranges
	return name
}

func (r *ruleset) addSockets(list []socket) string {
	slices.SortFunc(list, socket.compare)
	list = slices.Compact(list)
	name := contentName("sock-", fmt.Sprint(list))
	r.sockets[name] = list
	return name
}

// contentName is short enough for the kernel's limit on names.
func contentName(prefix, content string) string {
	sum := sha256.Sum256([]byte(content))
	return prefix + hex.EncodeToString(sum[:8])
}

func (s socket) compare(other socket) int {
	if c := s.addr.Compare(other.addr); c != 0 {
		return c
	}
	if c := int(s.protocol) - int(other.protocol); c != 0 {
		return c
	}
	return int(s.port) - int(other.port)
}

// String writes the ruleset in a stable order, for logs, tests and to see
// whether two are equal.
func (r *ruleset) String() string {
	var out strings.Builder
	for _, direction := range []struct {
		name string
		pods map[netip.Addr]string
	}{{"inbound", r.inbound}, {"outbound", r.outbound}} {
		for _, addr := range slices.SortedFunc(maps.Keys(direction.pods), netip.Addr.Compare) {
			fmt.Fprintf(&out, "%s %s -> %s\n", direction.name, addr, direction.pods[addr])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.chains)) {
		fmt.Fprintf(&out, "chain %s\n", name)
		for _, rule := range r.chains[name] {
			fmt.Fprintf(&out, "  allow%s\n", rule)
		}
		out.WriteString("  drop\n")
	}
	for _, name := range slices.Sorted(maps.Keys(r.networks)) {
		fmt.Fprintf(&out, "network %s %v\n", name, r.networks[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.sockets)) {
		fmt.Fprintf(&out, "sockets %s %v\n", name, r.sockets[name])
	}
	return out.String()
}

func (r rule) String() string {
	var out strings.Builder
	if r.peers != "" {
		fmt.Fprintf(&out, " peer @%s", r.peers)
	}
	if r.sockets != "" {
		fmt.Fprintf(&out, " destination @%s", r.sockets)
	}
	out.WriteString(r.ports.String())
	return out.String()
}

func (p portRange) String() string {
	switch {
	case p == portRange{}:
		return ""
	case p.last == 0:
		return " " + protocolName(p.protocol)
	default:
		return fmt.Sprintf(" %s %d-%d", protocolName(p.protocol), p.first, p.last)
	}
}

func (s socket) String() string {
	return fmt.Sprintf("%s/%s/%d", s.addr, protocolName(s.protocol), s.port)
}

func protocolName(protocol uint8) string {
	switch protocol {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	}
	return fmt.Sprint(protocol)
}
