// Package data is `landfall data`: plan, copy, verify and mask the data of
// stores. Stores of environments are copied near the data, by a DataCopy object
// (there.go); stores given by address are copied by this process (here.go). A
// file for each verb. Start at New.
package data

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "data",
		Short:   "Copy databases, caches and buckets: masked, verified, resumable",
		Example: "  landfall data copy --from staging --to pr-1 --mask rules.yaml\n  landfall data status",
	},
		newCopy(c), newPlan(c), newVerify(c), newStatus(c), newResume(c), newCutover(c), newMask(c), newRun(c))
}
