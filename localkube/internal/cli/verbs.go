package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/localkube/internal/cluster"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
	"github.com/landfall-dev/landfall/localkube/internal/version"
)

func newList(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the clusters",
		Example: "  localkube list\n  localkube list -o json",
		Args:    exactly(0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			infos, err := o.manager().List()
			if err != nil {
				return err
			}
			if o.json() {
				return o.printJSON(infos)
			}
			w := tabwriter.NewWriter(o.streams.Out, 0, 0, 3, ' ', 0)
			fmt.Fprintln(w, "NAME\tSTATUS\tNODES\tSERVER\tREGISTRY\tKUBECONFIG")
			for _, i := range infos {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", i.Name, i.Status, len(i.Nodes), i.Server, i.Registry, i.Kubeconfig)
			}
			return w.Flush()
		},
	}
}

func newStop(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "stop NAME",
		Short:   "Stop a cluster; its data stays",
		Example: "  localkube stop blue",
		Args:    exactly(1, "the cluster's NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.manager().Stop(c.Context(), args[0]); err != nil {
				return err
			}
			return o.printDone("stopped", args[0])
		},
	}
}

func newDelete(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a cluster and all that it made on this machine",
		Long:    "Delete a cluster and all that it made on this machine: processes, mounts,\nnamespaces, interfaces and files. It also clears a half-made cluster.",
		Example: "  localkube delete blue",
		Args:    exactly(1, "the cluster's NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			existed, err := o.manager().Delete(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !existed {
				return o.printDone("absent", args[0])
			}
			return o.printDone("deleted", args[0])
		},
	}
}

func newNode(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "node",
		Short: "Stop, start or delete one node, to see what its loss does",
	}
	command.AddCommand(
		newNodeVerb(o, "stop", "Stop a node as if its power were cut", "stopped", func(ctx context.Context, cluster, node string) error {
			return o.manager().SetNode(ctx, cluster, node, state.Stopped)
		}),
		newNodeVerb(o, "start", "Start a stopped node and wait until it is ready", "started", func(ctx context.Context, cluster, node string) error {
			return o.manager().SetNode(ctx, cluster, node, state.Running)
		}),
		newNodeVerb(o, "delete", "Remove a node and its data from the cluster", "deleted", func(ctx context.Context, cluster, node string) error {
			return o.manager().DeleteNode(ctx, cluster, node)
		}),
	)
	return command
}

func newNodeVerb(o *options, use, short, done string, run func(ctx context.Context, cluster, node string) error) *cobra.Command {
	var wait time.Duration
	command := &cobra.Command{
		Use: use + " NAME NODE", Short: short,
		Example: fmt.Sprintf("  localkube node %s blue blue-2", use),
		Args:    exactly(2, "the cluster's NAME and the NODE"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := withWait(c.Context(), wait)
			defer cancel()
			if err := run(ctx, args[0], args[1]); err != nil {
				return err
			}
			return o.printDone(done, args[1])
		},
	}
	addWait(command, &wait)
	return command
}

func newKubeconfig(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "kubeconfig NAME",
		Short:   "Print the administrator's kubeconfig of a cluster",
		Example: "  localkube kubeconfig blue > blue.yaml",
		Args:    exactly(1, "the cluster's NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			info, err := o.manager().Get(args[0])
			if err != nil {
				return err
			}
			data, err := os.ReadFile(info.Kubeconfig)
			if err != nil {
				return fmt.Errorf("reading kubeconfig of cluster %s: %w", args[0], err)
			}
			_, err = o.streams.Out.Write(data)
			return err
		},
	}
}

func newVersion(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of Kubernetes and the build of localkube",
		Example: "  localkube version",
		Args:    exactly(0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			build, err := cluster.Build()
			if err != nil {
				return err
			}
			if o.json() {
				return o.printJSON(map[string]string{"build": build, "kubernetes": version.Kubernetes})
			}
			_, err = fmt.Fprintf(o.streams.Out, "Kubernetes %s, localkube build %.12s\n", version.Kubernetes, build)
			return err
		},
	}
}

func newSupervise(o *options) *cobra.Command {
	return &cobra.Command{
		Use:    "supervise NAME",
		Short:  "Keep a cluster running; started by create and start",
		Hidden: true,
		Args:   exactly(1, "the cluster's NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			logger := slog.New(slog.NewTextHandler(o.streams.Err, nil))
			return supervisor.Run(c.Context(), state.Store{Dir: o.stateDir}, args[0], logger)
		},
	}
}

func (o *options) printDone(what, name string) error {
	if o.json() {
		return o.printJSON(map[string]string{"name": name, "outcome": what})
	}
	_, err := fmt.Fprintf(o.streams.Out, "%s %s\n", what, name)
	return err
}
