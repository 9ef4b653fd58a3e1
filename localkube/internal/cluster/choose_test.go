package cluster

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

func other(name, network string, api, registry int) *state.Cluster {
	return &state.Cluster{Name: name, Network: netip.MustParsePrefix(network), APIPort: api, RegistryPort: registry}
}

func TestChooseNetwork(t *testing.T) {
	first, err := chooseNetwork(netip.Prefix{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Stopped clusters have no addresses on the machine, but keep their network.
	second, err := chooseNetwork(netip.Prefix{}, []*state.Cluster{other("blue", first.String(), 1, 2)})
	if err != nil || second.Overlaps(first) {
		t.Errorf("%s after %s: %v", second, first, err)
	}
	wish := netip.MustParsePrefix("10.254.0.0/16")
	if got, err := chooseNetwork(wish, nil); err != nil || got != wish {
		t.Errorf("wished %s, got %s: %v", wish, got, err)
	}
	_, err = chooseNetwork(wish, []*state.Cluster{other("blue", "10.254.0.0/16", 1, 2)})
	if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "cluster blue") || !strings.Contains(fault.HintOf(err), "--cidr") {
		t.Errorf("a taken network: %v; %s", err, fault.HintOf(err))
	}
}

func TestChoosePorts(t *testing.T) {
	blue := &state.Cluster{Name: "blue"}
	if err := choosePorts(blue, nil); err != nil {
		t.Fatal(err)
	}
	green := &state.Cluster{Name: "green"}
	if err := choosePorts(green, []*state.Cluster{blue}); err != nil {
		t.Fatal(err)
	}
	ports := map[int]bool{blue.APIPort: true, blue.RegistryPort: true, green.APIPort: true, green.RegistryPort: true}
	if len(ports) != 4 {
		t.Errorf("blue %d %d, green %d %d", blue.APIPort, blue.RegistryPort, green.APIPort, green.RegistryPort)
	}
}

func TestPublishedPortsMustBeFree(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	busy := netip.MustParseAddrPort(listener.Addr().String())
	reserved := other("blue", "10.254.0.0/16", 1, 40123)
	for name, host := range map[string]netip.AddrPort{
		"another program": busy, "cluster blue": netip.MustParseAddrPort("127.0.0.1:40123"),
	} {
		c := &state.Cluster{Name: "green", Publish: []state.Publish{{Host: host, NodePort: 80}}}
		err := choosePorts(c, []*state.Cluster{reserved})
		if fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), name) {
			t.Errorf("taken by %s: %v", name, err)
		}
	}
}

// What deletion needs of a cluster can be told without its file.
func TestGuess(t *testing.T) {
	m := Manager{Store: state.Store{Dir: t.TempDir()}}
	for _, folder := range []string{"blue-1", "blue-12", "other"} {
		if err := os.MkdirAll(filepath.Join(m.Store.ClusterDir("blue"), "nodes", folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := m.guess("blue")
	if c.ID != m.Store.NewID("blue") || len(c.Nodes) != 2 || c.Nodes[0].Index != 1 || c.Nodes[1].Index != 12 {
		t.Errorf("%+v", c)
	}
}

func TestRequestIsValidated(t *testing.T) {
	for says, r := range map[string]Request{
		"name":         {Name: "Blue", Nodes: 1},
		"from 1 to":    {Name: "blue", Nodes: 0},
		"such as 10.1": {Name: "blue", Nodes: 1, Network: netip.MustParsePrefix("10.1.0.0/24")},
		"IPv4 /16":     {Name: "blue", Nodes: 1, Network: netip.MustParsePrefix("fd00::/16")},
		"must be an":   {Name: "blue", Nodes: 1, Network: netip.MustParsePrefix("10.1.2.0/16")},
	} {
		if err := r.validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", r, err, says)
		}
	}
	if err := (Request{Name: "blue", Nodes: 3, Network: netip.MustParsePrefix("10.1.0.0/16")}).validate(); err != nil {
		t.Error(err)
	}
}
