// Package haproxy runs HAProxy as the front door: it writes its configuration
// (pure, in this file), checks each before it is used, reloads without
// dropping a request, and changes servers at run time where nothing else
// changed. Start at Proxy.Apply.
package haproxy

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/landfall-dev/landfall/internal/frontdoor"
)

// Options of the configuration.
type Options struct {
	// Dir holds every file and socket.
	Dir string
	// Listen is HOST:PORT or ":PORT" for requests.
	Listen string
	// Pages is HOST:PORT of the HTTP server that answers for unknown hosts and
	// for backends without servers.
	Pages string
}

// minSlots is how many servers a backend has room for at least, so that most
// scaling needs no reload.
const minSlots = 8

// files of one configuration, by name below Options.Dir.
type files map[string]string

const (
	configFile = "haproxy.cfg"
	exactMap   = "exact.map"
	prefixMap  = "prefix.map"
	statsSock  = "admin.sock"
	masterSock = "master.sock"
)

// render writes HAProxy's files for a table. Slots are positions of servers;
// see slots.go.
func render(o Options, t frontdoor.Table, s slots) files {
	exact, prefix := routeMaps(t)
	return files{
		configFile: header(o) + frontend(o) + backends(o, t, s),
		exactMap:   exact,
		prefixMap:  prefix,
	}
}

func header(o Options) string {
	return fmt.Sprintf(`# Written by landfall front-door from the cluster's Ingresses. Changes are lost.
global
    log stdout format raw local0 info
    stats socket unix@%s mode 600 level admin expose-fd listeners
    maxconn 4000
    nbthread 2
    # Long-lived connections of an earlier configuration may go on this long.
    hard-stop-after 10m

defaults
    mode http
    log global
    option forwardfor
    option redispatch 1
    option dontlognull
    retries 3
    # Only what cannot have reached the application is sent again.
    retry-on conn-failure
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 15s
    timeout http-keep-alive 30s
    timeout queue 10s
    timeout tunnel 1h
`, filepath.Join(o.Dir, statsSock))
}

func frontend(o Options) string {
	match := func(kind, file, key string) string {
		return fmt.Sprintf("    http-request set-var(txn.to) %s,map_%s(%s) if !{ var(txn.to) -m found }\n", key, kind, filepath.Join(o.Dir, file))
	}
	return fmt.Sprintf(`
frontend http
    bind %s
    log-format "%%ci %%HM %%[var(txn.host)]%%HU %%ST %%TR/%%Tc/%%Tr/%%Ta ms %%B bytes %%b %%s %%ts"
    http-request set-var(txn.host) req.hdr(host),field(1,:),lower
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %%[req.hdr(host)]
    # Paths match by whole elements: each is looked up with a slash at its end.
    http-request set-var-fmt(txn.exact) %%[var(txn.host)]%%[path]
    http-request set-var-fmt(txn.prefix) %%[var(txn.host)]%%[path]/
    http-request set-var-fmt(txn.wildexact) *.%%[var(txn.host),regsub(^[^.]*[.],)]%%[path]
    http-request set-var-fmt(txn.wildprefix) *.%%[var(txn.host),regsub(^[^.]*[.],)]%%[path]/
    http-request set-var-fmt(txn.anyexact) *%%[path]
    http-request set-var-fmt(txn.anyprefix) *%%[path]/
`, o.Listen) +
		match("str", exactMap, "var(txn.exact)") + match("beg", prefixMap, "var(txn.prefix)") +
		match("str", exactMap, "var(txn.wildexact)") + match("beg", prefixMap, "var(txn.wildprefix)") +
		match("str", exactMap, "var(txn.anyexact)") + match("beg", prefixMap, "var(txn.anyprefix)") +
		fmt.Sprintf(`    use_backend %%[var(txn.to)] if { var(txn.to) -m found }
    default_backend nobody

backend nobody
    server pages %s
`, o.Pages)
}

// routeMaps writes the routes as HAProxy looks them up: the longest prefix
// wins. The host "*" stands for every host.
func routeMaps(t frontdoor.Table) (exact, prefix string) {
	var exacts, prefixes strings.Builder
	for _, route := range t.Routes {
		host := route.Host
		if host == "" {
			host = "*"
		}
		to := &prefixes
		if route.Exact {
			to = &exacts
		}
		fmt.Fprintf(to, "%s%s %s\n", host, route.Path, route.Backend)
	}
	return exacts.String(), prefixes.String()
}

func backends(o Options, t frontdoor.Table, s slots) string {
	var text strings.Builder
	for _, backend := range t.Backends {
		fmt.Fprintf(&text, "\nbackend %s\n    balance leastconn\n", backend.Name)
		for i, address := range s[backend.Name] {
			if address == "" {
				fmt.Fprintf(&text, "    server s%d 127.0.0.1:1 disabled\n", i)
			} else {
				fmt.Fprintf(&text, "    server s%d %s\n", i, address)
			}
		}
		// With no server left, the pages say why.
		fmt.Fprintf(&text, "    server pages %s backup\n", o.Pages)
	}
	return text.String()
}
