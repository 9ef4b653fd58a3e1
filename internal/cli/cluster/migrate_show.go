package cluster

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/replace"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic/report"
)

func newMigrateStatus(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:               "status TO",
		Short:             "Show how far the migration to a cluster has come",
		Example:           "  landfall cluster migrate status green",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrateStatus(cmd.Context(), c, args[0])
		},
	}
}

func migrateStatus(ctx context.Context, c *command.Context, to string) error {
	cluster, err := ask.Cluster(ctx, c, to)
	if err != nil {
		return err
	}
	replaces := cluster.Status.Replaces
	if replaces == nil {
		return fault.New(fault.NotFound, "`landfall cluster migrate FROM "+to+"` begins one.", "cluster %s replaces none", to)
	}
	return c.Print(replaces, func(w io.Writer) error {
		return showReplacement(w, c, to, replaces)
	})
}

func showReplacement(w io.Writer, c *command.Context, to string, r *v1alpha1.ClusterReplacement) error {
	heading := fmt.Sprintf("%s replaces %s, since %s ago", to, r.Cluster, c.Age(r.StartedAt.Time))
	switch {
	case replace.Over(r):
		heading = fmt.Sprintf("%s has replaced %s", to, r.Cluster)
	case replace.TakenBack(r):
		heading = fmt.Sprintf("%s does not replace %s: that was taken back", to, r.Cluster)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", heading); err != nil {
		return err
	}
	var rows [][]string
	var todo string
	for _, s := range r.Steps {
		at := "-"
		if s.At != nil {
			at = c.Age(s.At.Time) + " ago"
		}
		happened, next := replace.NextStep(s)
		if next != "" {
			todo = fmt.Sprintf("\nnext, for %s: %s\n", s.Name, next)
		}
		rows = append(rows, []string{s.Name, s.State, at, happened})
	}
	if err := command.Rows(w, []string{"step", "state", "when", "what came of it"}, rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, todo)
	return err
}

func newMigrateEvidence(c *command.Context) *cobra.Command {
	var file, load string
	cmd := &cobra.Command{
		Use:   "evidence TO",
		Short: "Write what the migration to a cluster did and measured as a page, Markdown or JSON",
		Long: `Write the evidence of a migration between clusters: its steps, and of each hostname
that was moved weights, requests and errors by side, guards and decisions. The page
is one file that needs nothing else. By the file's name it is HTML (.html), Markdown
(.md) or JSON (.json); without a file it is Markdown on the output.

What preflight and parity found in detail only the run knows that looked: see
--evidence of landfall cluster migrate.`,
		Example: `  landfall cluster migrate evidence green -f green.html

  # with what visitors met before, meanwhile and afterwards, as a load counted it
  landfall load https://shop.example --rate 50 --step 0 -o json > load.json
  landfall cluster migrate evidence green -f green.html --load load.json`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteClusters(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrateEvidence(cmd.Context(), c, args[0], file, load)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` to write")
	cmd.Flags().StringVar(&load, "load", "", "`file` with the JSON of a landfall load that ran meanwhile: its requests go onto the page, lost ones above all")
	return cmd
}

func migrateEvidence(ctx context.Context, c *command.Context, to, file, load string) error {
	r, err := replacer(ctx, c, migrateFlags{})
	if err != nil {
		return err
	}
	recorded, err := r.Recorded(ctx, to)
	if err != nil {
		return command.Explain(err)
	}
	if file == "" {
		page, err := evidenceOf(ctx, c, recorded, load)
		if err != nil {
			return err
		}
		return c.Print(page, page.WriteMarkdown)
	}
	if err := keepEvidence(ctx, c, recorded, file, load); err != nil {
		return err
	}
	fmt.Fprintf(c.Err, "wrote %s\n", file)
	return nil
}

func keepEvidence(ctx context.Context, c *command.Context, r *replace.Report, file, load string) error {
	page, err := evidenceOf(ctx, c, r, load)
	if err != nil {
		return err
	}
	return page.WriteFile(file)
}

// evidenceOf a replacement has that of the migrations that moved its traffic, and
// what a load counted meanwhile.
func evidenceOf(ctx context.Context, c *command.Context, r *replace.Report, loadFile string) (evidence.Document, error) {
	moves, err := movesOf(ctx, c, r.Migrations)
	if err != nil {
		return evidence.Document{}, err
	}
	page := r.Evidence(moves...)
	if loadFile == "" {
		return page, nil
	}
	met, err := load.ReadSummary(loadFile)
	if err != nil {
		return evidence.Document{}, err
	}
	figures, sections := met.Evidence(extent(moves))
	page.Figures = append(figures, page.Figures...)
	page.Sections = append(sections, page.Sections...)
	return page, nil
}

// extent is from when to when the traffic moved; zero while it does, or where
// nothing is known of it.
func extent(moves []evidence.Document) (began, ended time.Time) {
	for i, move := range moves {
		if began.IsZero() || move.Started.Before(began) {
			began = move.Started
		}
		if i == 0 || move.Ended.IsZero() || !ended.IsZero() && move.Ended.After(ended) {
			ended = move.Ended
		}
	}
	return began, ended
}

// movesOf is the evidence of the last attempt of each migration that keeps any.
func movesOf(ctx context.Context, c *command.Context, all []v1alpha1.Migration) ([]evidence.Document, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	var moves []evidence.Document
	for i := range all {
		kept, err := lastAttempt(ctx, cl, &all[i])
		if err != nil {
			return nil, command.Explain(err)
		}
		if kept != nil {
			moves = append(moves, report.Migration(kept.Record))
		}
	}
	return moves, nil
}

// keptWithin is how long the evidence of what has just come to rest is waited
// for.
const keptWithin = 5 * time.Second

// lastAttempt reads what is kept of a migration's last attempt; nil if nothing is.
func lastAttempt(ctx context.Context, cl client.Client, m *v1alpha1.Migration) (*migration.Kept, error) {
	for patience := time.After(keptWithin); ; {
		all, err := migration.Evidence(ctx, cl, m)
		if err != nil {
			return nil, err
		}
		var last *migration.Kept
		if len(all) > 0 {
			last = &all[len(all)-1]
		}
		phase := migration.Phase(m)
		if !phase.Rests() || last != nil && last.Attempt == migration.Attempt(m) && last.Progress.Phase == phase {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience:
			return last, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
