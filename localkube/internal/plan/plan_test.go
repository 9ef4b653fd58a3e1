package plan

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// testLayout is a cluster of two nodes.
func testLayout() Layout {
	c := &state.Cluster{
		Name: "blue", ID: "0a1b2c3d", Phase: state.Running,
		Network: netip.MustParsePrefix("10.100.0.0/16"), APIPort: 16443, RegistryPort: 15000,
	}
	c.AddNode()
	c.AddNode()
	return New(state.Store{Dir: "/var/lib/landfall/local"}, c)
}

var testMachine = Machine{
	Programs:    Programs{Containerd: "/usr/bin/containerd", CNIDir: "/usr/lib/cni"},
	Snapshotter: "overlayfs", ResolvConf: "/etc/resolv.conf",
}

func TestProcesses(t *testing.T) {
	l := testLayout()
	processes := []Process{l.Etcd(), l.APIServerProcess(), l.ControllerManager(), l.Scheduler()}
	processes = append(processes, l.Addons(testMachine)...)
	for _, n := range l.Cluster.Nodes {
		processes = append(processes, l.Containerd(n, testMachine.Programs))
		processes = append(processes, l.NodeAgents(n)...)
	}
	var out bytes.Buffer
	seen := map[string]bool{}
	for _, p := range processes {
		if seen[p.Name] {
			t.Errorf("two processes are named %s", p.Name)
		}
		seen[p.Name] = true
		fmt.Fprintf(&out, "%s in %s, %s to end\n  program %q\n", p.Name, p.NetNS, p.Grace, p.Program)
		for _, arg := range p.Args {
			fmt.Fprintf(&out, "  %s\n", arg)
		}
		for _, env := range p.Env {
			fmt.Fprintf(&out, "  env %s\n", env)
		}
	}
	golden.Assert(t, out.String(), "processes.txt")
}

func TestNodeFiles(t *testing.T) {
	l := testLayout()
	files, err := l.NodeFiles(l.Cluster.Nodes[1], testMachine)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&out, "##### %s\n%s\n", f.Path, f.Data)
	}
	golden.Assert(t, out.String(), "node-files.txt")
}

// The longest names must fit what the kernel takes for interfaces.
func TestInterfaceNames(t *testing.T) {
	l := testLayout()
	last := state.Node{Name: "blue-120", Index: state.MaxNodes, Phase: state.Running}
	for _, name := range []string{l.Bridge(), l.ControlPlaneVeth(), l.NodeVeth(last)} {
		if len(name) > 15 {
			t.Errorf("%s is longer than 15 characters", name)
		}
	}
}

func TestAddressesDoNotOverlap(t *testing.T) {
	l := testLayout()
	networks := []netip.Prefix{l.NodeNetwork(), l.ServiceNetwork(), l.PodNetwork()}
	for i, a := range networks {
		for _, b := range networks[i+1:] {
			if a.Overlaps(b) {
				t.Errorf("%s overlaps %s", a, b)
			}
		}
		if !l.Cluster.Network.Overlaps(a) || a.Bits() < l.Cluster.Network.Bits() {
			t.Errorf("%s is not inside %s", a, l.Cluster.Network)
		}
	}
	seen := map[netip.Addr]bool{l.HostIP(): true, l.ControlPlaneIP(): true}
	pods := map[netip.Prefix]bool{}
	for index := 1; index <= state.MaxNodes; index++ {
		n := state.Node{Index: index}
		if ip := l.NodeIP(n); seen[ip] || !l.NodeNetwork().Contains(ip) {
			t.Errorf("node %d has the address %s", index, ip)
		}
		seen[l.NodeIP(n)] = true
		if p := l.NodePods(n); pods[p] || !l.PodNetwork().Contains(p.Addr()) {
			t.Errorf("node %d has the pods %s", index, p)
		}
		pods[l.NodePods(n)] = true
	}
	for _, ip := range []netip.Addr{l.APIServiceIP(), l.DNSServiceIP()} {
		if !l.ServiceNetwork().Contains(ip) {
			t.Errorf("%s is not a service's address", ip)
		}
	}
}
