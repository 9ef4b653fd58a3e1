package env

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
	"github.com/landfall-dev/landfall/internal/environment"
)

func newMove(c *command.Context) *cobra.Command {
	var flags ask.Flags
	var to string
	cmd := &cobra.Command{
		Use:   "move NAME --to CLUSTER",
		Short: "Run an environment on another cluster; it stays where it was until `env finish`",
		Long: `Run an environment on another cluster. A release of the same versions is made
there; what runs on the old cluster is not touched and goes on serving, until
` + "`landfall env finish`" + ` removes it. Until then the same command with the old cluster
goes back. One-off jobs are not run again; CronJobs run on the old side until the
move is finished. Stores stay the same: both sides use them.

Traffic is not moved: that is a Migration's matter (` + "`landfall migrate`" + `).`,
		Example: `  landfall env move staging --to green
  landfall env move staging --to blue   # back
  landfall env finish staging           # nothing is left on blue`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := ask.Cluster(cmd.Context(), c, to); err != nil {
				return err
			}
			return ask.Edit(cmd.Context(), c, args[0], "move to "+to, flags, func(env *v1alpha1.Environment) error {
				return environment.Move(env, to)
			})
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	flags.AddMessageTo(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the cluster to run on")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.RegisterFlagCompletionFunc("to", ask.CompleteClusters(c))
	return cmd
}

func newFinish(c *command.Context) *cobra.Command {
	var flags ask.Flags
	var force bool
	cmd := &cobra.Command{
		Use:   "finish NAME",
		Short: "Remove what an environment that moved has left on its old cluster",
		Long: `Remove what an environment that moved has left on its old cluster, and wait until
it is gone. CronJobs are handed over first. After that there is no way back but
another move. Where nothing is left, that is a success.`,
		Example: `  landfall env finish staging
  landfall env finish staging --force   # the old cluster is gone for good`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return finish(cmd.Context(), c, args[0], force, flags)
		},
	}
	flags.AddTo(cmd, ask.DeleteTimeout)
	cmd.Flags().BoolVar(&force, "force", false, "where the old cluster cannot be reached: leave there what is there")
	return cmd
}

func finish(ctx context.Context, c *command.Context, name string, force bool, flags ask.Flags) error {
	env, err := ask.Environment(ctx, c, name)
	if err != nil {
		return err
	}
	left := env.Status.Left
	if left == nil {
		return ask.Print(c, env, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s has left nothing on another cluster: nothing to finish\n", name)
			return err
		})
	}
	env, err = ask.Write(ctx, c, name, flags, func(env *v1alpha1.Environment) error { return environment.Finish(env, force) })
	if err != nil {
		return err
	}
	if flags.Wait && !flags.DryRun {
		if env, err = follow.Left(ctx, c, env, flags.Timeout); err != nil {
			return err
		}
	}
	return ask.Print(c, env, func(w io.Writer) error {
		text := "%s has nothing left on %s\n"
		switch {
		case flags.DryRun:
			text = "would remove what %s has left on %s\n"
		case !flags.Wait:
			text = "asked to remove what %s has left on %s\n"
		}
		_, err := fmt.Fprintf(w, text, name, left.Cluster)
		return err
	})
}

// whereabouts says where the environment runs, and where it still does.
func whereabouts(env *v1alpha1.Environment) string {
	text := environment.Cluster(env)
	if left := env.Status.Left; left != nil {
		text += " (left " + left.Cluster + ")"
	}
	return text
}
