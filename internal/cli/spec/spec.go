// Package spec is `landfall spec`: what a running server really is, written
// down, compared and carried on. A file for each command; none holds logic of
// its own. Start at New.
package spec

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "spec",
		Short: "Write down what a server really is, and check it anywhere",
		Long: `Write down what a server really is, and check it anywhere.

A host spec is a YAML document: packages, services, users, kernel parameters,
files that people changed, the settings in force of nginx, PHP, Postfix and
others. Captured facts and expectations are the same document, so that what was
captured from one host can be asked of the next, as it is or edited.`,
		Example: `  landfall spec capture ssh://deploy@web1 -o web1.yaml
  landfall spec verify web1.yaml --target ssh://deploy@web2`,
	},
		newCapture(c),
		newVerify(c),
		newDiff(c),
		newFleet(c),
		newSuggest(c),
		newExport(c),
		newImport(c),
		newTriage(c),
		newContainerize(c),
	)
}
