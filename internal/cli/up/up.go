// Package up is `landfall up`: it sets up the platform, on a local cluster of
// its own or on one that is there. Start at New.
package up

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/access"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/localcluster"
	"github.com/landfall-dev/landfall/internal/platform"
)

type flags struct {
	name         string
	nodes        int
	port         int
	registry     string
	mirror       string
	domain       string
	ingressClass string
	stores       []string
	timeout      time.Duration
	dryRun       bool
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Set up Landfall: a cluster, the controller, stores and the front door",
		Long: `Set up everything that environments need, and wait until it is ready.

Without --context and --kubeconfig it makes a local Kubernetes cluster (no
Docker needed) and makes it your current context. With either it installs into
that cluster, which needs a registry that it can pull from (--registry).

In the cluster, in namespace landfall-system, run the controller, a server each
for MySQL, Redis and S3, and the front door, which serves every environment at
http://COMPONENT.ENVIRONMENT.localhost:PORT. Run it again to bring it up to
date; with nothing to do it is quick.`,
		Example: `  # a local cluster and everything in it
  landfall up

  # three nodes, and the front door on port 80
  landfall up --nodes 3 --port 80

  # into a kind cluster with a local registry and its own ingress controller
  landfall up --context kind-dev --registry localhost:5001 \
    --ingress-class nginx --domain dev.example.com`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), c, f) },
	}
	set := cmd.Flags()
	set.StringVar(&f.name, "name", "local", "`name` of the local cluster, and of the Cluster object")
	set.IntVar(&f.nodes, "nodes", 1, "nodes of a new local cluster")
	set.IntVar(&f.port, "port", 8080, "`port` of 127.0.0.1 that leads to the front door")
	set.StringVar(&f.domain, "domain", "localhost", "`domain` below which environments get their hostnames")
	set.StringVar(&f.ingressClass, "ingress-class", "", "`class` of an ingress controller to use instead of the front door")
	set.StringVar(&f.registry, "registry", "", "`registry` to push images to, HOST:PORT, of a cluster that is there")
	set.StringVar(&f.mirror, "registry-mirror", "", "`URL` of that registry as pods reach it, when it is another")
	set.StringSliceVar(&f.stores, "stores", platform.StoreTypes, "store servers to run")
	set.DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long to wait until everything is ready")
	set.BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

func run(ctx context.Context, c *command.Context, f *flags) error {
	options, err := f.options(ctx, c)
	if err != nil {
		return err
	}
	if f.dryRun {
		return printPlan(c, options)
	}
	result, err := platform.Up(ctx, options)
	if err != nil {
		return command.Explain(err)
	}
	return c.Print(result, func(w io.Writer) error { return printResult(w, c, f, result) })
}

func (f *flags) options(ctx context.Context, c *command.Context) (platform.Options, error) {
	builder, err := platform.NewBuilder(c.Getenv)
	if err != nil {
		return platform.Options{}, err
	}
	options := platform.Options{
		Builder: builder, Project: project(c), Stores: f.stores, ClusterName: f.name, Timeout: f.timeout, Progress: c.Progress(),
		Routing: platform.Routing{Domain: f.domain, IngressClass: f.ingressClass},
		Client: func(access platform.Access) (client.WithWatch, error) {
			config := access.Config
			config.QPS, config.Burst = 200, 400
			return client.NewWithWatch(config, client.Options{Scheme: command.Scheme()})
		},
	}
	if f.ingressClass == "" && f.port != 80 {
		options.Routing.Port = int32(f.port)
	}
	if err := options.Check(); err != nil {
		return platform.Options{}, err
	}
	switch {
	case !onExisting(c):
		options.StoresByNode = true
		if f.ingressClass == "" {
			options.FrontDoor = fmt.Sprintf("http://127.0.0.1:%d/", f.port)
		}
		options.Access, err = f.accessLocal(ctx, c)
	case f.registry == "":
		err = fault.New(fault.Invalid, "Give --registry HOST:PORT: a registry that you may push to and the cluster pulls from.",
			"setting up in a cluster that is there: no registry")
	default:
		options.Access = f.accessExisting(c)
	}
	return options, err
}

// onExisting says whether a cluster was chosen by flag, instead of the local
// one.
func onExisting(c *command.Context) bool { return c.Kube.Context != "" || c.Kube.Kubeconfig != "" }

// project is the namespace to prepare. The current context is another
// cluster's, unless it was chosen.
func project(c *command.Context) string {
	if c.Kube.Namespace != "" || onExisting(c) {
		return c.Namespace()
	}
	return "default"
}

// accessLocal checks what can be checked before anything is done.
func (f *flags) accessLocal(ctx context.Context, c *command.Context) (func(context.Context) (platform.Access, error), error) {
	if f.dryRun {
		return nil, nil
	}
	tool, err := localcluster.Find(c.Getenv)
	if err != nil {
		return nil, err
	}
	local := platform.Local{Tool: tool, Name: f.name, Port: f.port, Nodes: f.nodes, Wait: f.timeout}
	if err := local.Check(ctx); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (platform.Access, error) {
		ready, err := local.Ensure(ctx, c.Progress())
		if err != nil {
			return platform.Access{}, err
		}
		if _, err := access.UserFiles("").MergeLocal(ctx, ready.Kubeconfig, ready.Name); err != nil {
			return platform.Access{}, err
		}
		return platform.AccessTo(ctx, ready)
	}, nil
}

func (f *flags) accessExisting(c *command.Context) func(context.Context) (platform.Access, error) {
	return func(context.Context) (platform.Access, error) {
		config, err := c.RESTConfig()
		if err != nil {
			return platform.Access{}, err
		}
		name := c.Kube.Context
		if name == "" {
			name = f.name
		}
		return platform.Access{Cluster: name, Config: config, Registry: f.registry, Mirror: f.mirror}, nil
	}
}

func printPlan(c *command.Context, options platform.Options) error {
	plan, err := platform.Plan(options, command.Scheme())
	if err != nil {
		return err
	}
	return c.Print(plan, func(w io.Writer) error {
		fmt.Fprintf(w, "would build and push: %s\nwould apply:\n", strings.Join(plan.Images, ", "))
		for _, object := range plan.Objects {
			fmt.Fprintln(w, "  "+object)
		}
		return nil
	})
}

func printResult(w io.Writer, c *command.Context, f *flags, result *platform.Result) error {
	rows := [][2]string{{"cluster", result.Cluster}, {"registry", result.Registry}}
	if !onExisting(c) {
		rows = append(rows, [2]string{"context", access.LocalContext(f.name)})
	}
	if result.URL != "" {
		rows = append(rows, [2]string{"front door", result.URL})
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(w, "%-12s%s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return nil
}
