package data

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

func newMask(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "mask",
		Short: "Find personal data, and hold mask rules against it",
		Example: `  landfall data mask suggest --from staging > rules.yaml
  landfall data mask check --from staging --mask rules.yaml`,
	}, newSuggest(c), newCheck(c))
}

func newSuggest(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "suggest --from SIDE",
		Short: "Find what is likely personal data, and draft rules for it",
		Long: `Look at the names of tables, columns, keys and fields and at a few of their
values, and write rules for what looks like personal data, each with the reason.
Values are not shown. The draft is for a person to read: what has no sign of it
in name or value is not found.`,
		Example: `  landfall data mask suggest --from staging > rules.yaml
  landfall data mask suggest --from mysql://reader:$PASS@10.0.0.7/shop --store db`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.sample(cmd.Context(), c, batch.Suggest) },
	}
	flags.addFrom(c, cmd)
	flags.waitFlags.add(cmd)
	return cmd
}

func newCheck(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "check --from SIDE --mask FILE",
		Short: "Fail when something looks personal and has no rule",
		Long: `Hold mask rules against what is in the stores: everything that looks like
personal data needs a rule (keep, where somebody has looked and it is none), every
rule must fit its column and be about something that exists, and columns that
refer to each other must be masked alike.

Exit code 0: nothing is missing. 1: something is. 3: the answer is unknown.`,
		Example: `  landfall data mask check --from staging --mask rules.yaml
  landfall data mask check --from redis://10.0.0.7:6379/0 --store cache --mask rules.yaml`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.rules == "" {
				return fault.New(fault.Invalid, "Give --mask FILE; `landfall data mask suggest` drafts one.", "reading the flags: which rules?")
			}
			return flags.sample(cmd.Context(), c, batch.Check)
		},
	}
	flags.addFrom(c, cmd)
	flags.maskFlags.add(cmd)
	flags.waitFlags.add(cmd)
	return cmd
}

// sample looks at the source, here or near it.
func (f *askFlags) sample(ctx context.Context, c *command.Context, action batch.Action) error {
	if err := f.check(false); err != nil {
		return err
	}
	if !f.here() {
		return f.runThere(ctx, c, action, batch.Choices{})
	}
	rules, key, err := f.maskFlags.read(c)
	if err != nil {
		return err
	}
	if key == "" {
		key = anyKey
	}
	job, err := f.job(action, batch.Choices{}, rules, key)
	if err != nil {
		return err
	}
	ctx, cancel, err := f.within(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	state, err := runHere(ctx, c, job, how{})
	return printSampled(c, state, action, err)
}

// anyKey stands in where rules are only looked at.
const anyKey = "nothing is masked with this key"

// printSampled prints what was found.
func printSampled(c *command.Context, state batch.State, action batch.Action, failed error) error {
	if action == batch.Suggest {
		if failed != nil {
			return failed
		}
		if c.Output.Machine() {
			return c.Print(state, nil)
		}
		_, err := io.WriteString(c.Out, state.Draft)
		return err
	}
	if len(state.Stores) == 0 {
		return failed
	}
	if err := c.Print(state, func(w io.Writer) error { return showReviews(w, state) }); err != nil {
		return err
	}
	return failed
}

func showReviews(w io.Writer, state batch.State) error {
	var text strings.Builder
	var rows [][]string
	for _, store := range state.Stores {
		review := store.Review
		if review == nil {
			fmt.Fprintf(&text, "%s: %s\n", store.Name, result.Clean(store.Message))
			continue
		}
		fmt.Fprintf(&text, "%s: %d places look personal and have a rule, %d have none\n", store.Name, review.Covered, len(review.Missing))
		for _, problem := range review.Problems {
			fmt.Fprintf(&text, "  %s\n", result.Clean(problem))
		}
		for _, finding := range review.Missing {
			rows = append(rows, []string{finding.Store, result.Clean(finding.Place()), string(finding.Kind), finding.Why})
		}
	}
	if len(rows) > 0 {
		text.WriteString("\n")
		_ = command.Rows(&text, []string{"store", "no rule for", "looks like", "because of"}, rows)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
