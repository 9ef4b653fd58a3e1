package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// pollEvery is how often a command looks whether its word was heard.
const pollEvery = 100 * time.Millisecond

// errUnheard says that no controller took a word up.
var errUnheard = errors.New("no controller has heard it")

func newPause(c *command.Context) *cobra.Command {
	return wordCommand(c, &cobra.Command{
		Use:     "pause NAME",
		Short:   "Stay at the present weight until somebody says resume",
		Example: "  landfall migrate pause shop -m 'the database is being moved'",
	}, traffic.SayPause, func(m *v1alpha1.Migration) error {
		switch phase := migration.Phase(m); phase {
		case traffic.Paused, traffic.Completed, traffic.Reverting, traffic.Reverted, traffic.Finished:
			return refuse(m, "pause", "")
		}
		return nil
	})
}

func newResume(c *command.Context) *cobra.Command {
	return wordCommand(c, &cobra.Command{
		Use:     "resume NAME",
		Short:   "Go on with a migration that is paused",
		Example: "  landfall migrate resume shop",
	}, traffic.SayResume, func(m *v1alpha1.Migration) error {
		if migration.Phase(m) != traffic.Paused {
			return refuse(m, "resume", "")
		}
		return nil
	})
}

func newFinish(c *command.Context) *cobra.Command {
	return wordCommand(c, &cobra.Command{
		Use:   "finish NAME",
		Short: "Let go of the way back: the old side may go",
		Long: `Say that the migration is done for good. The router gets back what preparing it
changed, the old side is no longer kept ready, and there is no way back. A
migration that has reverted lets go of the new side in the same way. Said to one
that is reverting, it ends the return without the router's instances that cannot
be reached, if all others have returned.`,
		Example: "  landfall migrate finish shop -m 'a week without complaints'",
	}, traffic.SayFinish, func(m *v1alpha1.Migration) error {
		if phase := migration.Phase(m); phase != traffic.Completed && phase != traffic.Reverted && phase != traffic.Reverting {
			return refuse(m, "finish", fmt.Sprintf("`landfall migrate status %s -w` shows what it waits for.", m.Name))
		}
		return nil
	})
}

func newApprove(c *command.Context) *cobra.Command {
	var step int
	var why string
	cmd := &cobra.Command{
		Use:   "approve NAME",
		Short: "Let a step that waits for approval go on",
		Long: `Approve the step that the migration is at. Approving it before its hold is over
means that it goes on at once when that is.`,
		Example:           "  landfall migrate approve shop\n  landfall migrate approve shop --step 2 -m 'orders look fine'",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(c),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return say(cmd.Context(), c, args[0], traffic.Word{Verb: traffic.SayApprove, Step: step - 1, Why: why}, canApprove)
	}
	cmd.Flags().IntVar(&step, "step", 0, "`number` of the step; by default the one that it is at")
	addWhy(cmd, &why)
	return cmd
}

// canApprove looks at the step, and names it where the person did not.
func canApprove(m *v1alpha1.Migration, word *traffic.Word) error {
	p, err := migration.Progress(m)
	if err != nil {
		return err
	}
	if word.Step < 0 {
		word.Step = p.Step
	}
	switch {
	case word.Step != p.Step:
		return fault.New(fault.Invalid, fmt.Sprintf("`landfall migrate status %s` shows where it is.", m.Name), "approving step %d of migration %s: it is at step %d", word.Step+1, m.Name, p.Step+1)
	case !m.Spec.Steps[word.Step].Approval:
		return fault.New(fault.Invalid, "Nothing is to be done.", "step %d of migration %s waits for no approval", word.Step+1, m.Name)
	}
	return nil
}

// wordCommand completes a command that says a word if it makes sense.
func wordCommand(c *command.Context, cmd *cobra.Command, verb traffic.Verb, sensible func(*v1alpha1.Migration) error) *cobra.Command {
	var why string
	cmd.Args = command.Args(cobra.ExactArgs(1))
	cmd.ValidArgsFunction = complete(c)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return say(cmd.Context(), c, args[0], traffic.Word{Verb: verb, Why: why},
			func(m *v1alpha1.Migration, _ *traffic.Word) error { return sensible(m) })
	}
	addWhy(cmd, &why)
	return cmd
}

func addWhy(cmd *cobra.Command, why *string) {
	cmd.Flags().StringVarP(why, "message", "m", "", "`text` saying why, kept with the migration")
}

// refuse says that a word means nothing now.
func refuse(m *v1alpha1.Migration, verb, hint string) error {
	return fault.New(fault.Refused, hint, "migration %s is %s: there is nothing to %s", m.Name, migration.Phase(m), verb)
}

// sense looks whether a word makes sense, and may complete it.
type sense func(*v1alpha1.Migration, *traffic.Word) error

// say writes the word, waits until a controller has heard it, and prints where
// the migration is then.
func say(ctx context.Context, c *command.Context, name string, word traffic.Word, check sense) error {
	m, serial, err := write(ctx, c, name, word, check)
	if err != nil {
		return err
	}
	heard, err := waitHeard(ctx, c, m, serial)
	if errors.Is(err, errUnheard) {
		return fault.New(fault.Failed, "It will be heard once one runs: is `landfall serve` alive? `landfall migrate abort "+name+" --now` needs none.",
			"%s was said to migration %s, but no controller has heard it within %s", word.Verb, name, migration.Answered)
	}
	if err != nil {
		return err
	}
	return printSaid(c, heard, fmt.Sprintf("%s: %s; %s", name, heard.Status.Phase, heard.Status.Reason))
}

func printSaid(c *command.Context, m *v1alpha1.Migration, text string) error {
	return c.Print(clean(m), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, text)
		return err
	})
}

// clean is the object without the API server's bookkeeping.
func clean(m *v1alpha1.Migration) *v1alpha1.Migration {
	shown := m.DeepCopy()
	shown.ManagedFields = nil
	shown.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Migration"))
	return shown
}

// write adds the word to the object, if it makes sense there.
func write(ctx context.Context, c *command.Context, name string, word traffic.Word, check sense) (m *v1alpha1.Migration, serial int64, err error) {
	cl, err := c.Client()
	if err != nil {
		return nil, 0, err
	}
	word.By, word.At = c.WhoAmI(ctx), c.Clock()
	if word.By == "" {
		word.By = "somebody"
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if m, err = read(ctx, c, name); err != nil {
			return err
		}
		said := word
		if err := check(m, &said); err != nil {
			return err
		}
		before := m.DeepCopy()
		serial = migration.Say(m, said)
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return cl.Patch(ctx, m, patch, client.FieldOwner("landfall-cli"))
	})
	return m, serial, command.Explain(err)
}

// waitHeard gives the migration once its controller has heard the word; after a
// while it fails with errUnheard.
func waitHeard(ctx context.Context, c *command.Context, m *v1alpha1.Migration, serial int64) (*v1alpha1.Migration, error) {
	heard := func(m *v1alpha1.Migration) bool { return m.Status.HeardWords >= serial }
	ctx, cancel := context.WithTimeout(ctx, migration.Answered)
	defer cancel()
	latest, err := waitUntil(ctx, c, m, heard)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errUnheard
	}
	return latest, err
}

// waitUntil polls the migration until it is as wanted. Errors of the API server
// are waited out.
func waitUntil(ctx context.Context, c *command.Context, m *v1alpha1.Migration, wanted func(*v1alpha1.Migration) bool) (*v1alpha1.Migration, error) {
	for {
		latest, err := read(ctx, c, m.Name)
		switch {
		case err == nil && wanted(latest):
			return latest, nil
		case err != nil && fault.ClassOf(err) == fault.Invalid || fault.ClassOf(err) == fault.NotFound:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return m, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}
