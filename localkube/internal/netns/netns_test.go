package netns

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

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// scene is a machine in namespaces: "host" with a bridge, "inside" behind the
// bridge, and "outside" as another machine on the host's network.
type scene struct{ host, inside, outside string }

var (
	insideIP     = netip.MustParseAddr("10.252.0.2")
	insideHostIP = netip.MustParseAddr("10.252.0.1")
	outsideIP    = "192.0.2.2"
	hostIP       = "192.0.2.1"
	testEgress   = Egress{
		Bridge: "lktest0", Network: netip.MustParsePrefix("10.252.0.0/16"), Table: "lktest", OwnLinks: "lk",
	}
)

func newScene(t *testing.T) scene {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces need it")
	}
	prefix := fmt.Sprintf("lktest-%d-", os.Getpid())
	s := scene{host: prefix + "host", inside: prefix + "in", outside: prefix + "out"}
	for _, name := range []string{s.host, s.inside, s.outside} {
		t.Cleanup(func() { _ = Remove(name) })
		if err := Ensure(name); err != nil {
			t.Fatal(err)
		}
	}
	must(t, s.onHost(func() error {
		return errors.Join(
			EnsureBridge(testEgress.Bridge, netip.PrefixFrom(insideHostIP, 24)),
			Attach(Cable{
				Bridge: testEgress.Bridge, Veth: "lktest1", NetNS: s.inside,
				Address: netip.PrefixFrom(insideIP, 24), Gateway: insideHostIP,
			}),
			s.connectOutside(),
		)
	}))
	return s
}

func (s scene) onHost(fn func() error) error { return Do(s.host, fn) }

// connectOutside lays a plain cable to the other machine, by which the host's
// default route leads, and the other machine's route into the cluster.
func (s scene) connectOutside() error {
	ns, err := os.Open(Path(s.outside))
	if err != nil {
		return err
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "wan"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "wan", PeerNamespace: netlink.NsFd(ns.Fd())}); err != nil {
		return err
	}
	connect := func(own, other, network string) error {
		return errors.Join(
			addAddress("wan", netip.MustParsePrefix(own+"/24")), setUp("wan"),
			ensureRoute("wan", netip.MustParsePrefix(network), netip.MustParseAddr(other)),
		)
	}
	return errors.Join(
		connect(hostIP, outsideIP, "0.0.0.0/0"),
		Do(s.outside, func() error { return connect(outsideIP, hostIP, "10.252.0.0/16") }),
	)
}

// beside gives a namespace of the same machine, behind a bridge of its own.
func (s scene) beside(t *testing.T) string {
	t.Helper()
	const bridge = "other0"
	name := fmt.Sprintf("lktest-%d-beside", os.Getpid())
	t.Cleanup(func() { _ = Remove(name) })
	must(t, Ensure(name))
	gateway := netip.MustParseAddr("10.251.0.1")
	must(t, s.onHost(func() error {
		return errors.Join(
			EnsureBridge(bridge, netip.PrefixFrom(gateway, 24)),
			Attach(Cable{Bridge: bridge, Veth: "other1", NetNS: name, Address: netip.MustParsePrefix("10.251.0.2/24"), Gateway: gateway}),
			setForwarding(bridge),
		)
	}))
	return name
}

// serve answers with the caller's address.
func serve(t *testing.T, namespace, ip string) string {
	t.Helper()
	var listener net.Listener
	must(t, Do(namespace, func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(ip, "0"))
		return err
	}))
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			fmt.Fprint(conn, host)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func call(namespace, address string) (caller string, err error) {
	err = Do(namespace, func() error {
		conn, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		answer := make([]byte, 64)
		n, err := conn.Read(answer)
		caller = string(answer[:n])
		return err
	})
	return caller, err
}

func TestEgress(t *testing.T) {
	s := newScene(t)
	inside, outside := serve(t, s.inside, insideIP.String()), serve(t, s.outside, outsideIP)
	for range 2 { // doing it again changes nothing
		must(t, s.onHost(testEgress.Ensure))
	}
	if caller, err := call(s.inside, outside); err != nil || caller != hostIP {
		t.Errorf("out: the other machine is called by %q, want the host: %v", caller, err)
	}
	if caller, err := call(s.outside, inside); err == nil {
		t.Errorf("in: another machine (%s) reaches the cluster", caller)
	}
	if caller, err := call(s.host, inside); err != nil || caller != insideHostIP.String() {
		t.Errorf("the host reaches the cluster: %q, %v", caller, err)
	}

	beside := s.beside(t)
	if _, err := call(beside, inside); err != nil {
		t.Errorf("what else runs on this machine reaches the cluster: %v", err)
	}

	for range 2 {
		must(t, s.onHost(testEgress.Remove))
	}
	must(t, s.onHost(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := conn.ListTables()
		for _, table := range tables {
			if table.Name == testEgress.Table {
				t.Error("the table is left")
			}
		}
		return err
	}))
}

func TestEgressThroughAFirewallThatDrops(t *testing.T) {
	s := newScene(t)
	outside := serve(t, s.outside, outsideIP)
	must(t, s.onHost(func() error {
		_, err := iptables("-P", "FORWARD", "DROP")
		return err
	}))
	for range 2 {
		must(t, s.onHost(testEgress.Ensure))
	}
	if _, err := call(s.inside, outside); err != nil {
		t.Errorf("out: %v", err)
	}
	must(t, s.onHost(testEgress.Remove))
	must(t, s.onHost(func() error {
		rules, err := iptables("-S", "FORWARD")
		if strings.TrimSpace(rules) != "-P FORWARD DROP" {
			t.Errorf("left: %s", rules)
		}
		return err
	}))
}

func TestTaken(t *testing.T) {
	s := newScene(t)
	must(t, s.onHost(func() error {
		for network, taken := range map[string]bool{"10.252.0.0/16": true, "192.0.0.0/16": true, "10.253.0.0/16": false} {
			by, err := Taken(netip.MustParsePrefix(network))
			if err != nil || (by != "") != taken {
				t.Errorf("%s is taken by %q, %v", network, by, err)
			}
		}
		return nil
	}))
}

func TestNamespaceComesAndGoes(t *testing.T) {
	s := newScene(t)
	if !Exists(s.inside) {
		t.Error("not there")
	}
	for range 2 {
		must(t, Remove(s.inside))
	}
	if Exists(s.inside) {
		t.Error("still there")
	}
	if err := Do(s.inside, func() error { return nil }); err == nil {
		t.Error("entered a namespace that is gone")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Somebody uses ip netns for the first time while a cluster runs.
func TestIPNetnsBesideOurs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces need it")
	}
	ours, theirs := fmt.Sprintf("lktest-%d-ours", os.Getpid()), fmt.Sprintf("lktest-%d-theirs", os.Getpid())
	must(t, Ensure(ours))
	if out, err := exec.Command("ip", "netns", "add", theirs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", theirs).Run() })
	must(t, Remove(ours))
	if _, err := os.Stat(Path(ours)); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", Path(ours), err)
	}
}
