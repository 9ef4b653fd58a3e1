package cluster

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newPlan(c *command.Context) *cobra.Command {
	var opts provision.PlanOptions
	var detailed bool
	var where place
	cmd := &cobra.Command{
		Use:   "plan NAME",
		Short: "Show what Terraform would do for a cluster, and keep that for apply",
		Long: `Show what Terraform would do for a cluster, by address. The plan is kept on the
management cluster; ` + "`landfall cluster apply`" + ` carries out exactly this one.

The exit code is 0; with --detailed-exitcode it is 1 if there is something to do.`,
		Example:           "  landfall cluster plan green\n  landfall cluster plan green --replace terraform_data.cluster -o json\n  landfall cluster plan green --in-cluster",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return plan(cmd.Context(), c, args[0], opts, where, detailed)
		},
	}
	cmd.Flags().StringArrayVar(&opts.Replace, "replace", nil, "`address` of a resource to make anew (repeatable)")
	cmd.Flags().BoolVar(&opts.Destroy, "destroy", false, "show what destroying it would remove; this is not kept")
	where.addTo(cmd.Flags())
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 1 if there is something to do")
	return cmd
}

func plan(ctx context.Context, c *command.Context, name string, opts provision.PlanOptions, where place, detailed bool) error {
	p, err := where.engine(ctx, c, false)
	if err != nil {
		return err
	}
	planned, err := p.Plan(ctx, name, opts, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	err = c.Print(planned, func(w io.Writer) error {
		if err := showPlanned(w, planned, c.Color(c.Out)); err != nil || !planned.Kept || planned.Empty() {
			return err
		}
		_, err := fmt.Fprintf(w, "carry out exactly this: landfall cluster apply %s\n", name)
		return err
	})
	if err == nil && detailed && !planned.Empty() {
		return fault.New(fault.NotHolding, "", "cluster %s is not what it says: %s", name, counts(planned))
	}
	return err
}

type applyFlags struct {
	approval
	place
	replace []string
	server  string
}

func newApply(c *command.Context) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply NAME",
		Short: "Bring a cluster to what its object says, by Terraform",
		Long: `Carry out the plan that ` + "`landfall cluster plan`" + ` kept, exactly; without one, make
a plan, show it and ask. Afterwards the kubeconfig that Landfall uses is what the
module puts out. What was interrupted is gone on with.

With --in-cluster Terraform runs in a Job of the management cluster, which goes
on when this command is interrupted; asking again follows it.`,
		Example:           "  landfall cluster apply green\n  landfall cluster apply green --replace terraform_data.cluster --yes\n  landfall cluster apply green --in-cluster",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := provision.ApplyOptions{Replace: flags.replace, Server: flags.server}
			return applyCluster(cmd.Context(), c, args[0], "apply", opts, flags.place, flags.approval)
		},
	}
	flags.approval.addTo(cmd.Flags(), createWait)
	flags.place.addTo(cmd.Flags())
	cmd.Flags().StringArrayVar(&flags.replace, "replace", nil, "`address` of a resource to make anew (repeatable)")
	cmd.Flags().StringVar(&flags.server, "server", "", "`URL` of the API server as Landfall's pods reach it, where it differs")
	return cmd
}

// applyCluster runs Terraform for a cluster and says what came of it.
func applyCluster(ctx context.Context, c *command.Context, name, verb string, opts provision.ApplyOptions, where place, approved approval) error {
	p, err := where.engine(ctx, c, approved.yes)
	if err != nil {
		return err
	}
	opts.Wait = approved.patience()
	opts.Approve = func(ctx context.Context, planned *provision.Planned) error {
		return consent(ctx, c, approved.yes, fmt.Sprintf("%s cluster %s?", verb, name), func(w io.Writer) error {
			return showPlanned(w, planned, c.Color(c.Err))
		})
	}
	planned, err := p.Apply(ctx, name, opts, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	return c.Print(planned, func(w io.Writer) error {
		if planned.Empty() {
			_, err := fmt.Fprintf(w, "cluster %s is what it says: nothing to do\n", name)
			return err
		}
		_, err := fmt.Fprintf(w, "cluster %s: %d added, %d changed, %d destroyed\n", name, planned.Add, planned.Change, planned.Destroy)
		return err
	})
}

func newImport(c *command.Context) *cobra.Command {
	var approved approval
	var where place
	cmd := &cobra.Command{
		Use:   "import NAME ADDRESS ID",
		Short: "Take something that exists for a resource of the cluster's module",
		Long: `Take something that exists for a resource of the cluster's module, so that
Terraform looks after it from now on instead of making another. ADDRESS is the
resource's in the module, ID what its provider calls it. What will be changed of
it is shown first; nothing else is done.`,
		Example: "  landfall cluster import green aws_vpc.this vpc-0a1b2c3d\n  landfall cluster import green 'terraform_data.disk[1]' 4f1c --yes",
		Args:    command.Args(cobra.ExactArgs(3)),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return ask.CompleteClusters(c)(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := provision.ApplyOptions{Import: &terraform.Imported{Address: args[1], ID: args[2]}}
			return applyCluster(cmd.Context(), c, args[0], "import into", opts, where, approved)
		},
	}
	approved.addTo(cmd.Flags(), 0)
	where.addTo(cmd.Flags())
	return cmd
}

func newDrift(c *command.Context) *cobra.Command {
	var where place
	cmd := &cobra.Command{
		Use:   "drift NAME",
		Short: "Compare a cluster's infrastructure with what its object says",
		Long: `Compare a cluster's infrastructure with what its object says, without taking a
lock: it disturbs nobody, and works while somebody else applies.

The exit code is 0 if nothing differs, 1 if something does, 3 if that is unknown.`,
		Example:           "  landfall cluster drift green\n  landfall cluster drift green -o json",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return drift(cmd.Context(), c, args[0], where)
		},
	}
	where.addTo(cmd.Flags())
	return cmd
}

func drift(ctx context.Context, c *command.Context, name string, where place) error {
	p, err := where.engine(ctx, c, false)
	if err != nil {
		return err
	}
	found, err := p.Drift(ctx, name, c.Progress())
	if err != nil {
		return command.Explain(err)
	}
	if err := c.Print(found, func(w io.Writer) error { return showPlanned(w, found, c.Color(c.Out)) }); err != nil || found.Empty() {
		return err
	}
	return fault.New(fault.NotHolding, "`landfall cluster apply "+name+"` makes it what it says.", "the infrastructure of cluster %s has drifted", name)
}
