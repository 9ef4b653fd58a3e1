package dns

import (
	"bytes"
	"strings"
	"text/template"
)

// Two servers, since CoreDNS asks its plugins in an order of its own, in which
// template comes before kubernetes. The cluster's own names are not cached, so
// that a Service or headless pod is found, and gone, as soon as its
// EndpointSlice says so.
var corefileTemplate = template.Must(template.New("corefile").Parse(`
{{- define "forward"}}
    forward . {{.}} {
        max_concurrent 1000
        failfast_all_unhealthy_upstreams
    }
{{- end -}}
{{.Domain}}:{{.Port}} in-addr.arpa:{{.Port}} ip6.arpa:{{.Port}} {
    bind {{.Address}}
    errors
    health {{.Address}}:{{.HealthPort}}
    ready {{.Address}}:{{.ReadyPort}}
    loadbalance
    kubernetes {{.Domain}} in-addr.arpa ip6.arpa {
        kubeconfig {{.Kubeconfig}}
        pods insecure
        ttl 5
{{- if .Upstreams}}
        fallthrough in-addr.arpa ip6.arpa
{{- end}}
    }
{{- with .Upstreams}}{{template "forward" .}}{{end}}
}
.:{{.Port}} {
    bind {{.Address}}
    errors
{{- if .Upstreams}}
    loadbalance
    cache 30
{{- template "forward" .Upstreams}}
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
