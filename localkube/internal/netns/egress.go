package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Egress lets a cluster's network reach other machines by way of the host, and
// no other machine reach it.
type Egress struct {
	// Bridge is the cluster's.
	Bridge string
	// Network is the cluster's, hidden behind the host's address.
	Network netip.Prefix
	// Table is the nftables table to keep the rule in.
	Table string
	// OwnLinks is how the names of interfaces begin behind which addresses
	// stay as they are: the bridges of all clusters.
	OwnLinks string
}

// Ensure makes the rules that are needed on this host. A host without a
// default route needs none.
func (e Egress) Ensure() error {
	links, err := defaultLinks()
	if err != nil || len(links) == 0 {
		return err
	}
	for _, link := range links {
		if err := setForwarding(link); err != nil {
			return err
		}
	}
	if err := e.setTable(links); err != nil {
		return fmt.Errorf("hiding %s behind the host's address: %w", e.Network, err)
	}
	return e.acceptForwarding()
}

// Remove removes what Ensure made, but for the forwarding of the host's own
// links, on which others may rely. Absent is a success.
func (e Egress) Remove() error {
	return errors.Join(e.removeTable(), e.dropAcceptance())
}

// defaultLinks are the interfaces of the host that lead elsewhere.
func defaultLinks() ([]string, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	var names []string
	for _, r := range routes {
		if r.Dst != nil && r.Dst.IP != nil && !r.Dst.IP.IsUnspecified() {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return nil, fmt.Errorf("finding the interface of the default route: %w", err)
		}
		names = append(names, link.Attrs().Name)
	}
	return names, nil
}

// setTable writes a table of the cluster's own, anew each time.
func (e Egress) setTable(defaults []string) error {
	if err := e.removeTable(); err != nil {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Name: e.Table, Family: nftables.TableFamilyIPv4})
	e.masquerade(conn, table)
	e.shut(conn, table, defaults)
	return conn.Flush()
}

// masquerade gives the host's address to packets from the network that leave
// by an interface not ours.
func (e Egress) masquerade(conn *nftables.Conn, table *nftables.Table) {
	chain := conn.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	const sourceOffset, addressLength = 12, 4 // in the IPv4 header
	mask := binaryutil.BigEndian.PutUint32(^uint32(0) << (32 - e.Network.Bits()))
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressLength},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: addressLength, Mask: mask, Xor: make([]byte, addressLength)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: e.Network.Masked().Addr().AsSlice()},
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		// Comparing only the beginning of the name matches all of that beginning.
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte(e.OwnLinks)},
		&expr.Masq{},
	}})
}

// shut drops what another machine sends to the bridge of its own accord: as
// the host forwards now, anyone beside it could make it a gateway. What this
// machine has in namespaces of its own, behind bridges that lead nowhere else,
// may reach the cluster.
func (e Egress) shut(conn *nftables.Conn, table *nftables.Table, defaults []string) {
	chain := conn.AddChain(&nftables.Chain{
		Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	answers := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	none := make([]byte, len(answers))
	for _, link := range defaults {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append([]byte(e.Bridge), 0)},
			&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append([]byte(link), 0)},
			&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(answers)), Mask: answers, Xor: none},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: none},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	}
}

func (e Egress) removeTable() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("opening nftables: %w", err)
	}
	conn.DelTable(&nftables.Table{Name: e.Table, Family: nftables.TableFamilyIPv4})
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing nftables table %s: %w", e.Table, err)
	}
	return nil
}

// acceptForwarding adds exceptions for the bridge where the host's firewall
// drops forwarded packets, as Docker has it do.
func (e Egress) acceptForwarding() error {
	policy, err := iptables("-S", "FORWARD")
	if err != nil || !strings.Contains(policy, "-P FORWARD DROP") {
		return err
	}
	for _, rule := range e.acceptances() {
		if _, err := iptables(append([]string{"-C", "FORWARD"}, rule...)...); err == nil {
			continue
		}
		if _, err := iptables(append([]string{"-I", "FORWARD"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

func (e Egress) dropAcceptance() error {
	chain, err := iptables("-S", "FORWARD")
	if err != nil || !strings.Contains(chain, " "+e.Bridge+" ") {
		return err
	}
	var errs error
	for _, rule := range e.acceptances() {
		_, err := iptables(append([]string{"-D", "FORWARD"}, rule...)...)
		errs = errors.Join(errs, err)
	}
	return errs
}

func (e Egress) acceptances() [][]string {
	return [][]string{{"-i", e.Bridge, "-j", "ACCEPT"}, {"-o", e.Bridge, "-j", "ACCEPT"}}
}

func iptables(args ...string) (string, error) {
	out, err := exec.Command("iptables", append([]string{"--wait"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running iptables %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
