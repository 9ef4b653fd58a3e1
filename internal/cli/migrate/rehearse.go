package migrate

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/report"
)

type rehearseFlags struct {
	file, on string
	breaks   string
	mends    string
	step     int
	maxHold  time.Duration
	runbooks []string
	patience time.Duration
}

func newRehearse(c *command.Context) *cobra.Command {
	var flags rehearseFlags
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Try a migration on another pair, break its new side on purpose, and write the runbook",
		Long: `Run the steps and guards of a migration on a pair that is not the real one, twice.
The first time the new side is broken at a step: traffic must return by itself.
The second time it goes to its end, approvals given, and is then aborted. What
everything took goes into the runbook, with the commands and whom to call.

The pair is a Migration in a file of its own, of which hostname, router, from and
to are taken. --break and --mend are shell commands of yours: a bad version and a
good one, a process that is stopped and started.

Exit code 0: both went as they should. 1: the broken side was not left, or the end
not reached; the runbook then says so.`,
		Example: `  landfall migrate rehearse -f migration.yaml --on office.yaml \
    --break 'landfall deploy staging --set web=broken' --mend 'landfall rollback staging' \
    --runbook runbook.html --runbook runbook.md`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return rehearse(cmd.Context(), c, flags) },
	}
	set := cmd.Flags()
	set.StringVarP(&flags.file, "file", "f", "", "`file` with the real Migration")
	set.StringVar(&flags.on, "on", "", "`file` with the Migration whose router and sides are used")
	set.StringVar(&flags.breaks, "break", "", "shell `command` that breaks the new side")
	set.StringVar(&flags.mends, "mend", "", "shell `command` that mends it again")
	set.IntVar(&flags.step, "break-step", 1, "`number` of the step at which it is broken")
	set.DurationVar(&flags.maxHold, "max-hold", 0, "shorten longer holds to this; by default they are as in the file")
	set.DurationVar(&flags.patience, "patience", 10*time.Minute, "how long one step may take beyond its hold")
	set.StringArrayVar(&flags.runbooks, "runbook", nil, "`file` to write the runbook to: .html, .md or .json; may be repeated")
	for _, name := range []string{"file", "on", "break", "mend"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// rehearsal is one at work.
type rehearsal struct {
	c     *command.Context
	flags rehearseFlags
	// real is what is rehearsed, m what is run.
	real, m *v1alpha1.Migration
}

func rehearse(ctx context.Context, c *command.Context, flags rehearseFlags) error {
	r, err := newRehearsal(c, flags)
	if err != nil {
		return err
	}
	plan, err := r.timeline(ctx)
	if err != nil {
		return err
	}
	done := report.Rehearsal{Hostname: r.m.Spec.Hostname, From: r.m.Spec.From.Name, To: r.m.Spec.To.Name, BrokenAt: flags.step - 1}
	reporter := c.Progress()
	if done.BrokenTime, done.Broken, err = r.broken(ctx, reporter.Step("new side broken on purpose")); err != nil {
		return err
	}
	if done.Broken.Progress.Phase == traffic.Reverted {
		if done.Whole, err = r.whole(ctx, reporter.Step("the whole way, and back")); err != nil {
			return err
		}
	}
	return r.write(report.Runbook(plan, migration.Definition(r.real), done, migration.ByHand(r.real)))
}

// newRehearsal puts the definition and the pair together.
func newRehearsal(c *command.Context, flags rehearseFlags) (*rehearsal, error) {
	real, err := fromFile(c, flags.file)
	if err != nil {
		return nil, err
	}
	pair, err := fromFile(c, flags.on)
	if err != nil {
		return nil, err
	}
	m := real.DeepCopy()
	m.Name, m.Namespace = pair.Name, pair.Namespace
	m.Spec.Hostname, m.Spec.Router, m.Spec.From, m.Spec.To = pair.Spec.Hostname, pair.Spec.Router, pair.Spec.From, pair.Spec.To
	m.Spec.OnFailure = string(traffic.Revert) // what a rehearsal is there to prove
	for i := range m.Spec.Steps {
		if hold := &m.Spec.Steps[i].Hold; flags.maxHold > 0 && hold.Duration > flags.maxHold {
			*hold = metav1.Duration{Duration: flags.maxHold}
		}
	}
	switch {
	case pair.Name == real.Name && pair.Namespace == real.Namespace:
		return nil, fault.New(fault.Refused, "Give the pair's Migration another name.", "rehearsing migration %s: the pair has the same name, it would be the real one", real.Name)
	case samePlace(real, m):
		return nil, fault.New(fault.Refused, "Rehearse on a router, or a backend of it, that carries no live traffic.", "rehearsing migration %s: the pair's weights are where the real ones are", real.Name)
	case flags.step < 1 || flags.step > len(m.Spec.Steps):
		return nil, fault.New(fault.Invalid, "", "breaking at step %d: there are %d", flags.step, len(m.Spec.Steps))
	}
	return &rehearsal{c: c, flags: flags, real: real, m: m}, migration.Definition(m).Validate()
}

// samePlace tells whether two migrations would move the same traffic.
func samePlace(a, b *v1alpha1.Migration) bool {
	places := map[string]bool{}
	for _, place := range migration.Places(a) {
		places[place] = true
	}
	for _, place := range migration.Places(b) {
		if places[place] {
			return true
		}
	}
	return false
}

// timeline is what the real migration will do.
func (r *rehearsal) timeline(ctx context.Context) (traffic.Timeline, error) {
	router, err := binder(r.c).Router(ctx, r.real)
	if err != nil {
		return traffic.Timeline{}, err
	}
	return traffic.Plan(migration.Definition(r.real), router), nil
}

// broken runs the first attempt: the new side breaks, and is mended whatever
// comes of it.
func (r *rehearsal) broken(ctx context.Context, step progress.Step) (at time.Time, record report.Record, err error) {
	defer func() {
		if err != nil {
			step.Fail(err)
		}
	}()
	if err := r.begin(ctx); err != nil {
		return at, record, err
	}
	step.Update("reaching step %d", r.flags.step)
	m, err := r.until(ctx, func(m *v1alpha1.Migration, p traffic.Progress) bool {
		return p.Phase.Rests() || p.Step == r.flags.step-1 && p.Phase == traffic.Holding
	})
	if err != nil {
		return at, record, err
	}
	if phase := migration.Phase(m); phase.Rests() {
		return at, record, fault.New(fault.Failed, fmt.Sprintf("`landfall migrate history %s` tells why.", m.Name), "migration %s was %s before its new side was broken: %s", m.Name, phase, m.Status.Reason)
	}
	step.Update("breaking %s", m.Spec.To.Name)
	at = r.c.Clock()
	broke := r.shell(ctx, r.flags.breaks)
	if broke == nil {
		step.Update("waiting for the way back")
		m, err = r.until(ctx, func(_ *v1alpha1.Migration, p traffic.Progress) bool { return p.Phase.Rests() })
	}
	if mended := r.shell(context.WithoutCancel(ctx), r.flags.mends); broke == nil {
		broke = mended
	}
	if broke != nil || err != nil {
		return at, record, cmp.Or(broke, err)
	}
	if record, err = r.record(ctx, m); err == nil {
		step.Done("%s", m.Status.Reason)
	}
	return at, record, err
}

// whole runs the second attempt to its end, and back.
func (r *rehearsal) whole(ctx context.Context, step progress.Step) (record report.Record, err error) {
	defer func() {
		if err != nil {
			step.Fail(err)
		}
	}()
	if err := r.begin(ctx); err != nil {
		return record, err
	}
	for {
		m, err := r.until(ctx, func(_ *v1alpha1.Migration, p traffic.Progress) bool {
			return p.Phase.Rests() || p.Phase == traffic.AwaitingApproval
		})
		if err != nil {
			return record, err
		}
		switch migration.Phase(m) {
		case traffic.AwaitingApproval:
			step.Update("step %s approved", m.Status.Progress)
			err = r.say(ctx, traffic.Word{Verb: traffic.SayApprove, Step: -1, Why: "a rehearsal"}, canApprove)
		case traffic.Completed:
			step.Update("at 100 %%: aborting")
			err = r.say(ctx, traffic.Word{Verb: traffic.SayAbort, Why: "a rehearsal"}, func(*v1alpha1.Migration, *traffic.Word) error { return nil })
			if err == nil {
				m, err = r.until(ctx, func(_ *v1alpha1.Migration, p traffic.Progress) bool { return p.Phase == traffic.Reverted })
			}
			if err == nil {
				record, err = r.record(ctx, m)
			}
			if err == nil {
				step.Done("there and back")
			}
			return record, err
		default:
			record, err = r.record(ctx, m)
			step.Done("%s: %s", m.Status.Phase, m.Status.Reason)
			return record, err
		}
		if err != nil {
			return record, err
		}
	}
}

// begin starts an attempt. One that a broken-off rehearsal left is aborted
// first.
func (r *rehearsal) begin(ctx context.Context) error {
	cl, err := r.c.Client()
	if err != nil {
		return err
	}
	if left, err := read(ctx, r.c, r.m.Name); err == nil && !over(migration.Phase(left)) {
		if err := r.say(ctx, traffic.Word{Verb: traffic.SayAbort, Why: "a new rehearsal begins"}, func(*v1alpha1.Migration, *traffic.Word) error { return nil }); err != nil {
			return err
		}
		if _, err := r.until(ctx, func(_ *v1alpha1.Migration, p traffic.Progress) bool { return over(p.Phase) }); err != nil {
			return err
		}
	}
	if _, err := nextAttempt(ctx, r.c, r.m); err != nil {
		return err
	}
	r.m.Spec.Words = nil
	_, err = objects.Apply(ctx, cl, r.m, false)
	return err
}

// over: a new attempt may begin.
func over(p traffic.Phase) bool { return p == traffic.Reverted || p == traffic.Finished }

// until waits for the attempt to be as wanted. What takes longer than its hold
// and the patience is an error: a rehearsal must not wait for ever.
func (r *rehearsal) until(ctx context.Context, wanted func(*v1alpha1.Migration, traffic.Progress) bool) (*v1alpha1.Migration, error) {
	limit := r.flags.patience
	for _, step := range r.m.Spec.Steps {
		limit += step.Hold.Duration
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := waitUntil(ctx, r.c, r.m, func(m *v1alpha1.Migration) bool {
		p, err := migration.Progress(m)
		return err == nil && migration.Attempt(m) == r.m.Spec.Attempt && wanted(m, p)
	})
	if err != nil {
		return nil, fault.New(fault.Failed, fmt.Sprintf("`landfall migrate status %s` shows where it is; `landfall migrate abort %s` ends it.", r.m.Name, r.m.Name), "rehearsing with migration %s: %w", r.m.Name, err)
	}
	return m, nil
}

func (r *rehearsal) say(ctx context.Context, word traffic.Word, check sense) error {
	m, serial, err := write(ctx, r.c, r.m.Name, word, check)
	if err != nil {
		return err
	}
	_, err = waitHeard(ctx, r.c, m, serial)
	return err
}

// record is the evidence of the attempt, which the controller keeps some
// seconds later.
func (r *rehearsal) record(ctx context.Context, m *v1alpha1.Migration) (report.Record, error) {
	const within = 30 * time.Second
	_, kept, _, err := attempt(ctx, r.c, m.Name, migration.Attempt(m), within)
	if err == nil && kept.Progress.Phase != migration.Phase(m) {
		err = fmt.Errorf("it was not complete within %s", within)
	}
	if err != nil {
		return report.Record{}, fault.New(fault.Failed, "", "reading the evidence of the rehearsal: %w", err)
	}
	return kept.Record, nil
}

// shell runs a command that the person gave, as it is.
func (r *rehearsal) shell(ctx context.Context, line string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fault.New(fault.Failed, "", "running %q: %w: %s", line, err, result.Clean(out.String()))
	}
	return nil
}

// write writes the runbook, and ends as the rehearsal did.
func (r *rehearsal) write(d evidence.Document) error {
	for _, file := range r.flags.runbooks {
		if err := d.WriteFile(file); err != nil {
			return err
		}
		fmt.Fprintf(r.c.Err, "wrote %s\n", file)
	}
	err := r.c.Print(d, func(w io.Writer) error {
		if len(r.flags.runbooks) == 0 {
			return d.WriteMarkdown(w)
		}
		for _, figure := range d.Figures {
			fmt.Fprintf(w, "%-32s %s\n", figure.Name, figure.Value)
		}
		_, err := fmt.Fprintf(w, "%s: %s\n", d.Answer, d.Outcome)
		return err
	})
	if err == nil && d.Answer != result.Holds {
		err = fault.New(fault.NotHolding, "The runbook shows what happened.", "%s", d.Outcome)
	}
	return err
}
