package legacyhost

import (
	"net"
	"net/netip"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestParseRoute(t *testing.T) {
	tests := map[string]string{
		"eth0\t000AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0":                       "192.168.10.0/24",
		"eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0":                       "0.0.0.0/0",
		"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT": "",
		"eth0\tzz": "",
		"":         "",
	}
	for line, want := range tests {
		got, ok := parseRoute(line)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("parseRoute(%q) = %s, %v; want %s", line, got, ok, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	n := network{Bridge: "lfl-123abc", Subnet: netip.MustParsePrefix("10.66.3.0/24")}
	if got := n.address(21).String(); got != "10.66.3.21" {
		t.Errorf("address: %s", got)
	}
	if got := n.prefix(); got != "10.66.3" {
		t.Errorf("prefix: %s", got)
	}
	if got := n.cable(254); len(got) > 15 {
		t.Errorf("%s is too long for the name of an interface", got)
	}
}

func TestChooseNetwork(t *testing.T) {
	m := &Manager{Dir: t.TempDir(), Progress: progress.Discard}
	free, err := m.chooseNetwork(netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	if taken := takenBy(free.Subnet); taken != "" {
		t.Errorf("chose %s, which %s has", free.Subnet, taken)
	}
	again, err := m.readNetwork()
	if err != nil || again != free {
		t.Errorf("read back %v, %v; want %v", again, err, free)
	}
	for _, asked := range []string{"10.0.0.0/16", "8.8.8.0/24", "fd00::/24"} {
		if _, err := m.chooseNetwork(netip.MustParsePrefix(asked)); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: got error %v, want invalid", asked, err)
		}
	}
}

func TestATakenNetworkIsRefused(t *testing.T) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		p := netip.MustParsePrefix(a.String())
		if !p.Addr().Is4() || p.Addr().IsLoopback() {
			continue
		}
		if takenBy(netip.PrefixFrom(p.Addr(), 24).Masked()) == "" {
			t.Errorf("%s is an address of this machine, and its network counts as free", p)
		}
		return
	}
	t.Skip("this machine has no IPv4 address")
}
