// Package check is `landfall check`: HTTP checks of a running site. Start at
// New.
package check

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "check",
		Short: "Check a running site by HTTP, before and after it moves",
		Long: `Check a running site by HTTP: requests with expectations, log-in flows, redirects,
certificates. The same checks say what is normal on the old side and on the new.

` + "`record`" + ` drafts them from a running site, ` + "`run`" + ` runs them, ` + "`cover`" + ` says which
nginx locations no check touches.`,
		Example: "  landfall check record https://shop.example -o checks.yaml\n  landfall check run checks.yaml --address 10.0.0.7",
	}, newRun(c), newRecord(c), newCover(c))
}
