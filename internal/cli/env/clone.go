package env

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

func newClone(c *command.Context) *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "clone SOURCE NAME",
		Short: "Create an environment that runs exactly what another one runs",
		Long: `Create an environment that runs exactly what SOURCE runs, here or on another
cluster, and wait until it is ready. Its stores are its own, and empty unless
--seed-from says whose data they begin with.`,
		Example: `  landfall env clone staging staging-2
  landfall env clone staging green --cluster green`,
		Args:              command.Args(cobra.ExactArgs(2)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			env, err := likeAnother(cmd.Context(), c, args[0], args[1])
			if err != nil {
				return err
			}
			return write(cmd.Context(), c, env, flags)
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	flags.AddMessageTo(cmd)
	addCreateFlags(c, cmd, &flags)
	return cmd
}
