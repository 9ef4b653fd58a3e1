package dns

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxUpstreams is what CoreDNS's forward plugin accepts.
	maxUpstreams = 15
	// firstProbe is short, since clients wait for the name server to start.
	firstProbe = 300 * time.Millisecond
	laterProbe = 2 * time.Second
	probeEvery = 15 * time.Second
)

// upstreamServers reads the name servers that the control plane can forward
// to. A file that is absent or unreadable names none.
func upstreamServers(resolvConf string) []string {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil
	}
	var servers []string
	for _, server := range conf.Servers {
		addr, err := netip.ParseAddr(server)
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() || len(servers) == maxUpstreams {
			continue
		}
		servers = append(servers, netip.AddrPortFrom(addr.WithZone(""), Port).String())
	}
	return servers
}

// reachable are those of the servers that answer anything at all in time, in
// their order.
func reachable(ctx context.Context, servers []string, within time.Duration) []string {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make([]bool, len(servers))
	var probes sync.WaitGroup
	for i, server := range servers {
		probes.Go(func() { answers[i] = probe(ctx, server) })
	}
	probes.Wait()
	var found []string
	for i, server := range servers {
		if answers[i] {
			found = append(found, server)
		}
	}
	return slices.Clip(found)
}

// probe asks the server for the root's name servers, as CoreDNS's own health
// check does, and once more in case a packet was lost.
func probe(ctx context.Context, server string) bool {
	deadline, _ := ctx.Deadline()
	client := dns.Client{Timeout: time.Until(deadline) / 2}
	question := new(dns.Msg).SetQuestion(".", dns.TypeNS)
	for range 2 {
		if _, _, err := client.ExchangeContext(ctx, question, server); err == nil {
			return true
		}
	}
	return false
}
