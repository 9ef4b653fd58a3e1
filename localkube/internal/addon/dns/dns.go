// Package dns is the cluster's name server: CoreDNS as a library, with only the
// plugins a cluster needs, watching the API server through a kubeconfig.
//
// It runs beside the API server in the control plane's network namespace, not
// in a pod: the Service kube-dns has no selector and its EndpointSlice names
// the control plane's address (package objects). Start reading at Run; the
// configuration it gives CoreDNS is written by corefile.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/spf13/pflag"

	// The plugins that corefile uses; CoreDNS registers each by import.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// User is the name of the client certificate that package objects grants the
// name server's reads to.
const User = "localkube:dns"

// Ports of the name server on Config.Address: queries (UDP and TCP), and HTTP
// for /health and /ready.
const (
	Port       = 53
	HealthPort = 8080
	ReadyPort  = 8181
)

// Config says what the name server answers for and where.
type Config struct {
	// Kubeconfig is the file to reach the API server with, as User.
	Kubeconfig string
	// Address is the one address to listen on; no other is bound.
	Address string
	// Domain is the cluster's domain, normally cluster.local.
	Domain string
	// ResolvConf names the file that lists the machine's own name servers,
	// which answer for every other name. It is read again as it changes.
	// Loopback servers in it are skipped, since the control plane cannot reach
	// them. While none answers, other names do not exist (NXDOMAIN), which is
	// quick and clear offline.
	ResolvConf string
}

// AddFlags registers the component's command-line flags.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Kubeconfig, "kubeconfig", "", "kubeconfig to reach the API server with")
	fs.StringVar(&c.Address, "address", "", "IP address to answer on")
	fs.StringVar(&c.Domain, "domain", "cluster.local", "domain of the cluster's own names")
	fs.StringVar(&c.ResolvConf, "resolv-conf", "/etc/resolv.conf", "file that names the servers for all other names")
}

func (c *Config) validate() error {
	if c.Kubeconfig == "" {
		return errors.New("--kubeconfig is required")
	}
	if _, err := netip.ParseAddr(c.Address); err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	return nil
}

// Run answers queries until ctx ends. It returns an error when the name server
// cannot start; an API server that is away is waited for, with SERVFAIL until
// the first synchronisation.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("configuring dns: %w", err)
	}
	log.SetOutput(os.Stderr)
	caddy.Quiet, dnsserver.Quiet = true, true

	upstreams := reachable(ctx, upstreamServers(cfg.ResolvConf), firstProbe)
	instance, err := caddy.Start(input(cfg, upstreams))
	if err != nil {
		return fmt.Errorf("starting dns on %s: %w", cfg.Address, err)
	}
	log.Printf("[INFO] answering on %s for %s; upstream servers: %v", cfg.Address, cfg.Domain, upstreams)
	return stop(follow(ctx, cfg, instance, upstreams))
}

// follow starts the name server anew, without a gap, whenever other upstream
// servers answer than before. It returns the last instance when ctx ends.
func follow(ctx context.Context, cfg Config, instance *caddy.Instance, upstreams []string) *caddy.Instance {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return instance
		case <-ticker.C:
		}
		now := reachable(ctx, upstreamServers(cfg.ResolvConf), laterProbe)
		if slices.Equal(now, upstreams) || ctx.Err() != nil {
			continue
		}
		next, err := instance.Restart(input(cfg, now))
		if err != nil {
			log.Printf("[ERROR] changing upstream servers to %v: %v", now, err)
			continue
		}
		log.Printf("[INFO] upstream servers: %v", now)
		instance, upstreams = next, now
	}
}

func input(cfg Config, upstreams []string) caddy.Input {
	return caddy.CaddyfileInput{
		Contents:       corefile(cfg, upstreams),
		Filepath:       "localkube",
		ServerTypeName: "dns",
	}
}

func stop(instance *caddy.Instance) error {
	errs := append(instance.ShutdownCallbacks(), instance.Stop())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping dns: %w", err)
	}
	return nil
}
