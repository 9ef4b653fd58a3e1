package haproxy

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Layout is a backend as a migration wants it in HAProxy's configuration.
type Layout struct {
	Backend string
	// Old and New servers. Without addresses Render leaves servers and the
	// backend's own lines to the configuration that is there.
	Old, New []Address
	// OldName and NewName ask for a side in traffic.PinHeader; no rules if empty.
	OldName, NewName string
	// Check is the path that servers are asked for every two seconds; with ""
	// they only have to accept connections. CheckHost is the name they are asked
	// by.
	Check, CheckHost string
	// Nameservers (host:port) resolve addresses that are names, for as long as
	// HAProxy runs: services of Kubernetes move.
	Nameservers []string
}

// Address is a server with where it listens: host:port.
type Address struct {
	Name, Address string
}

// Pair gives the names alone.
func (l Layout) Pair() Pair {
	p := Pair{Backend: l.Backend}
	for _, server := range l.Old {
		p.Old = append(p.Old, server.Name)
	}
	for _, server := range l.New {
		p.New = append(p.New, server.Name)
	}
	return p
}

// Validate looks at all that gets into the configuration. Errors are Invalid.
func (l Layout) Validate() error {
	invalid := func(hint, format string, args ...any) error {
		return fault.New(fault.Invalid, hint, "rendering backend %s: %w", l.Backend, fmt.Errorf(format, args...))
	}
	if err := l.Pair().Validate(); err != nil {
		return err
	}
	addresses := 0
	for _, server := range append(append([]Address{}, l.Old...), l.New...) {
		if server.Address != "" {
			addresses++
			if !isAddress(server.Address) {
				return invalid("Write NAME=HOST:PORT.", "server %s cannot be at %q", server.Name, server.Address)
			}
		}
	}
	if addresses > 0 && addresses < len(l.Old)+len(l.New) {
		return invalid("Give all servers addresses, or none.", "only some servers have an address")
	}
	for _, nameserver := range l.Nameservers {
		if !isAddress(nameserver) {
			return invalid("Write HOST:PORT.", "a nameserver cannot be at %q", nameserver)
		}
	}
	for _, name := range []string{l.OldName, l.NewName, l.CheckHost} {
		if name != "" && !haproxy.IsName(name) {
			return invalid("Use letters, digits, - and _.", "%q is no name", name)
		}
	}
	if strings.ContainsFunc(l.Check, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"'\#{}$%`, c) }) ||
		l.Check != "" && !strings.HasPrefix(l.Check, "/") {
		return invalid("Give a path such as /health.", "%q cannot be asked for", l.Check)
	}
	return nil
}

// isAddress tells whether s is host:port with nothing that could break out of
// a line of the configuration.
func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && haproxy.IsName(host) && haproxy.IsName(port)
}

// Render writes the configuration: whole sections where the servers have
// addresses, otherwise the lines to put into the backend and the section to put
// beside it. The new side's servers have weight 0: a reload that forgets the
// weights must not send requests there.
func (l Layout) Render() (string, error) {
	if err := l.Validate(); err != nil {
		return "", err
	}
	var b strings.Builder
	table := latencyTable(l.Backend)
	fmt.Fprintf(&b, "# How long answers took, by server: Landfall reads it as latencies.\nbackend %s\n", table)
	fmt.Fprintf(&b, "    stick-table type string len 100 size 1k store gpc(%d)\n\n", len(latencyBounds)+1)
	whole := l.Old[0].Address != ""
	if whole && len(l.Nameservers) > 0 {
		b.WriteString(l.resolvers())
	}
	if whole {
		fmt.Fprintf(&b, "backend %s\n    balance roundrobin\n", l.Backend)
		b.WriteString("    # Weights outlive reloads where a global server-state-file is written.\n    load-server-state-from-file global\n")
		if l.Check != "" {
			b.WriteString(l.checks())
		}
	} else {
		fmt.Fprintf(&b, "# Put these lines into backend %s, above its servers.\n", l.Backend)
	}
	b.WriteString(l.timing())
	b.WriteString(l.pins(traffic.Old, l.OldName, l.Old))
	b.WriteString(l.pins(traffic.New, l.NewName, l.New))
	if whole {
		b.WriteString(l.servers(l.Old, ""))
		b.WriteString(l.servers(l.New, " weight 0"))
	}
	return b.String(), nil
}

func (l Layout) resolvers() string {
	var b strings.Builder
	fmt.Fprintf(&b, "resolvers %s\n", latencyTable(l.Backend))
	for i, nameserver := range l.Nameservers {
		fmt.Fprintf(&b, "    nameserver ns%d %s\n", i+1, nameserver)
	}
	b.WriteString("    accepted_payload_size 8192\n    hold valid 5s\n\n")
	return b.String()
}

// checks are HTTP/1.1 with a host where servers tell sites apart by it.
func (l Layout) checks() string {
	host := ""
	if l.CheckHost != "" {
		host = " ver HTTP/1.1 hdr Host " + l.CheckHost
	}
	return fmt.Sprintf("    option httpchk\n    http-check send meth GET uri %s%s\n", l.Check, host)
}

// timing counts each answer in the bucket of its time.
func (l Layout) timing() string {
	var b strings.Builder
	b.WriteString("    http-request set-var(txn.landfall_began) date(0,ms)\n")
	b.WriteString("    http-response set-var(txn.landfall_took) date(0,ms),sub(txn.landfall_began)\n")
	fmt.Fprintf(&b, "    http-response track-sc2 srv_name table %s\n", latencyTable(l.Backend))
	above := int64(-1)
	for i, bound := range latencyBounds {
		upper := bound.Milliseconds()
		// A clock that was set back gives negative times: they were short.
		condition := fmt.Sprintf("%d:%d", above+1, upper)
		if i == 0 {
			condition = fmt.Sprintf("le %d", upper)
		}
		fmt.Fprintf(&b, "    http-response sc-inc-gpc(%d,2) if { var(txn.landfall_took) -m int %s }\n", i, condition)
		above = upper
	}
	fmt.Fprintf(&b, "    http-response sc-inc-gpc(%d,2) if { var(txn.landfall_took) -m int gt %d }\n", len(latencyBounds), latencyBounds[len(latencyBounds)-1]/time.Millisecond)
	return b.String()
}

// pins send requests that ask for a side to one of its servers that is up,
// whatever their weights. The last of them takes what the ones before left.
func (l Layout) pins(side traffic.Side, name string, servers []Address) string {
	if name == "" {
		return ""
	}
	var b strings.Builder
	acl := "landfall_" + string(side)
	fmt.Fprintf(&b, "    acl %s req.hdr(%s) -m str %s\n    acl %s req.cook(%s) -m str %s\n", acl, traffic.PinHeader, name, acl, traffic.PinHeader, name)
	for i, server := range servers {
		share := ""
		if left := len(servers) - i; left > 1 {
			share = fmt.Sprintf(" { rand(%d) lt 1 }", left)
		}
		fmt.Fprintf(&b, "    use-server %s if %s%s\n", server.Name, acl, share)
	}
	return b.String()
}

func (l Layout) servers(servers []Address, options string) string {
	var b strings.Builder
	if l.Nameservers != nil {
		options += fmt.Sprintf(" resolvers %s init-addr last,libc,none", latencyTable(l.Backend))
	}
	for _, server := range servers {
		fmt.Fprintf(&b, "    server %s %s check inter 2s%s\n", server.Name, server.Address, options)
	}
	return b.String()
}
