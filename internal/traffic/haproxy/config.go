// Package haproxy moves traffic between the servers of a backend of HAProxy, in
// every process that carries the hostname, by weights over the runtime
// interface; where a `landfall watchdog` runs beside a process (package
// watchdog), through that.
//
// Start reading at Config, then Router and Process.
package haproxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
)

// Config says where the two sides are.
type Config struct {
	// Instances are all processes that carry the hostname: runtime interfaces
	// (unix:///path, tcp://host:port) or watchdogs beside them
	// (http://host:port, https://host:port).
	Instances []string
	// Backend that has both sides' servers, which are disjoint.
	Backend  string
	Old, New []string
	// OldName and NewName are the values of traffic.PinHeader that ask for a
	// side; they must be those of the backend's configuration (Snippet).
	OldName, NewName string
	// Owner is the migration, the same for every process that works on it.
	// Watchdogs serve one owner at a time for each backend.
	Owner string
	// Token that watchdogs ask for.
	Token string
	// CA are PEM certificates of the authorities that watchdogs' certificates are
	// from; the system's if empty.
	CA []byte
}

// Pair is a backend with the servers of both sides, as HAProxy names them.
type Pair struct {
	Backend string   `json:"backend"`
	Old     []string `json:"old"`
	New     []string `json:"new"`
}

// MaxServers of a side.
const MaxServers = 64

// Validate checks the names, which get into commands: nothing else of a Config
// does. Errors are Invalid.
func (p Pair) Validate() error {
	invalid := func(hint, format string, args ...any) error {
		return fault.New(fault.Invalid, hint, "reading the sides of a HAProxy backend: "+format, args...)
	}
	if !haproxy.IsName(p.Backend) {
		return invalid("Name the backend of HAProxy's configuration.", "%q cannot be a backend", p.Backend)
	}
	if p.Backend == "BACKEND" {
		return invalid("Rename the backend.", "BACKEND is a word of HAProxy's own")
	}
	for _, side := range [][]string{p.Old, p.New} {
		if len(side) == 0 || len(side) > MaxServers {
			return invalid("Name the servers of both sides.", "a side has %d servers, not 1 to %d", len(side), MaxServers)
		}
	}
	names := slices.Concat(p.Old, p.New)
	for i, name := range names {
		if !haproxy.IsName(name) || name == "BACKEND" || name == "FRONTEND" {
			return invalid("Name servers of HAProxy's configuration.", "%q cannot be a server", name)
		}
		if slices.Contains(names[:i], name) {
			return invalid("Give each server to one side, once.", "server %s is named twice", name)
		}
	}
	return nil
}

// New makes the router. It asks nobody. Errors are Invalid.
func New(c Config) (*Router, error) {
	pair := Pair{Backend: c.Backend, Old: c.Old, New: c.New}
	if err := pair.Validate(); err != nil {
		return nil, err
	}
	if len(c.Instances) == 0 {
		return nil, fault.New(fault.Invalid, "Name every HAProxy that carries the hostname.", "reading the instances of HAProxy: there is none")
	}
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	r := &Router{config: c, pair: pair, seen: make([]sighting, len(c.Instances))}
	for i, address := range c.Instances {
		if slices.Contains(c.Instances[:i], address) {
			return nil, fault.New(fault.Invalid, "Name it once.", "reading the instances of HAProxy: %s is named twice", address)
		}
		instance, err := c.instance(address, pair, client)
		if err != nil {
			return nil, err
		}
		r.instances = append(r.instances, instance)
	}
	return r, nil
}

func (c Config) instance(address string, pair Pair, client *http.Client) (instance, error) {
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		socket, err := haproxy.ParseSocket(address)
		return Process{Socket: socket, Pair: pair}, err
	}
	u, err := url.Parse(address)
	if err == nil && (u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "") {
		err = errors.New("it is more or less than http://host:port")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "Write http://host:port or https://host:port.", "reading the address of a watchdog: %w", redacted(err, address))
	}
	if c.Token == "" {
		return nil, fault.New(fault.Invalid, "Give the token of the watchdog's --token-file.", "reading the instances of HAProxy: watchdog %s needs a token", u.Host)
	}
	owner := c.Owner
	if owner == "" {
		owner = "landfall"
	}
	return &agent{base: strings.TrimRight(address, "/"), client: client, token: c.Token, owner: owner, pair: pair}, nil
}

// client speaks to watchdogs. It follows no redirection: orders are for whom
// they were sent to.
func (c Config) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(c.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, fault.New(fault.Invalid, "Give certificates as PEM.", "reading the authorities of watchdogs: there is no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}, nil
}

// redacted is an error without the address, which may hold a password.
func redacted(err error, address string) error {
	return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), address, "…"))
}
