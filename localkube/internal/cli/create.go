package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/localkube/internal/cluster"
	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

func newCreate(o *options) *cobra.Command {
	var nodes int
	var publish, registriesOf []string
	var cidr string
	var wait time.Duration
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a cluster and wait until it is ready",
		Example: `  localkube create blue
  localkube create blue --nodes 3 --publish 8080:30080
  localkube create green --registry-of blue`,
		Args: exactly(1, "the cluster's NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			request := cluster.Request{Name: args[0], Nodes: nodes, RegistriesOf: registriesOf}
			var err error
			if request.Publish, err = parsePublish(publish); err != nil {
				return fault.New(fault.Usage, err, "")
			}
			if request.Network, err = parseNetwork(cidr); err != nil {
				return fault.New(fault.Usage, err, "")
			}
			ctx, cancel := withWait(c.Context(), wait)
			defer cancel()
			info, err := o.manager().Create(ctx, request)
			if err != nil {
				return err
			}
			return o.printReady(info)
		},
	}
	command.Flags().IntVar(&nodes, "nodes", 1, "number of nodes")
	command.Flags().StringArrayVar(&publish, "publish", nil, "lead a loopback port of this machine to a port of the nodes: [127.0.0.1:]HOSTPORT:NODEPORT (repeatable)")
	command.Flags().StringArrayVar(&registriesOf, "registry-of", nil, "pull from the registry of this cluster, too, under the names that images have there (repeatable)")
	command.Flags().StringVar(&cidr, "cidr", "", "the /16 that the cluster's addresses come from (default: the first free one of 10.100.0.0/16 …)")
	addWait(command, &wait)
	return command
}

func newStart(o *options) *cobra.Command {
	var wait time.Duration
	command := &cobra.Command{
		Use:     "start NAME",
		Short:   "Start a stopped cluster, or put a broken one right",
		Long:    "Start a stopped cluster, or put one right whose supervisor was killed or\nwhose machine was restarted. Containers that still run go on running.",
		Example: "  localkube start blue",
		Args:    exactly(1, "the cluster's NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := withWait(c.Context(), wait)
			defer cancel()
			info, err := o.manager().Start(ctx, args[0])
			if err != nil {
				return err
			}
			return o.printReady(info)
		},
	}
	addWait(command, &wait)
	return command
}

// printReady prints the readiness line, on which other programs rely.
func (o *options) printReady(i *cluster.Info) error {
	if o.json() {
		return o.printJSON(i)
	}
	_, err := fmt.Fprintf(o.streams.Out, "ready name=%s kubeconfig=%s registry=%s version=%s\n", i.Name, i.Kubeconfig, i.Registry, i.Version)
	return err
}

func addWait(command *cobra.Command, wait *time.Duration) {
	command.Flags().DurationVar(wait, "wait", 2*time.Minute, "how long to wait until it is done")
}

func withWait(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, wait, fmt.Errorf("not done after %s", wait))
}

func parseNetwork(cidr string) (netip.Prefix, error) {
	if cidr == "" {
		return netip.Prefix{}, nil
	}
	network, err := netip.ParsePrefix(cidr)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("reading --cidr: %w", err)
	}
	return network, nil
}

func parsePublish(values []string) ([]state.Publish, error) {
	var all []state.Publish
	for _, value := range values {
		p, err := parseOnePublish(value)
		if err != nil {
			return nil, fmt.Errorf("reading --publish %q: %w", value, err)
		}
		for _, other := range all {
			if other.Host == p.Host {
				return nil, fmt.Errorf("reading --publish %q: %s is published twice", value, p.Host)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func parseOnePublish(value string) (state.Publish, error) {
	left, right, ok := cutLast(value, ":")
	if !ok {
		return state.Publish{}, errors.New("want HOSTPORT:NODEPORT, such as 8080:30080")
	}
	host, port := "127.0.0.1", left
	if ip, p, ok := cutLast(left, ":"); ok {
		host, port = ip, p
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return state.Publish{}, err
	}
	if !addr.IsLoopback() {
		return state.Publish{}, fmt.Errorf("%s is not a loopback address; nothing is opened to other machines", addr)
	}
	hostPort, err := parsePort(port)
	if err != nil {
		return state.Publish{}, err
	}
	nodePort, err := parsePort(right)
	return state.Publish{Host: netip.AddrPortFrom(addr, hostPort), NodePort: int(nodePort)}, err
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("port %q: must be a number from 1 to 65535", s)
	}
	return uint16(port), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}
