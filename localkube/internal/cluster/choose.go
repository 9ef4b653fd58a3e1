package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/netns"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	firstAPIPort      = 16443
	firstRegistryPort = 15000
	portsToTry        = 200
)

// chooseNetwork returns the wished network, or the first free one, that no
// other cluster, address or route of the machine overlaps.
func chooseNetwork(wish netip.Prefix, others []*state.Cluster) (netip.Prefix, error) {
	if wish.IsValid() {
		by, err := takenBy(wish, others)
		if err == nil && by != "" {
			err = fault.New(fault.Refused, fmt.Errorf("choosing network %s: taken by %s", wish, by),
				"Choose another with --cidr, or leave it out.")
		}
		return wish, err
	}
	for second := 100; second < 250; second++ {
		candidate := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), 0, 0}), 16)
		by, err := takenBy(candidate, others)
		if err != nil {
			return netip.Prefix{}, err
		}
		if by == "" {
			return candidate, nil
		}
	}
	return netip.Prefix{}, fault.New(fault.Refused, fmt.Errorf("choosing network: all of 10.100.0.0/16 to 10.249.0.0/16 are taken"),
		"Choose one with --cidr.")
}

func takenBy(network netip.Prefix, others []*state.Cluster) (string, error) {
	for _, other := range others {
		if other.Network.Overlaps(network) {
			return "cluster " + other.Name, nil
		}
	}
	return netns.Taken(network)
}

// choosePorts sets the loopback ports of the cluster, and makes sure that the
// wished ones are free.
func choosePorts(c *state.Cluster, others []*state.Cluster) error {
	reserved := map[uint16]string{}
	for _, other := range others {
		for _, port := range loopbackPorts(other) {
			reserved[port] = other.Name
		}
	}
	for _, p := range c.Publish {
		if owner := reserved[p.Host.Port()]; owner != "" {
			return portTaken(p.Host, "cluster "+owner)
		}
		if !free(p.Host) {
			return portTaken(p.Host, "another program")
		}
		reserved[p.Host.Port()] = c.Name
	}
	var err error
	if c.APIPort, err = choosePort(firstAPIPort, reserved); err != nil {
		return err
	}
	c.RegistryPort, err = choosePort(firstRegistryPort, reserved)
	return err
}

func portTaken(port netip.AddrPort, by string) error {
	return fault.New(fault.Refused, fmt.Errorf("choosing ports: %s is taken by %s", port, by),
		"End that program, or choose another port with --publish.")
}

func choosePort(first int, reserved map[uint16]string) (int, error) {
	for port := first; port < first+portsToTry; port++ {
		if reserved[uint16(port)] == "" && free(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))) {
			return port, nil
		}
	}
	return 0, fault.New(fault.Refused, fmt.Errorf("choosing ports: %d to %d are all taken", first, first+portsToTry-1),
		"Delete clusters that are not needed: localkube list")
}

func loopbackPorts(c *state.Cluster) []uint16 {
	ports := []uint16{uint16(c.APIPort), uint16(c.RegistryPort)}
	for _, p := range c.Publish {
		ports = append(ports, p.Host.Port())
	}
	return ports
}

func free(address netip.AddrPort) bool {
	listener, err := net.Listen("tcp", address.String())
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

var nodeFolder = regexp.MustCompile(`^(.*)-([0-9]{1,3})$`)

// guess rebuilds what deletion needs of a cluster whose file is unreadable.
func (m Manager) guess(name string) *state.Cluster {
	c := &state.Cluster{Name: name, ID: m.Store.NewID(name), Network: netip.MustParsePrefix("10.100.0.0/16")}
	entries, _ := os.ReadDir(m.Store.ClusterDir(name) + "/nodes")
	for _, e := range entries {
		if match := nodeFolder.FindStringSubmatch(e.Name()); match != nil {
			index, _ := strconv.Atoi(match[2])
			c.Nodes = append(c.Nodes, state.Node{Name: e.Name(), Index: index, Phase: state.Deleting})
		}
	}
	return c
}
