package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/localhost"
)

// route is where requests go: the address that visitors use, and, told apart
// from it, where the connection is made.
type route struct {
	// base is the address that visitors use; nil where every check has its own.
	base *url.URL
	// dial maps host:port, or host alone, to address:port, or address alone.
	dial map[string]string
	// allowed are the hosts, or host:port, that a server's words may lead to.
	allowed map[string]bool
}

// newRoute puts the document and what overrides it together.
func newRoute(d *Document, o *Options, vars values) (*route, error) {
	r := &route{dial: map[string]string{}, allowed: map[string]bool{}}
	for _, addresses := range []map[string]string{d.Addresses, o.Addresses} {
		for host, address := range addresses {
			r.dial[strings.ToLower(host)] = address
		}
	}
	for _, host := range d.AllowHosts {
		r.allowed[strings.ToLower(host)] = true
	}
	base, err := vars.expand(first(o.URL, d.URL))
	if err != nil {
		return nil, err
	}
	host, err := vars.expand(first(o.Host, d.Host))
	if err != nil {
		return nil, err
	}
	if base != "" {
		return r, r.setBase(base, host, o.Address)
	}
	if first(host, o.Address) != "" {
		return nil, errors.New("there is a host or an address, but no URL to go with it")
	}
	return r, nil
}

// setBase tells the visitors' address from where it is reached. A host is what
// visitors ask for where the URL only says where it is reached.
func (r *route) setBase(text, host, address string) error {
	base, err := parseURL(text)
	if err != nil {
		return err
	}
	base.RawQuery, base.Fragment, base.Path = "", "", strings.TrimSuffix(base.Path, "/")
	if host != "" && !strings.EqualFold(host, base.Host) {
		address = first(address, r.resolve(authority(base)))
		base.Host = host
		if base, err = parseURL(base.String()); err != nil {
			return fmt.Errorf("host %q: %w", host, err)
		}
	}
	if address != "" {
		r.reach(base, address)
	}
	r.base = base
	r.allowed[strings.ToLower(base.Hostname())] = true
	return nil
}

// reach makes connections to u's host go to the address. A port in the address
// is for u's port; other ports of the host go to the same ports there, so that
// no redirect goes by DNS to another side.
func (r *route) reach(u *url.URL, address string) {
	name := strings.ToLower(u.Hostname())
	ip, port, err := net.SplitHostPort(address)
	if err != nil {
		r.dial[name] = address
		return
	}
	r.dial[name] = ip
	r.dial[authority(u)] = net.JoinHostPort(ip, port)
}

// authority is the host with its port, also the default one.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// resolve gives where host:port is reached.
func (r *route) resolve(hostPort string) string {
	hostPort = strings.ToLower(hostPort)
	if address, ok := r.dial[hostPort]; ok {
		return withPort(address, hostPort)
	}
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	if address, ok := r.dial[host]; ok {
		return withPort(address, hostPort)
	}
	return localhost.Resolve(hostPort)
}

// withPort adds hostPort's port to an address that has none.
func withPort(address, hostPort string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	_, port, _ := net.SplitHostPort(hostPort)
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}

// dialer makes connections by the route.
func (r *route) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, r.resolve(address))
	}
}

// proxy asks for a proxy only where no address is set.
func (r *route) proxy(ask func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if ask == nil {
		return nil
	}
	return func(request *http.Request) (*url.URL, error) {
		if hostPort := authority(request.URL); r.resolve(hostPort) != hostPort {
			return nil, nil
		}
		return ask(request)
	}
}

// allows says whether a server's words may lead to u.
func (r *route) allows(u *url.URL) bool {
	return r.allowed[strings.ToLower(u.Hostname())] || r.allowed[strings.ToLower(u.Host)] || r.allowed[authority(u)]
}

// target names the side that is checked.
func (r *route) target() string {
	if r.base == nil {
		return ""
	}
	name := r.base.Redacted()
	if hostPort := authority(r.base); r.resolve(hostPort) != hostPort {
		name += " at " + r.resolve(hostPort)
	}
	return name
}

// address gives the address of a request: the path added to the base, or the
// request's own URL, which may be relative where a server gave it. A path never
// leads to another host.
func (r *route) address(path, whole string) (*url.URL, error) {
	if whole != "" && r.base != nil {
		if to, err := r.base.Parse(whole); err == nil {
			whole = to.String()
		}
	}
	if whole != "" {
		return parseURL(whole)
	}
	if r.base == nil {
		return nil, errors.New("the path needs a URL to be added to")
	}
	prefix := *r.base
	prefix.Path, prefix.RawPath = "", ""
	return parseURL(prefix.String() + r.base.EscapedPath() + path)
}
