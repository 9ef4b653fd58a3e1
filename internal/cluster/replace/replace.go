// Package replace moves all that runs on one cluster to the next: `landfall
// cluster migrate`. It is one plan of steps, each of which does nothing that is
// done already, so that it can be broken off and repeated at any moment. What a
// step has to do it reads from the world: objects on the management cluster and
// on both sides. The journal in the new Cluster's status says where it is, and
// what people have decided.
//
// Until the last step but one everything can be undone: the old side is left as
// it is. What copies, compares and destroys belongs to the packages beside it.
// Start at Replacer.Run.
package replace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/preflight"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Options are what a Replacer works with.
type Options struct {
	// Client of the management cluster.
	Client client.Client
	// Connect reaches two clusters by the names of their Clusters; from is empty
	// once it is gone.
	Connect func(ctx context.Context, from, to string) (Sides, error)
	// Say adds a word to a Migration: approve (of its step), abort or finish.
	Say func(m *v1alpha1.Migration, verb string, step int32)
	// FinishMove asks for what an environment has left behind to be removed.
	FinishMove func(*v1alpha1.Environment) error
	// Destroy removes a cluster with all that it is made of.
	Destroy func(ctx context.Context, cluster string, reporter progress.Reporter) error
	// Confirm asks a person; no answer is a no.
	Confirm func(ctx context.Context, question string) bool
	Clock   func() time.Time
	// Every is how often the world is looked at while waiting; half a second by
	// default.
	Every time.Duration
	// Reached is told of each step that was carried out and is not yet written
	// down, for tests that end the process there; may be nil.
	Reached func(step string)
}

// Wishes say how a cluster is replaced.
type Wishes struct {
	// Migrations that move the traffic, beside those that exist already and name
	// the environments' hostnames.
	Migrations []*v1alpha1.Migration
	// TrafficSwitched: a person has moved the traffic by other means.
	TrafficSwitched bool
	// Accept names checks whose findings do not stand in the way: those of the
	// preflight, and routing.
	Accept []string
	// Ignore are differences of both sides that are meant.
	Ignore []v1alpha1.ParityIgnore
	// Replace what is there under the same names and differs.
	Replace bool
	// Yes to what a person would be asked.
	Yes bool
	// Destroy the old cluster at the end.
	Destroy bool
}

// Names of the steps, in their order.
const (
	StepCheck        = "check"
	StepPreflight    = "preflight"
	StepAddons       = "add-ons"
	StepTransfer     = "transfer"
	StepEnvironments = "environments"
	StepRest         = "rest"
	StepParity       = "parity"
	StepTraffic      = "traffic"
	StepConfirm      = "confirm"
	StepFinish       = "finish"
	StepRemove       = "remove"
)

// Steps in their order, and what each is about.
var Steps = []struct{ Name, About string }{
	{StepCheck, "both sides answer, and fit together"},
	{StepPreflight, "nothing would break"},
	{StepAddons, "what every cluster has"},
	{StepTransfer, "what no environment manages"},
	{StepEnvironments, "a release of each on the new side"},
	{StepRest, "what people put beside environments"},
	{StepParity, "both sides have the same"},
	{StepTraffic, "from the old side to the new one"},
	{StepConfirm, "a person lets the old side go"},
	{StepFinish, "schedules change sides; nothing is left"},
	{StepRemove, "the old cluster"},
}

// Replacer carries out replacements. Safe for concurrent use on different
// clusters.
type Replacer struct{ Options }

// New makes a Replacer.
func New(o Options) *Replacer {
	if o.Reached == nil {
		o.Reached = func(string) {}
	}
	if o.Every == 0 {
		o.Every = 500 * time.Millisecond
	}
	return &Replacer{o}
}

// run is one replacement under way.
type run struct {
	*Replacer
	wishes   Wishes
	reporter progress.Reporter
	// from and to name the clusters.
	from, to string
	// old is nil once its Cluster is gone.
	old     *v1alpha1.Cluster
	new     *v1alpha1.Cluster
	journal *journal
	// sides are connected by check.
	sides Sides
	// namespaces that have something of the transfer.
	namespaces []string
	// before is the state that the step under way was in.
	before string

	report *Report
}

// Report is what a replacement did. It marshals to JSON.
type Report struct {
	From  string                     `json:"from"`
	To    string                     `json:"to"`
	Steps []v1alpha1.ReplacementStep `json:"steps"`
	// Preflight and Parity are what was found last, where they were looked at.
	Preflight *preflight.Report `json:"preflight,omitempty"`
	Parity    *parity.Report    `json:"parity,omitempty"`
	// Migrations that moved the traffic, as they are at the end.
	Migrations []v1alpha1.Migration `json:"migrations,omitempty"`
	Started    time.Time            `json:"started"`
	Ended      time.Time            `json:"ended,omitzero"`
}

// Run replaces a cluster, or goes on where it was left. The report is given with
// an error, too. Errors: fault.Refused where a person must decide something
// first, fault.NotHolding where a gate does not hold.
func (r *Replacer) Run(ctx context.Context, from, to string, w Wishes, reporter progress.Reporter) (*Report, error) {
	x, err := r.begin(ctx, from, to, w, reporter)
	if err != nil {
		return nil, err
	}
	for _, s := range x.steps() {
		skip, err := x.skips(ctx, s.name)
		if skip {
			reporter.Step(s.name).Done("%s", x.journal.message(s.name))
			continue
		}
		if err == nil {
			err = x.carryOut(ctx, s)
		}
		if err != nil {
			x.conclude()
			return x.report, err
		}
	}
	x.conclude()
	return x.report, nil
}

// step is one step of the plan. It gives what came of it.
type step struct {
	name string
	do   func(context.Context, progress.Step) (string, error)
}

func (x *run) steps() []step {
	return []step{
		{StepCheck, x.check},
		{StepPreflight, x.preflight},
		{StepAddons, x.addons},
		{StepTransfer, x.transfer},
		{StepEnvironments, x.environments},
		{StepRest, x.rest},
		{StepParity, x.parity},
		{StepTraffic, x.traffic},
		{StepConfirm, x.confirm},
		{StepFinish, x.finish},
		{StepRemove, x.remove},
	}
}

// skips tells whether a step is not looked at again. What fills the new side is,
// where all traffic has returned since: it may be filled and compared anew.
func (x *run) skips(ctx context.Context, step string) (bool, error) {
	if !x.journal.skips(step) || !fills(step) {
		return x.journal.skips(step), nil
	}
	all, err := x.migrations(ctx)
	mayBeThere := func(m v1alpha1.Migration) bool { return m.Status.Phase != v1alpha1.MigrationReverted }
	return err == nil && (len(all) == 0 || slices.ContainsFunc(all, mayBeThere)), err
}

func (r *Replacer) begin(ctx context.Context, from, to string, w Wishes, reporter progress.Reporter) (*run, error) {
	if from == to {
		return nil, fault.New(fault.Invalid, "Name two clusters.", "replacing cluster %s: by itself", from)
	}
	x := &run{Replacer: r, wishes: w, reporter: reporter, from: from, to: to}
	var err error
	if x.new, err = r.cluster(ctx, to); err != nil {
		return nil, err
	}
	if x.new == nil {
		return nil, fault.New(fault.NotFound, "`landfall cluster create "+to+"` makes it, `landfall cluster add` makes it known.", "cluster %s does not exist", to)
	}
	if x.old, err = r.cluster(ctx, from); err != nil {
		return nil, err
	}
	if x.journal, err = r.openJournal(x.new, from); err != nil {
		return nil, err
	}
	if x.old == nil && !x.journal.begun(StepFinish) {
		return nil, fault.New(fault.NotFound, "`landfall cluster list` shows what there is.", "cluster %s does not exist", from)
	}
	x.report = &Report{From: from, To: to, Started: x.journal.StartedAt.Time}
	return x, nil
}

// cluster reads a Cluster; nil if there is none.
func (r *Replacer) cluster(ctx context.Context, name string) (*v1alpha1.Cluster, error) {
	c := &v1alpha1.Cluster{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: name}, c)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	if err != nil {
		return nil, nil
	}
	return c, nil
}

// carryOut does one step and keeps the journal.
func (x *run) carryOut(ctx context.Context, s step) error {
	shown := x.reporter.Step(s.name)
	x.before = x.journal.state(s.name)
	if err := x.journal.write(ctx, s.name, Running, ""); err != nil {
		shown.Fail(err)
		return err
	}
	message, err := s.do(ctx, shown)
	x.Reached(s.name)
	if ctx.Err() != nil && err != nil {
		return x.interrupted(ctx, s.name, shown)
	}
	hint := cmp.Or(fault.HintOf(err), "Put it right; the same command goes on.")
	state := Done
	if err != nil {
		state, message = Failed, err.Error()+nextStep+hint
		if fault.ClassOf(err) == fault.Refused {
			state = Waiting
		}
	}
	if written := x.journal.write(ctx, s.name, state, message); written != nil && err == nil {
		err = written
	}
	if err != nil {
		shown.Fail(err)
		return fault.Wrap(fault.ClassOf(err), fmt.Errorf("replacing cluster %s by %s: %s: %w", x.from, x.to, s.name, err), hint)
	}
	shown.Done("%s", message)
	return nil
}

// nextStep parts what happened from what to do in the message of a step.
const nextStep = "\nnext: "

// NextStep gives what happened in a step, and what to do next where a person has
// to do something.
func NextStep(s v1alpha1.ReplacementStep) (happened, next string) {
	happened, next, _ = strings.Cut(s.Message, nextStep)
	return happened, next
}

// interrupted writes down that a person has stopped it, although the context has
// ended.
func (x *run) interrupted(ctx context.Context, step string, shown progress.Step) error {
	ways := "the same command goes on"
	if !x.journal.begun(StepFinish) {
		ways += ", with --undo everything returns to " + x.from
	}
	shown.Fail(errors.New("interrupted"))
	err := fmt.Errorf("interrupted in step %s; %s: %w", step, ways, context.Cause(ctx))
	written := x.journal.write(context.WithoutCancel(ctx), step, Running, "interrupted"+nextStep+ways)
	return errors.Join(err, written)
}

func (x *run) conclude() {
	x.report.Steps, x.report.Ended = x.journal.Steps, x.Clock().UTC()
}
