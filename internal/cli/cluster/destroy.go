package cluster

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
)

// leftoverPatience is how long load balancers and volumes may take to go.
const leftoverPatience = 15 * time.Minute

type destroyFlags struct {
	approval
	place
	force, dryRun bool
	patience      time.Duration
}

func newDestroy(c *command.Context) *cobra.Command {
	var flags destroyFlags
	cmd := &cobra.Command{
		Use:   "destroy NAME",
		Short: "Destroy a cluster that Terraform made, with all that it made outside",
		Long: `Destroy a cluster for good. First goes what Kubernetes itself made outside of it,
of which Terraform knows nothing: load balancers, volumes, machines. Each is
waited for until it is really gone. Then all that Terraform made, then what
Landfall knows of the cluster.

It is refused while environments run on the cluster, or one that moved away still
has its old side there; and, without --force, while migrations or DNS records in
the cluster's zones still send requests to it. ` + "`landfall cluster remove`" + ` only forgets a cluster.`,
		Example:           "  landfall cluster destroy blue\n  landfall cluster destroy blue --yes\n  landfall cluster destroy blue --dry-run\n  landfall cluster destroy blue --in-cluster",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return destroy(cmd.Context(), c, args[0], flags)
		},
	}
	flags.approval.addTo(cmd.Flags(), 0)
	flags.place.addTo(cmd.Flags())
	cmd.Flags().BoolVar(&flags.force, "force", false, "although requests are still sent to the cluster, it does not answer, or an apply was killed; what is not known of stays")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be removed, and change nothing")
	cmd.Flags().DurationVar(&flags.patience, "patience", leftoverPatience, "how long what the cluster made outside may take to go")
	return cmd
}

// destroyed is what the command prints for programs.
type destroyed struct {
	Name      string                 `json:"name"`
	Destroyed bool                   `json:"destroyed"`
	DryRun    bool                   `json:"dryRun,omitempty"`
	What      *provision.Destruction `json:"what,omitempty"`
}

func destroy(ctx context.Context, c *command.Context, name string, flags destroyFlags) error {
	p, err := flags.engine(ctx, c, flags.yes)
	if err != nil {
		return err
	}
	outcome := destroyed{Name: name, DryRun: flags.dryRun}
	opts := provision.DestroyOptions{Force: flags.force, DryRun: flags.dryRun, Patience: flags.patience}
	opts.Approve = func(ctx context.Context, d *provision.Destruction) error {
		outcome.What = d
		show := func(w io.Writer) error { return showDestruction(w, d, c.Color(c.Err)) }
		if flags.dryRun {
			return show(c.Err)
		}
		return consent(ctx, c, flags.yes, "destroy cluster "+name+" for good?", show)
	}
	if err := p.Destroy(ctx, name, opts, c.Progress()); err != nil {
		return command.Explain(err)
	}
	outcome.Destroyed = !flags.dryRun
	return c.Print(outcome, func(w io.Writer) error {
		text := "cluster " + name + " is destroyed"
		if flags.dryRun {
			text = "nothing was changed (dry run)"
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
