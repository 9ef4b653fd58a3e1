// Package serve is `landfall serve`: it runs the controllers until it is told
// to stop. Start at New.
package serve

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// flags of the command.
type flags struct {
	leaderElect     bool
	leaderNamespace string
	metrics         string
	health          string
	pprof           string
	http            string
	heartbeat       string
	archive         string
	archiveAge      time.Duration
	archiveSize     resource.Quantity
	watchNamespaces []string
	concurrency     int
	logLevel        string
	logFormat       string
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{archiveSize: resource.MustParse("1Gi")}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the controllers that bring environments to what they say",
		Long: `Run the controllers until interrupted: they watch Environments, Blueprints
and Clusters of the selected cluster and bring every Environment to what it
says. ` + "`landfall up`" + ` runs this in the cluster; on the host it is for trying
things out, against any cluster that has Landfall's kinds.

Stopping it, even with kill -9, loses nothing: the next start reads the world
and goes on. Several may run with --leader-elect; one of them works.`,
		Example: `  # against the current context, with metrics on port 9090
  landfall serve --metrics-address 127.0.0.1:9090

  # two or more of them, in pods
  landfall serve --leader-elect --leader-election-namespace landfall-system

  # only the environments of one project
  landfall serve --watch-namespace shop`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), c, f) },
	}
	set := cmd.Flags()
	set.BoolVar(&f.leaderElect, "leader-elect", false, "let only one of several work")
	set.StringVar(&f.leaderNamespace, "leader-election-namespace", "landfall-system", "`namespace` of the lease")
	set.StringVar(&f.metrics, "metrics-address", "0", "`address` for Prometheus metrics, for example 127.0.0.1:9090; 0 serves none")
	set.StringVar(&f.health, "health-address", "0", "`address` for /healthz and /readyz; 0 serves none")
	set.StringVar(&f.pprof, "pprof-address", "", "`address` for Go profiles; empty serves none")
	set.StringVar(&f.http, "http-address", "", "`address` for the gathered logs (/api/v1/logs); empty serves none")
	set.StringVar(&f.heartbeat, "heartbeat-address", "", "`address` at which the process that works on migrations says that it lives, for Route 53's health checkers; empty serves none")
	set.StringVar(&f.archive, "log-archive", "", "`folder` in which the output of environments is kept; empty keeps none")
	set.DurationVar(&f.archiveAge, "log-archive-age", 7*24*time.Hour, "how long output is kept")
	set.Var(&quantity{&f.archiveSize}, "log-archive-size", "how much disk kept output may take; the oldest goes first")
	set.StringSliceVar(&f.watchNamespaces, "watch-namespace", nil, "project `namespace` to look after; may be repeated; all by default")
	set.IntVar(&f.concurrency, "concurrency", 16, "how many environments are worked on at once")
	set.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	set.StringVar(&f.logFormat, "log-format", "text", "text or json")
	return cmd
}

func run(ctx context.Context, c *command.Context, f *flags) error {
	logger, err := newLogger(c, f)
	if err != nil {
		return err
	}
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	crash, err := failureInjection(c)
	if err != nil {
		return err
	}
	s, err := newServer(ctx, config, f, c.Getenv, crash)
	if err != nil {
		return command.Explain(err)
	}
	defer s.close()
	logger.Info("serving", "cluster", config.Host, "concurrency", f.concurrency)
	return command.Explain(s.run(ctx))
}

// newLogger logs to the error stream.
func newLogger(c *command.Context, f *flags) (logr.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return logr.Logger{}, fault.New(fault.Invalid, "Use debug, info, warn or error.", "reading --log-level %q: %w", f.logLevel, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		return logr.FromSlogHandler(slog.NewTextHandler(c.Err, opts)), nil
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(c.Err, opts)), nil
	}
	return logr.Logger{}, fault.New(fault.Invalid, "Use text or json.", "reading --log-format %q: unknown", f.logFormat)
}

// quantity is a flag of Kubernetes' sizes, such as 500Mi.
type quantity struct{ value *resource.Quantity }

func (q *quantity) String() string { return q.value.String() }
func (q *quantity) Type() string   { return "size" }

func (q *quantity) Set(text string) (err error) {
	*q.value, err = resource.ParseQuantity(text)
	return err
}
