// Package frontdoor is `landfall front-door`: it runs HAProxy as an ingress
// controller until it is told to stop.
package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	controller "github.com/landfall-dev/landfall/internal/controller/frontdoor"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/frontdoor"
	"github.com/landfall-dev/landfall/internal/frontdoor/haproxy"
)

type flags struct {
	listen  string
	health  string
	class   string
	address string
	dir     string
	program string
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "front-door",
		Short: "Run HAProxy as the ingress controller of the local platform",
		Long: `Run the front door until interrupted: an ingress controller on HAProxy. It
serves the Ingresses of one class, changes servers without a reload, and reloads
without losing a request. ` + "`landfall up`" + ` runs it in the cluster.

Unknown hosts get a page with the hosts there are; hosts whose application has
no instance get one that says why: asleep, being deployed, broken.`,
		Example: `  # on this machine, for the current context
  landfall front-door --listen 127.0.0.1:8080 --dir /tmp/front-door`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), c, f) },
	}
	set := cmd.Flags()
	set.StringVar(&f.listen, "listen", ":8080", "`address` for requests")
	set.StringVar(&f.health, "health-address", "0", "`address` for /healthz and /readyz; 0 serves none")
	set.StringVar(&f.class, "ingress-class", v1alpha1.IngressClass, "`class` of the Ingresses to serve")
	set.StringVar(&f.address, "publish-address", "", "`address` to write into the status of Ingresses")
	set.StringVar(&f.dir, "dir", "/run/front-door", "`folder` for HAProxy's files and sockets")
	set.StringVar(&f.program, "haproxy", "haproxy", "HAProxy `program`, 2.6 or newer")
	return cmd
}

func run(ctx context.Context, c *command.Context, f *flags) error {
	program, err := exec.LookPath(f.program)
	if err != nil {
		return fault.New(fault.Failed, "Install it (apt-get install haproxy) or name it with --haproxy.", "finding HAProxy: %w", err)
	}
	logger := logr.FromSlogHandler(slog.NewTextHandler(c.Err, nil))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	pages, address, err := servePages(ctx)
	if err != nil {
		return err
	}
	proxy := &haproxy.Proxy{
		Options: haproxy.Options{Dir: f.dir, Listen: f.listen, Pages: address},
		Program: program, Log: c.Out,
	}
	defer proxy.Stop()
	manager, err := newManager(config, f, proxy, pages, c.Clock)
	if err != nil {
		return command.Explain(err)
	}
	logger.Info("serving", "listen", f.listen, "class", f.class)
	return command.Explain(manager.Start(ctx))
}

// servePages answers, on a free port of loopback, what no application can.
func servePages(ctx context.Context) (*frontdoor.Pages, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("serving the front door's pages: %w", err)
	}
	pages := &frontdoor.Pages{}
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return pages, listener.Addr().String(), nil
}

func newManager(config *rest.Config, f *flags, proxy *haproxy.Proxy, pages *frontdoor.Pages, clock func() time.Time) (ctrl.Manager, error) {
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 command.Scheme(),
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: f.health,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the front door: %w", err)
	}
	environments, err := controller.HasEnvironments(manager.GetRESTMapper())
	if err != nil {
		return nil, fmt.Errorf("setting up the front door: %w", err)
	}
	reconciler := &controller.Reconciler{
		Client: manager.GetClient(), Proxy: proxy, Pages: pages, Class: f.class,
		Address: f.address, Environments: environments, Clock: clock,
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		return nil, fmt.Errorf("setting up the front door: %w", err)
	}
	ready := func(*http.Request) error {
		if !reconciler.Ready() {
			return errors.New("no table is in service yet")
		}
		return nil
	}
	if err := manager.AddReadyzCheck("table", ready); err != nil {
		return nil, err
	}
	alive := func(*http.Request) error { return nil }
	return manager, manager.AddHealthzCheck("ping", alive)
}
