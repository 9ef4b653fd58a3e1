// Package baseline is `landfall baseline`: put the definition of normal
// together, look at it, and hold an environment against it. A file for each
// verb. Start at New.
package baseline

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "baseline",
		Aliases: []string{"baselines"},
		Short:   "The definition of normal: host specs, HTTP checks and objectives of a blueprint",
		Example: "  landfall baseline create shop --blueprint shop --host-spec web=web.yaml --checks checks.yaml\n  landfall baseline verify staging",
	},
		newCreate(c), newList(c), newVerify(c))
}
