// Package env is `landfall env`: create, look at, change and delete
// environments. A file for each verb. Start at New.
package env

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "env",
		Aliases: []string{"environment", "environments"},
		Short:   "Create, look at, change and delete environments",
		Example: "  landfall env create pr-1 --from staging --set web=1.4.2 --ttl 8h\n  landfall env list",
	},
		newCreate(c), newClone(c), newList(c), newGet(c), newDiff(c), newDrift(c),
		newExtend(c), newSleep(c), newWake(c), newMove(c), newFinish(c), newDelete(c))
}
