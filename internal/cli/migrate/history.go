package migrate

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/report"
)

type historyFlags struct {
	attempt int64
}

func (f *historyFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&f.attempt, "attempt", 0, "`number` of the attempt; by default the last")
}

func newHistory(c *command.Context) *cobra.Command {
	var flags historyFlags
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show what was decided and said, and why",
		Long: `Show every decision of a migration with its time and reason, what people said,
and the readings that failed. What the controller did in the last seconds may
be missing while it is under way.`,
		Example: `  landfall migrate history shop
  landfall migrate history shop --attempt 1
  landfall migrate history shop -o json`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(c),
		RunE:              func(cmd *cobra.Command, args []string) error { return history(cmd.Context(), c, args[0], flags) },
	}
	flags.addTo(cmd)
	return cmd
}

func history(ctx context.Context, c *command.Context, name string, flags historyFlags) error {
	_, kept, all, err := attempt(ctx, c, name, flags.attempt, keptWithin)
	if err != nil {
		return err
	}
	return c.Print(kept.Events, func(w io.Writer) error {
		if len(all) > 1 {
			fmt.Fprintf(w, "attempt %d of %d\n", kept.Attempt, all[len(all)-1].Attempt)
		}
		return tell(w, kept.Events)
	})
}

// keptWithin is how long the evidence of what has just come to rest is waited
// for.
const keptWithin = 5 * time.Second

// attempt reads the evidence of one attempt, and of all. If the last one has
// come to rest, it waits so long for it to be complete.
func attempt(ctx context.Context, c *command.Context, name string, number int64, patience time.Duration) (m *v1alpha1.Migration, kept migration.Kept, all []migration.Kept, err error) {
	for began := c.Clock(); ; {
		m, kept, all, err = attemptNow(ctx, c, name, number)
		phase := traffic.Pending
		if m != nil {
			phase = migration.Phase(m)
		}
		complete := err == nil && (kept.Attempt != migration.Attempt(m) || kept.Progress.Phase == phase)
		// Only of the last attempt may there be evidence that is still to come.
		never := err != nil && m != nil && number != 0 && number != migration.Attempt(m)
		if complete || never || !phase.Rests() || c.Clock().Sub(began) > patience {
			return m, kept, all, err
		}
		select {
		case <-ctx.Done():
			return m, kept, all, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// attemptNow reads what is kept by now. The migration is given with an error,
// too, if there is one.
func attemptNow(ctx context.Context, c *command.Context, name string, number int64) (*v1alpha1.Migration, migration.Kept, []migration.Kept, error) {
	m, err := read(ctx, c, name)
	if err != nil {
		return nil, migration.Kept{}, nil, err
	}
	cl, err := c.Client()
	if err != nil {
		return m, migration.Kept{}, nil, err
	}
	all, err := migration.Evidence(ctx, cl, m)
	if err != nil {
		return m, migration.Kept{}, nil, command.Explain(err)
	}
	if len(all) == 0 {
		return m, migration.Kept{}, nil, fault.New(fault.NotFound, "It is kept some seconds after it began, and as long as the migration.", "migration %s has no evidence yet", name)
	}
	for _, kept := range all {
		if kept.Attempt == number || number == 0 && kept.Attempt == all[len(all)-1].Attempt {
			return m, kept, all, nil
		}
	}
	return m, migration.Kept{}, nil, fault.New(fault.NotFound, fmt.Sprintf("There are attempts %d to %d.", all[0].Attempt, all[len(all)-1].Attempt), "migration %s has no evidence of attempt %d", name, number)
}

// tell writes the events that people want to read of.
func tell(w io.Writer, events []traffic.Event) error {
	var rows [][]string
	told := ""
	for _, event := range events {
		what, why := story(event)
		shape := what + withoutFigures(why)
		if what == "" || shape == told {
			continue
		}
		told = shape
		rows = append(rows, []string{event.At.Local().Format("2006-01-02 15:04:05.0"), command.OrDash(string(event.Phase)), what, result.Clean(why)})
	}
	return command.Rows(w, []string{"time", "phase", "what", "why"}, rows)
}

// story is an event in words; "" where it is only one of many readings.
func story(event traffic.Event) (what, why string) {
	switch {
	case event.Word != nil:
		return fmt.Sprintf("%s said %s", event.Word.By, event.Word.Verb), event.Word.Why
	case event.Decision != nil && event.Decision.Action == traffic.DoWrite:
		return fmt.Sprintf("weight %d %%", event.Decision.Weight), withRemarks(event.Decision)
	case event.Decision != nil:
		return string(event.Decision.Action), withRemarks(event.Decision)
	case event.Reading != nil && event.Reading.Answer != result.Holds:
		return fmt.Sprintf("guard %s %s", event.Reading.Guard, event.Reading.Answer), strings.TrimSpace(event.Reading.Value + " " + event.Reading.Reason)
	case event.Note != "":
		return "note", event.Note
	}
	return "", ""
}

func withRemarks(d *traffic.Decision) string {
	return strings.Join(append([]string{d.Reason}, d.Remarks...), "; ")
}

type evidenceFlags struct {
	historyFlags
	file, load string
}

func newEvidence(c *command.Context) *cobra.Command {
	var flags evidenceFlags
	cmd := &cobra.Command{
		Use:   "evidence NAME",
		Short: "Write what a migration did and measured as a page, Markdown or JSON",
		Long: `Write the evidence of a migration: weight over time, requests and errors by side,
readings of guards, decisions with their reasons, people's words, figures. The
page is one file that needs nothing else. By the file's name it is HTML (.html),
Markdown (.md) or JSON (.json); without a file it is Markdown on the output.`,
		Example: `  landfall migrate evidence shop -f shop.html
  landfall migrate evidence shop -o json

  # with what visitors met, as a load that ran meanwhile counted it
  landfall load https://shop.example --rate 100 --step 0 -o json > load.json
  landfall migrate evidence shop -f shop.html --load load.json`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(c),
		RunE:              func(cmd *cobra.Command, args []string) error { return writeEvidence(cmd.Context(), c, args[0], flags) },
	}
	flags.addTo(cmd)
	cmd.Flags().StringVarP(&flags.file, "file", "f", "", "`file` to write")
	cmd.Flags().StringVar(&flags.load, "load", "", "`file` with the JSON of a landfall load that ran meanwhile: its requests go onto the page, lost ones above all")
	return cmd
}

func writeEvidence(ctx context.Context, c *command.Context, name string, flags evidenceFlags) error {
	_, kept, _, err := attempt(ctx, c, name, flags.attempt, keptWithin)
	if err != nil {
		return err
	}
	document := report.Migration(kept.Record)
	if err := addLoad(&document, flags.load); err != nil {
		return err
	}
	if flags.file == "" {
		return c.Print(document, document.WriteMarkdown)
	}
	if err := document.WriteFile(flags.file); err != nil {
		return err
	}
	fmt.Fprintf(c.Err, "wrote %s\n", flags.file)
	return nil
}

// addLoad adds what a load counted while the migration ran.
func addLoad(d *evidence.Document, file string) error {
	if file == "" {
		return nil
	}
	summary, err := load.ReadSummary(file)
	if err != nil {
		return err
	}
	figures, sections := summary.Evidence(d.Started, d.Ended)
	d.Figures = append(d.Figures, figures...)
	d.Sections = append(sections, d.Sections...)
	return nil
}
