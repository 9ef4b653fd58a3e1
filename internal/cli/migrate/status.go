package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

type statusFlags struct {
	watch bool
}

func newStatus(c *command.Context) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Show where a migration is: weights, guards, what it waits for",
		Long: `Show weights as the router has them, the guards' last readings and what the
migration waits for. With -w it stays and follows: on a terminal as a live view
with keys to pause, resume, approve and abort, elsewhere as a line whenever
something changes. Leaving the view changes nothing.

With -w the exit code is 0 when the migration completes, 1 when it reverts.`,
		Example: `  landfall migrate status shop
  landfall migrate status shop -w
  landfall migrate status shop -o json`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(c),
		RunE:              func(cmd *cobra.Command, args []string) error { return status(cmd.Context(), c, args[0], flags) },
	}
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "stay and follow")
	return cmd
}

func status(ctx context.Context, c *command.Context, name string, flags statusFlags) error {
	m, err := read(ctx, c, name)
	if err != nil {
		return err
	}
	switch {
	case !flags.watch:
		return c.Print(clean(m), func(w io.Writer) error {
			_, err := io.WriteString(w, view{width: width(c.Out), color: c.Color(c.Out), whole: true}.draw(m, c.Clock()))
			return err
		})
	case !c.Output.Machine() && isTerminal(c.Out) && isTerminal(c.In):
		return live(ctx, c, m)
	}
	return follow(ctx, c, m)
}

// follow prints a line, or a document, whenever something changes, until the
// migration is over.
func follow(ctx context.Context, c *command.Context, m *v1alpha1.Migration) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := ""
	for now := range changes(ctx, cl, m) {
		if now.err != nil {
			return now.err
		}
		m = now.m
		if shape := shapeOf(m); shape != shown {
			shown = shape
			if err := printLine(c, m); err != nil {
				return err
			}
		}
		if over, err := outcome(m); over {
			return err
		}
	}
	return fmt.Errorf("watching migration %s, which goes on: %w", m.Name, ctx.Err())
}

// shapeOf is what a line says, but for figures that only count.
func shapeOf(m *v1alpha1.Migration) string {
	return withoutFigures(m.Status.Reason) + string(migration.Phase(m)) + m.Status.Weight + m.Status.Progress
}

// figures are what only counts: numbers, and units of time.
var figures = regexp.MustCompile(`[0-9.]+(ms|[smh%])?`)

// withoutFigures is a text without what only counts.
func withoutFigures(text string) string { return figures.ReplaceAllString(text, "") }

func printLine(c *command.Context, m *v1alpha1.Migration) error {
	if c.Output.Machine() {
		return json.NewEncoder(c.Out).Encode(clean(m))
	}
	_, err := fmt.Fprintf(c.Out, "%s  %-16s  %5s  step %s  %s\n", c.Clock().UTC().Format("15:04:05"),
		migration.Phase(m), command.OrDash(m.Status.Weight), command.OrDash(m.Status.Progress), m.Status.Reason)
	return err
}

// outcome tells whether there is nothing more to follow, and how it ended.
func outcome(m *v1alpha1.Migration) (over bool, err error) {
	switch phase := migration.Phase(m); phase {
	case traffic.Completed, traffic.Finished:
		return true, nil
	case traffic.Reverted:
		return true, fault.New(fault.NotHolding, fmt.Sprintf("`landfall migrate history %s` tells what happened; `landfall migrate start %s` begins again.", m.Name, m.Name),
			"migration %s has reverted: all traffic is on %s", m.Name, m.Spec.From.Name)
	}
	return false, nil
}

// change is a migration as it is now, or why nothing more will be seen.
type change struct {
	m   *v1alpha1.Migration
	err error
}

// Times of following.
const (
	// rereadEvery bounds how old the picture gets when watches are silent.
	rereadEvery = 2 * time.Second
	// reopenAfter is the pause before a broken watch is opened again.
	reopenAfter = 500 * time.Millisecond
)

// changes gives the migration at once and whenever it changes, the newest only.
// The channel is closed when ctx ends.
func changes(ctx context.Context, cl client.WithWatch, m *v1alpha1.Migration) <-chan change {
	signals := make(chan struct{}, 1)
	signals <- struct{}{}
	go watch(ctx, cl, m, signals)
	out := make(chan change)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			case <-time.After(rereadEvery):
			}
			latest := &v1alpha1.Migration{}
			err := cl.Get(ctx, client.ObjectKeyFromObject(m), latest)
			if client.IgnoreNotFound(err) != nil {
				continue // the API server is away: the picture stays
			}
			now := change{m: latest}
			if err != nil {
				now = change{err: fault.New(fault.Failed, "", "watching migration %s: it was deleted", m.Name)}
			}
			select {
			case out <- now:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func watch(ctx context.Context, cl client.WithWatch, m *v1alpha1.Migration, signals chan<- struct{}) {
	only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", m.Name)}
	for ctx.Err() == nil {
		w, err := cl.Watch(ctx, &v1alpha1.MigrationList{}, client.InNamespace(m.Namespace), only)
		if err == nil {
			for range w.ResultChan() {
				select {
				case signals <- struct{}{}:
				default:
				}
			}
			w.Stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopenAfter):
		}
	}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// width of what is written to.
func width(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			return max(narrowest, min(columns, widest))
		}
	}
	return widest
}
