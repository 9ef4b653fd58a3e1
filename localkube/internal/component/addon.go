package component

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/landfall-dev/landfall/localkube/internal/addon/dns"
	"github.com/landfall-dev/landfall/localkube/internal/addon/metrics"
	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol"
	"github.com/landfall-dev/landfall/localkube/internal/addon/provisioner"
	"github.com/landfall-dev/landfall/localkube/internal/addon/registry"
)

func init() {
	mains["dns"] = addon((*dns.Config).AddFlags, dns.Run)
	mains["metrics"] = addon((*metrics.Config).AddFlags, metrics.Run)
	mains["netpol"] = addon((*netpol.Config).AddFlags, netpol.Run)
	mains["provisioner"] = addon((*provisioner.Config).AddFlags, provisioner.Run)
	mains["registry"] = addon((*registry.Config).AddFlags, registry.Run)
}

// addon is the main of an add-on of ours: its flags fill its configuration.
func addon[Config any](addFlags func(*Config, *pflag.FlagSet), run func(context.Context, Config) error) Main {
	return func() int {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		var config Config
		flags := pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
		addFlags(&config, flags)
		if err := flags.Parse(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		if err := run(ctx, config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}
