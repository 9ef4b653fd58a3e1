package netpol

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/netns"
)

// testNet is a host with two nodes and pods on them, as localkube cables them:
// pods on a bridge in their node, nodes on a bridge of the host.
type testNet struct {
	t      *testing.T
	prefix string
}

const (
	hostIP  = "10.213.0.1"
	node1IP = "10.213.0.11"
	node2IP = "10.213.0.12"
	webPod  = "10.213.129.2" // on node 1
	dbPod   = "10.213.129.3" // on node 1
	farPod  = "10.213.130.2" // on node 2
)

// newTestNet cables namespaces that no other test or cluster shares.
func newTestNet(t *testing.T) *testNet {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := &testNet{t: t, prefix: fmt.Sprintf("lkt%d-", os.Getpid())}
	for _, name := range []string{"host", "n1", "n2", "web", "db", "far"} {
		if err := netns.Ensure(n.prefix + name); err != nil {
			t.Skipf("network namespaces cannot be made here: %v", err)
		}
		t.Cleanup(func() { netns.Remove(n.prefix + name) })
	}
	n.in("host", "ip link add br0 type bridge", "ip link set br0 up", "ip addr add "+hostIP+"/24 dev br0", "sysctl -qw net.ipv4.ip_forward=1")
	n.addNode("n1", node1IP, "10.213.129")
	n.addNode("n2", node2IP, "10.213.130")
	n.addPod("n1", "web", webPod)
	n.addPod("n1", "db", dbPod)
	n.addPod("n2", "far", farPod)
	return n
}

func (n *testNet) addNode(name, ip, pods string) {
	n.cable("host", "v"+name, name, "eth0", "br0")
	n.in("host", "ip route add "+pods+".0/24 via "+ip, "ip link set v"+name+" type bridge_slave hairpin on")
	n.in(name, "ip addr add "+ip+"/24 dev eth0", "ip route add default via "+hostIP, "sysctl -qw net.ipv4.ip_forward=1",
		"ip link add cni0 type bridge", "ip link set cni0 up", "ip addr add "+pods+".1/24 dev cni0")
}

func (n *testNet) addPod(node, name, ip string) {
	gateway := ip[:strings.LastIndex(ip, ".")] + ".1"
	n.cable(node, "v"+name, name, "eth0", "cni0")
	n.in(name, "ip addr add "+ip+"/24 dev eth0", "ip route add default via "+gateway)
}

// cable joins the interface inner of the namespace to a bridge of another.
func (n *testNet) cable(outside, outer, inside, inner, bridge string) {
	n.in(outside,
		fmt.Sprintf("ip link add %s type veth peer name %s netns %s", outer, inner, n.prefix+inside),
		fmt.Sprintf("ip link set %s master %s up", outer, bridge))
	n.in(inside, "ip link set "+inner+" up")
}

func (n *testNet) in(name string, commands ...string) {
	n.t.Helper()
	for _, command := range commands {
		out, err := exec.Command("ip", append([]string{"netns", "exec", n.prefix + name}, strings.Fields(command)...)...).CombinedOutput()
		if err != nil {
			n.t.Fatalf("%s: %s: %v\n%s", name, command, err, out)
		}
	}
}

// serve accepts connections at the address for the rest of the test.
func (n *testNet) serve(name, address string) {
	n.t.Helper()
	err := netns.Do(n.prefix+name, func() error {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					conn.Close()
				}
			}
		}()
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// reaches says whether a TCP connection can be made. A denied one is dropped,
// so the wait only has to be longer than a local handshake.
func (n *testNet) reaches(name, address string) bool {
	return netns.Do(n.prefix+name, func() error {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err == nil {
			conn.Close()
		}
		return err
	}) == nil
}

func (n *testNet) program(rules *ruleset) {
	n.t.Helper()
	around := surroundings{podInterface: "cni0", trusted: netip.MustParsePrefix("10.213.0.0/24")}
	nodes, err := namedNamespaces(n.prefix + "n[0-9]")()
	if err != nil || len(nodes) != 2 {
		n.t.Fatalf("nodes %v, error %v; want two", nodes, err)
	}
	for _, node := range nodes {
		if err := node.program(around, rules); err != nil {
			n.t.Fatal(err)
		}
	}
}

// checks are attempts from a namespace to an address, and whether they succeed.
type checks map[[2]string]bool

func (n *testNet) check(want checks) {
	n.t.Helper()
	for attempt, ok := range want {
		if n.reaches(attempt[0], attempt[1]) != ok {
			n.t.Errorf("%s reaches %s: %v, want %v", attempt[0], attempt[1], !ok, ok)
		}
	}
}

// TestKernel sets rules in real network namespaces and sends real packets.
func TestKernel(t *testing.T) {
	n := newTestNet(t)
	for _, address := range []string{webPod + ":8080", dbPod + ":3306", dbPod + ":9999", farPod + ":8080"} {
		name := map[string]string{webPod: "web", dbPod: "db", farPod: "far"}[strings.Split(address, ":")[0]]
		n.serve(name, address)
	}
	n.serve("host", hostIP+":5432")
	in := world(t)
	in.pods = in.pods[:2]
	in.pods[0].Status.PodIP, in.pods[1].Status.PodIP = webPod, dbPod
	in.pods = append(in.pods, pod("blog", "far", farPod, map[string]string{"app": "far"}))
	set := func(policies ...string) {
		t.Helper()
		in.policies = world(t, policies...).policies
		n.program(compile(in))
	}

	t.Run("nobody is isolated", func(t *testing.T) {
		set()
		n.check(checks{
			{"web", dbPod + ":3306"}: true, {"far", dbPod + ":3306"}: true, {"web", farPod + ":8080"}: true,
			{"host", dbPod + ":3306"}: true, {"web", hostIP + ":5432"}: true,
		})
	})
	t.Run("inbound, on one bridge and across nodes", func(t *testing.T) {
		set(`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: db}},
			ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}]}}`)
		n.check(checks{
			{"web", dbPod + ":3306"}: true, {"web", dbPod + ":9999"}: false, {"far", dbPod + ":3306"}: false,
			{"far", webPod + ":8080"}: true, {"db", webPod + ":8080"}: true,
			// The own node, the others and the host are trusted.
			{"n1", dbPod + ":3306"}: true, {"n2", dbPod + ":3306"}: true, {"host", dbPod + ":3306"}: true,
		})
	})
	t.Run("nobody may enter", func(t *testing.T) {
		set(denyShop)
		n.check(checks{
			{"web", dbPod + ":3306"}: false, {"far", dbPod + ":3306"}: false, {"far", webPod + ":8080"}: false,
			{"web", farPod + ":8080"}: true, {"web", hostIP + ":5432"}: true,
		})
	})
	t.Run("outbound by port range and block", func(t *testing.T) {
		set(`{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, policyTypes: [Egress], egress: [
			{ports: [{port: 3000, endPort: 4000}]}, {to: [{ipBlock: {cidr: 10.213.0.0/16, except: [10.213.130.0/24]}}], ports: [{port: 5432}, {port: 8080}]}]}}`)
		n.check(checks{
			{"web", dbPod + ":3306"}: true, {"web", dbPod + ":9999"}: false,
			{"web", hostIP + ":5432"}: true, {"web", farPod + ":8080"}: false, {"db", webPod + ":8080"}: true,
			{"far", webPod + ":8080"}: true,
		})
	})
	t.Run("everything may enter", func(t *testing.T) {
		set(denyShop, `{metadata: {namespace: shop, name: open}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}`)
		n.check(checks{{"web", dbPod + ":3306"}: true, {"far", dbPod + ":9999"}: true})
	})
	t.Run("a node port does not hide the sender", func(t *testing.T) {
		// Node 1 leads port 30000 to the pod and masquerades, as kube-proxy does.
		n.in("n1", "iptables -t nat -A PREROUTING -p tcp --dport 30000 -j DNAT --to-destination "+farPod+":8080",
			"iptables -t nat -A POSTROUTING -d "+farPod+" -j MASQUERADE")
		set()
		n.check(checks{{"web", node1IP + ":30000"}: true})
		set(`{metadata: {namespace: blog, name: p}, spec: {podSelector: {}}}`)
		n.check(checks{{"web", node1IP + ":30000"}: false, {"host", node1IP + ":30000"}: true})
	})
}

// Every interface has an address of IPv6, which no policy speaks of.
func TestKernelLeavesNoWayAroundByIPv6(t *testing.T) {
	n := newTestNet(t)
	local := n.linkLocal("db")
	if local == "" {
		t.Skip("this kernel has no IPv6")
	}
	n.serve("db", "[::]:3306")
	address := "[" + local + "%eth0]:3306"
	eventually(t, "the pods meet by IPv6 while no rules are set", func() bool { return n.reaches("web", address) })
	n.program(newRuleset())
	n.check(checks{{"web", address}: false, {"web", dbPod + ":3306"}: true})
}

// linkLocal is the IPv6 address that the kernel gave the namespace's eth0.
func (n *testNet) linkLocal(name string) string {
	n.t.Helper()
	var found string
	err := netns.Do(n.prefix+name, func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		addresses, err := eth0.Addrs()
		for _, address := range addresses {
			if ip := address.(*net.IPNet).IP; ip.IsLinkLocalUnicast() {
				found = ip.String()
			}
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return found
}

// TestKernelTakesManyPods programs what a hundred environments need.
func TestKernelTakesManyPods(t *testing.T) {
	n := newTestNet(t)
	in := snapshot{}
	for env := range 100 {
		namespace := fmt.Sprintf("env-%d", env)
		for i := range 10 {
			ip := fmt.Sprintf("10.214.%d.%d", env, i+1)
			in.pods = append(in.pods, pod(namespace, fmt.Sprint("pod-", i), ip, map[string]string{"app": fmt.Sprint(i)}))
		}
		in.policies = append(in.policies, world(t, `{metadata: {namespace: `+namespace+`, name: own}, spec: {podSelector: {}, policyTypes: [Ingress, Egress],
			ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}, {ports: [{port: 53, protocol: UDP}, {port: 443}]}]}}`).policies...)
	}
	start := time.Now()
	rules := compile(in)
	compiled := time.Now()
	n.program(rules)
	t.Logf("1000 pods in 100 environments: compiled in %s, set on two nodes in %s",
		compiled.Sub(start).Round(time.Millisecond), time.Since(compiled).Round(time.Millisecond))
	if len(rules.inbound) != 1000 || len(rules.chains) != 200 {
		t.Errorf("%d isolated pods in %d chains, want 1000 in 200", len(rules.inbound), len(rules.chains))
	}
}
