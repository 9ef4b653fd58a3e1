package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

type abortFlags struct {
	file    string
	why     string
	now     bool
	wait    bool
	timeout time.Duration
}

func newAbort(c *command.Context) *cobra.Command {
	var flags abortFlags
	cmd := &cobra.Command{
		Use:   "abort [NAME]",
		Short: "Return all traffic to the old side, at once",
		Long: `Say abort, and wait until all traffic is back on the old side. It waits for no
guard, no scaling and no nice moment.

If no controller answers within three seconds, the way back can be gone from
here: with --now, or when you agree on a terminal, this command writes the
router itself, by the same means. With -f FILE it needs no API server either.

Exit code 0: all traffic is back. 3: that is not known.`,
		Example: `  landfall migrate abort shop
  landfall migrate abort shop --now -m 'orders fail'
  landfall migrate abort -f migration.yaml --now`,
		Args:              command.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: complete(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && flags.file == "":
				return abort(cmd.Context(), c, args[0], flags)
			case len(args) == 0 && flags.file != "":
				return abortFile(cmd.Context(), c, flags)
			}
			return fault.New(fault.Invalid, "Give NAME, or -f FILE with --now.", "a migration is either in a file or known by its name")
		},
	}
	cmd.Flags().StringVarP(&flags.file, "file", "f", "", "`file` with the Migration, where no API server can be reached")
	cmd.Flags().BoolVar(&flags.now, "now", false, "write the router from here if no controller answers")
	cmd.Flags().BoolVar(&flags.wait, "wait", true, "wait until all traffic is back")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 5*time.Minute, "how long to wait")
	addWhy(cmd, &flags.why)
	return cmd
}

func abort(ctx context.Context, c *command.Context, name string, flags abortFlags) error {
	word := traffic.Word{Verb: traffic.SayAbort, Why: flags.why}
	step := c.Progress().Step("returning all traffic")
	m, serial, err := write(ctx, c, name, word, canAbort)
	if err != nil {
		step.Fail(err)
		return err
	}
	heard, err := waitHeard(ctx, c, m, serial)
	switch {
	case errors.Is(err, errUnheard):
		step.Fail(errUnheard)
		return unheard(ctx, c, m, flags)
	case err != nil:
		step.Fail(err)
		return err
	case !flags.wait:
		step.Done("under way")
		return printSaid(c, heard, fmt.Sprintf("%s: %s", name, heard.Status.Reason))
	}
	latest, err := awaitReturn(ctx, c, heard, step, flags.timeout)
	if err != nil {
		return err
	}
	return printSaid(c, latest, fmt.Sprintf("%s: all traffic is on %s", latest.Name, latest.Spec.From.Name))
}

// canAbort refuses where there is nothing to return.
func canAbort(m *v1alpha1.Migration, _ *traffic.Word) error {
	switch phase := migration.Phase(m); phase {
	case traffic.Finished:
		return fault.New(fault.Refused, "Write a migration that goes the other way.", "migration %s is finished: its way back was let go", m.Name)
	case traffic.Reverted:
		return refuse(m, "abort", "")
	}
	return nil
}

// stepper is a step of progress.
type stepper interface {
	Update(format string, args ...any)
	Done(format string, args ...any)
	Fail(err error)
}

// awaitReturn shows how the controller returns traffic.
func awaitReturn(ctx context.Context, c *command.Context, m *v1alpha1.Migration, step stepper, timeout time.Duration) (*v1alpha1.Migration, error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	latest, err := waitUntil(waiting, c, m, func(now *v1alpha1.Migration) bool {
		step.Update("%s", now.Status.Reason)
		phase := migration.Phase(now)
		return phase == traffic.Reverted || phase == traffic.Finished
	})
	if err != nil {
		step.Fail(err)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = fault.New(fault.Failed, fmt.Sprintf("`landfall migrate abort %s --now` writes the router from here.", m.Name),
				"waiting for migration %s to return: it is %s after %s", m.Name, latest.Status.Phase, timeout)
		}
		return nil, err
	}
	step.Done("%s at %s", latest.Spec.To.Name, latest.Status.Weight)
	return latest, nil
}

// unheard goes back from here, if the person wants that.
func unheard(ctx context.Context, c *command.Context, m *v1alpha1.Migration, flags abortFlags) error {
	if !flags.now {
		question := fmt.Sprintf("No controller has heard it within %s. Write %s of %s from here?", migration.Answered, "weight 0", m.Name)
		if !c.Confirmed(ctx, question) {
			return fault.New(fault.Failed, "`landfall migrate abort "+m.Name+" --now` writes the router from here.",
				"abort was said to migration %s, but no controller has heard it within %s", m.Name, migration.Answered)
		}
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	journal := migration.NewJournal(cl, cl, m, worker(c, ctx))
	events := migration.GoOn(ctx, cl, m, func(event traffic.Event) {
		if event.Weights != nil {
			journal.Saw(*event.Weights, event.At)
		}
	})
	if err := returnFromHere(ctx, c, m, journal, events, flags.timeout); err != nil {
		return err
	}
	if _, err := migration.Keep(ctx, cl, journal.Object(), events); err != nil {
		c.Progress().Note("all is done, but what was done is not kept: %v", err)
	}
	return printSaid(c, journal.Object(), writtenFromHere(m))
}

// abortFile goes back by what a file says.
func abortFile(ctx context.Context, c *command.Context, flags abortFlags) error {
	if !flags.now {
		return fault.New(fault.Invalid, "Add --now.", "an abort by a file is carried out from here")
	}
	m, err := fromFile(c, flags.file)
	if err != nil {
		return err
	}
	word := traffic.Word{Serial: 1, Verb: traffic.SayAbort, By: c.WhoAmI(ctx), At: c.Clock(), Why: flags.why}
	forgotten := migration.NewEvents(nil, 0, nil)
	if err := returnFromHere(ctx, c, m, migration.Remembered(m, word), forgotten, flags.timeout); err != nil {
		return err
	}
	return printSaid(c, m, writtenFromHere(m))
}

func writtenFromHere(m *v1alpha1.Migration) string {
	return fmt.Sprintf("%s: all traffic is on %s, written from here", m.Name, m.Spec.From.Name)
}

// returnFromHere carries the abort out in this process, as the controller would.
func returnFromHere(ctx context.Context, c *command.Context, m *v1alpha1.Migration, journal traffic.Journal, events traffic.Recorder, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	step := c.Progress().Step("returning all traffic from here")
	router, err := binder(c).Router(ctx, m)
	if err != nil {
		step.Fail(err)
		return err
	}
	definition := migration.Definition(m)
	definition.Guards = nil // nothing may hold an abort up
	executor := &traffic.Executor{
		Definition: definition, Router: router, Journal: journal, Now: c.Clock,
		Recorder: reasons{step, events}, Until: func(p traffic.Progress) bool { return p.Phase == traffic.Reverted },
	}
	_, err = executor.Run(ctx)
	switch {
	case errors.Is(err, traffic.ErrTakenOver):
		step.Update("a controller has taken over")
		_, err := awaitReturn(ctx, c, m, step, timeout)
		return err
	case err != nil:
		step.Fail(err)
		return fault.Wrap(fault.Failed, fmt.Errorf("returning the traffic of %s: %w", m.Spec.Hostname, err), fault.HintOf(err))
	}
	step.Done("read back from every instance")
	return nil
}

// reasons shows what an executor decides, and passes everything on.
type reasons struct {
	step stepper
	next traffic.Recorder
}

// Record is part of traffic.Recorder.
func (r reasons) Record(event traffic.Event) {
	if event.Decision != nil {
		r.step.Update("%s", event.Decision.Reason)
	}
	r.next.Record(event)
}

// worker names this process in the journal.
func worker(c *command.Context, ctx context.Context) string {
	return fmt.Sprintf("landfall migrate abort by %s at %s", c.WhoAmI(ctx), c.Clock().UTC().Format(time.RFC3339Nano))
}
