package env

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

func newDrift(c *command.Context) *cobra.Command {
	var flags ask.Flags
	var heal bool
	cmd := &cobra.Command{
		Use:   "drift NAME",
		Short: "Show how the cluster differs from the release, or put it back",
		Long: `Show every way in which the cluster differs from what the release says: fields
changed, added or removed, objects missing or extra, each with who made it so
and when.

Exit code 0: clean. 1: drifted. 3: unknown, for the reason shown.`,
		Example:           "  landfall env drift staging\n  landfall env drift staging --heal",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			if heal {
				return healDrift(cmd.Context(), c, args[0], flags)
			}
			return drift(cmd.Context(), c, args[0])
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	cmd.Flags().BoolVar(&heal, "heal", false, "put it back to what the release says; extra objects stay")
	return cmd
}

func drift(ctx context.Context, c *command.Context, name string) error {
	env, err := ask.Environment(ctx, c, name)
	if err != nil {
		return err
	}
	d := env.Status.Drift
	if d == nil {
		d = &v1alpha1.Drift{State: v1alpha1.DriftUnknown, Reason: "it has not been checked yet"}
	}
	if err := c.Print(d, func(w io.Writer) error { return driftTable(c, w, name, d) }); err != nil {
		return err
	}
	return verdict(name, d)
}

// verdict turns the three answers into the exit codes 0, 1 and 3.
func verdict(name string, d *v1alpha1.Drift) error {
	switch d.State {
	case v1alpha1.DriftClean:
		return nil
	case v1alpha1.DriftDrifted:
		return fault.New(fault.NotHolding, "`landfall env drift "+name+" --heal` puts it back.", "%s has drifted: %s", name, english.Plural(int(d.Total), "difference", ""))
	}
	return fault.New(fault.Failed, "`landfall env get "+name+"` shows the environment.", "whether %s has drifted is unknown: %s", name, d.Reason)
}

func driftTable(c *command.Context, w io.Writer, name string, d *v1alpha1.Drift) error {
	checked := ""
	if d.CheckedAt != nil {
		checked = ", checked " + c.Age(d.CheckedAt.Time) + " ago"
	}
	if _, err := fmt.Fprintf(w, "%s is %s%s\n", name, driftWord(d), checked); err != nil || len(d.Differences) == 0 {
		return err
	}
	if err := command.Rows(w, []string{"what", "object", "field", "expected", "actual", "by", "when"}, differenceRows(c, d.Differences)); err != nil {
		return err
	}
	if more := int(d.Total) - len(d.Differences); more > 0 {
		_, err := fmt.Fprintf(w, "… and %d more\n", more)
		return err
	}
	return nil
}

func differenceRows(c *command.Context, differences []v1alpha1.Difference) [][]string {
	var rows [][]string
	for _, d := range differences {
		when := "-"
		if d.Time != nil {
			when = c.Age(d.Time.Time) + " ago"
		}
		rows = append(rows, []string{
			string(d.Kind), d.Object.Kind + "/" + d.Object.Name, command.OrDash(d.Path),
			command.OrDash(oneLine(d.Expected)), command.OrDash(oneLine(d.Actual)), command.OrDash(d.Manager), when,
		})
	}
	return rows
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// healDrift asks once for drift to be put back and shows what is left.
func healDrift(ctx context.Context, c *command.Context, name string, flags ask.Flags) error {
	began := c.Clock()
	err := ask.Edit(ctx, c, name, "heal", flags, func(env *v1alpha1.Environment) error {
		change.Request(env, v1alpha1.AnnotationHealRequested, began)
		return nil
	})
	if err != nil || flags.DryRun || !flags.Wait || c.Output.Machine() {
		return err
	}
	return driftAfter(ctx, c, name, began)
}

// driftAfter shows the drift as checked after the heal.
func driftAfter(ctx context.Context, c *command.Context, name string, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		env, err := ask.Environment(ctx, c, name)
		if err != nil {
			return err
		}
		d := env.Status.Drift
		// Kubernetes keeps whole seconds.
		if d != nil && d.CheckedAt != nil && !d.CheckedAt.Time.Before(began.Truncate(time.Second)) {
			return drift(ctx, c, name)
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Failed, "`landfall env drift "+name+"` shows it later.", "healing %s: done, but not checked again yet", name)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
