package netpol

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

const (
	// tableName is the nftables table that holds all rules in a namespace.
	tableName = "localkube-netpol"
	// maxElements bounds one netlink message, whose attributes have 16-bit
	// lengths.
	maxElements = 500
	// socketBuffer holds a whole transaction and its acknowledgements.
	socketBuffer = 32 << 20

	ipv4Source, ipv4Destination = 12, 16 // offsets in the IPv4 header
	destinationPort             = 2      // offset in TCP, UDP and SCTP headers
)

// Registers, by 32-bit words: a concatenated key fills words in a row.
const (
	word0 = 8 + iota
	word1
	word2
)

// socketType is the key of a set of sockets: address . protocol . port.
var socketType = nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService)

// surroundings is what the rules of a namespace depend on besides policies.
type surroundings struct {
	// podInterface is the bridge of the node's own pods.
	podInterface string
	// trusted are the addresses of the nodes, the control plane and the host.
	trusted netip.Prefix
}

// program replaces all rules in the network namespace that fd refers to, in
// one transaction: every packet sees either the old rules or the new ones.
func program(fd int, around surroundings, rules *ruleset) error {
	conn, err := nftables.New(nftables.WithNetNSFd(fd), nftables.WithSockOptions(
		func(c *netlink.Conn) error { return c.SetWriteBuffer(socketBuffer) },
		func(c *netlink.Conn) error { return c.SetReadBuffer(socketBuffer) },
	))
	if err != nil {
		return fmt.Errorf("opening nftables: %w", err)
	}
	w := &writer{conn: conn, table: &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}}
	if err := w.write(around, rules); err != nil {
		return fmt.Errorf("preparing network rules: %w", err)
	}
	if hasIPv6() {
		dropIPv6(conn)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("setting network rules: %w", err)
	}
	return nil
}

// dropIPv6 keeps pods from talking by IPv6, which clusters do not use: the
// addresses that Linux gives every interface by itself would lead around the
// policies on a node's bridge.
func dropIPv6(conn *nftables.Conn) {
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv6}
	drop := nftables.ChainPolicyDrop
	conn.AddTable(table)
	conn.AddChain(&nftables.Chain{
		Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop,
	})
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}

// writer collects the messages of one transaction.
type writer struct {
	conn   *nftables.Conn
	table  *nftables.Table
	chains map[string]*nftables.Chain
	sets   map[string]*nftables.Set
}

func (w *writer) write(around surroundings, rules *ruleset) error {
	// Adding first makes the deletion valid when there is no table yet.
	w.conn.AddTable(w.table)
	w.conn.DelTable(w.table)
	w.conn.AddTable(w.table)

	w.chains, w.sets = map[string]*nftables.Chain{}, map[string]*nftables.Set{}
	for _, name := range slices.Sorted(maps.Keys(rules.chains)) {
		w.chains[name] = w.conn.AddChain(&nftables.Chain{Name: name, Table: w.table})
	}
	if err := w.addSets(rules); err != nil {
		return err
	}
	for name, chain := range w.chains {
		for _, rule := range rules.chains[name] {
			w.addRule(chain, append(w.conditions(rule), verdict(expr.VerdictReturn)))
		}
		w.addRule(chain, []expr.Any{&expr.Counter{}, verdict(expr.VerdictDrop)})
	}
	return w.addForwardChain(around, rules)
}

// addForwardChain writes the chain that every packet from, to or between pods
// takes. Processes of the node itself, such as the kubelet's probes, do not
// pass it. Nodes, control plane and host are let through: what pods send by
// their address, masqueraded by a Service's node port, has passed these rules
// under the pod's own address on the node where it was masqueraded. They come
// from outside, so a pod that forges such an address is not.
func (w *writer) addForwardChain(around surroundings, rules *ruleset) error {
	accept := nftables.ChainPolicyAccept
	forward := w.conn.AddChain(&nftables.Chain{
		Name: "forward", Table: w.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	})
	outbound, err := w.addChainMap("outbound", rules.outbound)
	if err != nil {
		return err
	}
	inbound, err := w.addChainMap("inbound", rules.inbound)
	if err != nil {
		return err
	}
	w.addRule(forward, append(establishedOrRelated(), verdict(expr.VerdictAccept)))
	w.addRule(forward, append(fromTrusted(around), verdict(expr.VerdictAccept)))
	w.addRule(forward, []expr.Any{loadAddress(ipv4Source, word0), chainOf(outbound)})
	w.addRule(forward, []expr.Any{loadAddress(ipv4Destination, word0), chainOf(inbound)})
	return nil
}

func (w *writer) addRule(chain *nftables.Chain, exprs []expr.Any) {
	w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: chain, Exprs: exprs})
}

func (w *writer) addSets(rules *ruleset) error {
	for _, name := range slices.Sorted(maps.Keys(rules.networks)) {
		set := &nftables.Set{Name: name, KeyType: nftables.TypeIPAddr, Interval: true}
		if err := w.addSet(set, networkElements(rules.networks[name])); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules.sockets)) {
		set := &nftables.Set{Name: name, KeyType: socketType, Concatenation: true}
		if err := w.addSet(set, socketElements(rules.sockets[name])); err != nil {
			return err
		}
	}
	return nil
}

// addChainMap makes the map that sends a packet to the chain of a pod.
func (w *writer) addChainMap(name string, pods map[netip.Addr]string) (*nftables.Set, error) {
	var elements []nftables.SetElement
	for _, addr := range slices.SortedFunc(maps.Keys(pods), netip.Addr.Compare) {
		elements = append(elements, nftables.SetElement{
			Key:         addr.AsSlice(),
			VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: pods[addr]},
		})
	}
	set := &nftables.Set{Name: name, KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict, IsMap: true}
	return set, w.addSet(set, elements)
}

func (w *writer) addSet(set *nftables.Set, elements []nftables.SetElement) error {
	set.Table = w.table
	w.sets[set.Name] = set
	if err := w.conn.AddSet(set, nil); err != nil {
		return err
	}
	for chunk := range slices.Chunk(elements, maxElements) {
		if err := w.conn.SetAddElements(set, chunk); err != nil {
			return err
		}
	}
	return nil
}

// conditions turns a rule into expressions that end its evaluation unless they
// hold. The chain decides the direction: peers of an inbound chain are sources.
func (w *writer) conditions(r rule) []expr.Any {
	var exprs []expr.Any
	if r.peers != "" {
		offset := uint32(ipv4Source)
		if r.outbound {
			offset = ipv4Destination
		}
		exprs = append(exprs, loadAddress(offset, word0), inSet(w.sets[r.peers]))
	}
	if r.sockets != "" {
		exprs = append(exprs, loadAddress(ipv4Destination, word0), loadProtocol(word1), loadPort(word2), inSet(w.sets[r.sockets]))
	}
	if r.ports.protocol != 0 {
		exprs = append(exprs, loadProtocol(word0), compare(expr.CmpOpEq, []byte{r.ports.protocol}))
	}
	if r.ports.last != 0 {
		exprs = append(exprs, loadPort(word0),
			compare(expr.CmpOpGte, binaryutil.BigEndian.PutUint16(r.ports.first)),
			compare(expr.CmpOpLte, binaryutil.BigEndian.PutUint16(r.ports.last)))
	}
	return exprs
}

func establishedOrRelated() []expr.Any {
	states := uint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Register: word0, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: word0, DestRegister: word0, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(states), Xor: make([]byte, 4)},
		compare(expr.CmpOpNeq, make([]byte, 4)),
	}
}

func fromTrusted(around surroundings) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, around.podInterface)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: word0},
		compare(expr.CmpOpNeq, name),
		loadAddress(ipv4Source, word0),
		&expr.Bitwise{SourceRegister: word0, DestRegister: word0, Len: 4, Mask: mask(around.trusted.Bits()), Xor: make([]byte, 4)},
		compare(expr.CmpOpEq, around.trusted.Masked().Addr().AsSlice()),
	}
}

func mask(bits int) []byte {
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-bits))
}

func loadAddress(offset, register uint32) expr.Any {
	return &expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4, DestRegister: register}
}

func loadProtocol(register uint32) expr.Any {
	return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}
}

func loadPort(register uint32) expr.Any {
	return &expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2, DestRegister: register}
}

func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: word0, Data: data}
}

func inSet(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: word0, SetName: set.Name, SetID: set.ID}
}

// chainOf jumps to the chain that the map holds for the loaded address, and
// goes on when there is none.
func chainOf(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: word0, IsDestRegSet: true, SetName: set.Name, SetID: set.ID}
}

func verdict(kind expr.VerdictKind) expr.Any { return &expr.Verdict{Kind: kind} }

// networkElements gives each range its first address and, flagged, the one
// after its last; a range that reaches the last address of all stays open.
func networkElements(ranges []netipx.IPRange) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, r := range ranges {
		elements = append(elements, nftables.SetElement{Key: r.From().AsSlice()})
		if end := r.To().Next(); end.Is4() {
			elements = append(elements, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return elements
}

// socketElements pads every part of a key to whole words.
func socketElements(sockets []socket) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, s := range sockets {
		key := append(s.addr.AsSlice(), s.protocol, 0, 0, 0)
		key = binary.BigEndian.AppendUint16(key, s.port)
		elements = append(elements, nftables.SetElement{Key: append(key, 0, 0)})
	}
	return elements
}

// filterBridged makes packets between pods on one bridge pass the rules too,
// in the network namespace of the calling thread.
func filterBridged() error {
	files := []string{"bridge-nf-call-iptables"}
	if hasIPv6() {
		files = append(files, "bridge-nf-call-ip6tables")
	}
	for _, file := range files {
		if err := switchOn("/proc/sys/net/bridge/" + file); err != nil {
			return fmt.Errorf("having bridged packets filtered (kernel module br_netfilter): %w", err)
		}
	}
	return nil
}

// switchOn leaves a setting alone that is on, and may be read-only.
func switchOn(file string) error {
	value, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(value)) == "1" {
		return err
	}
	return os.WriteFile(file, []byte("1"), 0)
}
