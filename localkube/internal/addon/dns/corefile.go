package dns

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/template"

	"github.com/miekg/dns"
)

// maxUpstreams is what CoreDNS's forward plugin accepts.
const maxUpstreams = 15

// The answers for the cluster's own names are not cached, so that a Service or
// headless pod is found, and gone, as soon as its EndpointSlice says so.
var corefileTemplate = template.Must(template.New("corefile").Parse(`.:{{.Port}} {
    bind {{.Address}}
    errors
    health {{.Address}}:{{.HealthPort}}
    ready {{.Address}}:{{.ReadyPort}}
    loadbalance
    cache 30 {
        disable success {{.Domain}}
        disable denial {{.Domain}}
    }
    kubernetes {{.Domain}} in-addr.arpa ip6.arpa {
        kubeconfig {{.Kubeconfig}}
        pods insecure
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }
{{- if .Upstreams}}
    forward . {{.Upstreams}} {
        max_concurrent 1000
        failfast_all_unhealthy_upstreams
    }
{{- else}}
    template ANY ANY {
        rcode NXDOMAIN
    }
{{- end}}
}
`))

// corefile renders CoreDNS's configuration.
func corefile(cfg Config, upstreams []string) []byte {
	var out bytes.Buffer
	err := corefileTemplate.Execute(&out, map[string]any{
		"Port":       Port,
		"HealthPort": HealthPort,
		"ReadyPort":  ReadyPort,
		"Address":    cfg.Address,
		"Domain":     cfg.Domain,
		"Kubeconfig": quote(cfg.Kubeconfig),
		"Upstreams":  strings.Join(upstreams, " "),
	})
	if err != nil { // The template is a constant and bytes.Buffer never fails.
		panic(err)
	}
	return out.Bytes()
}

// quote makes one Corefile token of a path, whatever blanks it has.
func quote(path string) string {
	return `"` + strings.ReplaceAll(path, `"`, `\"`) + `"`
}

// upstreamServers reads the name servers that the control plane can forward
// to. A file that is absent means none.
func upstreamServers(resolvConf string) ([]string, error) {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading name servers: %w", err)
	}
	var servers []string
	for _, server := range conf.Servers {
		addr, err := netip.ParseAddr(server)
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() || len(servers) == maxUpstreams {
			continue
		}
		servers = append(servers, netip.AddrPortFrom(addr.WithZone(""), Port).String())
	}
	return servers, nil
}
