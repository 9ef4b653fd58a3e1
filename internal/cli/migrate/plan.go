package migrate

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

func newPlan(c *command.Context) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "plan [NAME]",
		Short: "Show when each step would begin and end, and what the router says now",
		Long: `Check the definition, read the router and its sides' health, and show the
timeline of the migration: when each step begins and ends at the earliest, what
waits for a person, and how the way back goes. Nothing is changed.

Exit code 0: it can begin as things are. 1: a side is not healthy, or the weights
are not those of a beginning. 3: the router could not be read.`,
		Example: `  landfall migrate plan -f migration.yaml
  landfall migrate plan shop -o json`,
		Args:              command.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: complete(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := named(cmd.Context(), c, args, file)
			if err != nil {
				return err
			}
			return plan(cmd.Context(), c, m)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the Migration; - is the standard input")
	return cmd
}

// named is the migration of a file or the one called by its name.
func named(ctx context.Context, c *command.Context, args []string, file string) (*v1alpha1.Migration, error) {
	switch {
	case file != "" && len(args) == 0:
		return fromFile(c, file)
	case file == "" && len(args) == 1:
		return read(ctx, c, args[0])
	}
	return nil, fault.New(fault.Invalid, "Give NAME, or -f FILE.", "a migration is either in a file or known by its name")
}

// planned is the outcome of a plan.
type planned struct {
	Timeline traffic.Timeline `json:"timeline"`
	// Now is what the router says.
	Now      traffic.State `json:"now"`
	Problems []string      `json:"problems,omitempty"`
	answer   result.Answer
}

func plan(ctx context.Context, c *command.Context, m *v1alpha1.Migration) error {
	definition := migration.Definition(m)
	if err := definition.Validate(); err != nil {
		return err
	}
	router, err := binder(c).Router(ctx, m)
	if err != nil {
		return err
	}
	if err := definition.ValidateWith(router); err != nil {
		return err
	}
	p := planned{Timeline: traffic.Plan(definition, router), answer: result.Holds}
	p.look(ctx, c, router, m)
	if err := c.Print(p, p.write); err != nil {
		return err
	}
	switch p.answer {
	case result.Fails:
		return fault.New(fault.NotHolding, "", "it cannot begin as things are")
	case result.Unknown:
		return fault.New(fault.Failed, "", "the router could not be read")
	}
	return nil
}

// look asks the router, and changes nothing.
func (p *planned) look(ctx context.Context, c *command.Context, router traffic.Router, m *v1alpha1.Migration) {
	step := c.Progress().Step("reading " + p.Timeline.Router)
	var err error
	if p.Now, err = router.Read(ctx); err != nil {
		p.Problems, p.answer = append(p.Problems, err.Error()), result.Unknown
		step.Fail(err)
		return
	}
	for _, instance := range p.Now.Instances {
		if instance.Err != nil {
			p.Problems, p.answer = append(p.Problems, fmt.Sprintf("%s: %v", instance.Name, instance.Err)), result.Unknown
		}
	}
	if migration.Phase(m) == traffic.Pending && p.answer == result.Holds && migration.Weight(p.Now) != "0 %" {
		p.Problems, p.answer = append(p.Problems, fmt.Sprintf("%s has %s already: a migration begins at 0 %%", p.Timeline.To, migration.Weight(p.Now))), result.Fails
	}
	for side, name := range map[traffic.Side]string{traffic.Old: p.Timeline.From, traffic.New: p.Timeline.To} {
		health, err := router.Health(ctx, side)
		switch {
		case err != nil:
			p.Problems = append(p.Problems, fmt.Sprintf("health of %s: %v", name, err))
		case health.Known && !health.Healthy:
			p.Problems, p.answer = append(p.Problems, fmt.Sprintf("%s is not healthy: %s", name, health.Reason)), result.Fails
		}
	}
	step.Done("%s at %s", p.Timeline.To, migration.Weight(p.Now))
}

func (p *planned) write(w io.Writer) error {
	if err := p.Timeline.WriteText(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nNow: %s gets %s of new requests.\n", p.Timeline.To, migration.Weight(p.Now))
	for _, problem := range p.Problems {
		fmt.Fprintf(w, "  %s\n", result.Clean(problem))
	}
	return nil
}
