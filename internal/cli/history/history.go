// Package history is `landfall history`: an environment's releases, one
// release in full, and how well deploys go. Start at New.
package history

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"github.com/landfall-dev/landfall/internal/fault"
)

// New makes the command.
func New(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:   "history ENV [NUMBER]",
		Short: "Show an environment's releases, and how well deploys go",
		Long: `Show an environment's releases, newest first: who, why, what, outcome, duration.
Below them, computed from the releases that are kept: deployment frequency,
change failure rate (failed, or followed by a rollback) and median time to
restore.

With a NUMBER, show that release in full: steps, changes, failures, proof.`,
		Example:           "  landfall history staging\n  landfall history staging 12\n  landfall history staging -o json",
		Args:              command.Args(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return one(cmd.Context(), c, args[0], args[1])
			}
			return all(cmd.Context(), c, args[0])
		},
	}
}

// document is what the command prints for programs.
type document struct {
	Environment string             `json:"environment"`
	Releases    []v1alpha1.Release `json:"releases"`
	Stats       release.Stats      `json:"stats"`
}

func all(ctx context.Context, c *command.Context, name string) error {
	releases, err := read(ctx, c, name)
	if err != nil {
		return err
	}
	doc := document{Environment: name, Releases: releases, Stats: release.Measure(releases, c.Clock())}
	return c.Print(doc, func(w io.Writer) error {
		if err := table(c, w, releases); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, "\n"+figures(doc.Stats))
		return err
	})
}

// read gives the releases, newest first. An environment that is gone may still
// have none: that it does not exist is then the answer.
func read(ctx context.Context, c *command.Context, name string) ([]v1alpha1.Release, error) {
	releases, err := ask.Releases(ctx, c, name)
	if err != nil {
		return nil, err
	}
	if len(releases) == 0 {
		if _, err := ask.Environment(ctx, c, name); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(releases, func(a, b v1alpha1.Release) int { return cmp.Compare(b.Spec.Number, a.Spec.Number) })
	for i := range releases {
		releases[i].ManagedFields = nil
		releases[i].SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Release"))
	}
	return releases, nil
}

func table(c *command.Context, w io.Writer, releases []v1alpha1.Release) error {
	var rows [][]string
	for i := range releases {
		r := &releases[i]
		rows = append(rows, []string{
			strconv.Itoa(int(r.Spec.Number)), cause(r), command.OrDash(string(r.Status.Phase)), duration(r),
			command.OrDash(r.Spec.Author), c.Age(r.CreationTimestamp.Time) + " ago",
			command.OrDash(ask.Versions(r.Spec.Components)), r.Spec.Message,
		})
	}
	return command.Rows(w, []string{"release", "cause", "outcome", "took", "author", "when", "versions", "message"}, rows)
}

func cause(r *v1alpha1.Release) string {
	if r.Spec.RollbackTo != "" {
		return fmt.Sprintf("%s to %s", r.Spec.Cause, ask.Number(r.Spec.RollbackTo))
	}
	return string(r.Spec.Cause)
}

func duration(r *v1alpha1.Release) string {
	if r.Status.StartedAt == nil || r.Status.FinishedAt == nil {
		return "-"
	}
	return r.Status.FinishedAt.Sub(r.Status.StartedAt.Time).Round(time.Second).String()
}

// figures is the line below the table.
func figures(s release.Stats) string {
	if s.Deployments == 0 {
		return "no deployment has finished yet"
	}
	restore := "nothing to restore yet"
	if s.Restored > 0 {
		restore = "time to restore " + s.TimeToRestore.Round(time.Second).String()
	}
	return fmt.Sprintf("%s, %.1f a day · change failure rate %.0f %% (%d) · %s",
		english.Plural(s.Deployments, "deployment", ""), s.PerDay, 100*s.ChangeFailureRate, s.Failed, restore)
}

func one(ctx context.Context, c *command.Context, name, number string) error {
	wanted, err := strconv.Atoi(number)
	if err != nil {
		return fault.New(fault.Invalid, "As in `landfall history "+name+" 3`.", "reading the release number %q: not a number", number)
	}
	releases, err := read(ctx, c, name)
	if err != nil {
		return err
	}
	for i := range releases {
		if int(releases[i].Spec.Number) == wanted {
			return c.Print(releases[i], func(w io.Writer) error { return show(w, &releases[i]) })
		}
	}
	return fault.New(fault.NotFound, "`landfall history "+name+"` shows those that are kept.", "release %d of %s is not kept", wanted, name)
}
