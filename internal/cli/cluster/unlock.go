package cluster

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
)

func newUnlock(c *command.Context) *cobra.Command {
	var (
		force bool
		place place
	)
	cmd := &cobra.Command{
		Use:   "unlock NAME",
		Short: "Say who works on a cluster, and take the lock from the dead",
		Long: `Say who has the lock of a cluster and whether they are alive: they say so every
few seconds. The lock of somebody who is dead is taken away, and the one that
Terraform has of the state with it. --force takes both from the living, who then
stop at once. With --in-cluster that is done by a Job of the management cluster,
where the backend of the state is reached from there alone.

It is seldom needed: whoever works on the cluster next takes over from the dead.`,
		Example:           "  landfall cluster unlock green\n  landfall cluster unlock green --force\n  landfall cluster unlock green --in-cluster",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return unlock(cmd.Context(), c, args[0], force, place)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "although they are alive, or nobody knows")
	place.addTo(cmd.Flags())
	return cmd
}

func unlock(ctx context.Context, c *command.Context, name string, force bool, where place) error {
	p, err := where.engine(ctx, c, false)
	if err != nil {
		return err
	}
	found, err := p.Unlock(ctx, name, force, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	return c.Print(found, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, unlocked(name, found))
		return err
	})
}

func unlocked(name string, found *provision.Unlocked) string {
	switch {
	case !found.Released:
		return "cluster " + name + " is not locked"
	case found.Holder != nil:
		return fmt.Sprintf("cluster %s is unlocked; it was %s (%s)", name, found.Holder, found.Holder.Why)
	}
	return fmt.Sprintf("the state of cluster %s is unlocked; it was %s", name, found.State)
}
