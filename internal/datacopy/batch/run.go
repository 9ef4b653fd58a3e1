package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Options are what a job runs with. Reporter and Clock are required; Changed is
// told of nothing by itself: who wants to show a state asks the tracker.
type Options struct {
	Engines Engines
	// Journal opens the journal of a store. Run closes it.
	Journal  func(store string) (datacopy.Journal, error)
	Reporter progress.Reporter
	Clock    func() time.Time
	// Track is told how far the job is.
	Track *Tracker
	// Cutover, where it is not nil, lets copies go on with the source's changes
	// until it is closed; both sides are equal then. Stores that cannot be
	// followed are copied once more at that time, only what differs.
	Cutover <-chan struct{}
}

// Run does what the job says with all of its stores at once, and gives what
// came of each. A store that fails does not end the others. The error is that of
// the worst store: a failure before a difference.
func Run(ctx context.Context, job Job, opts Options) (State, error) {
	tasks, err := job.tasks(opts.Engines)
	opts.Track.begin(job, tasks, opts.Clock())
	if err == nil {
		err = job.run(ctx, tasks, opts)
	}
	opts.Track.end(err, opts.Clock())
	return opts.Track.State(), err
}

func (j Job) run(ctx context.Context, tasks []task, opts Options) error {
	switch j.Action {
	case Copy, "":
		return each(tasks, func(t task) error { return copyStore(ctx, t, opts) })
	case Plan:
		return each(tasks, func(t task) error { return planStore(ctx, t, opts) })
	case Verify:
		return each(tasks, func(t task) error { return verifyStore(ctx, t, opts) })
	case Check:
		return each(tasks, func(t task) error { return checkStore(ctx, t, opts) })
	case Suggest:
		return suggest(ctx, tasks, opts)
	}
	return fault.New(fault.Invalid, "", "the action %q is unknown", j.Action)
}

// each runs a function for all tasks at once and joins what goes wrong.
func each(tasks []task, run func(task) error) error {
	failures := make([]error, len(tasks))
	var group sync.WaitGroup
	for i, t := range tasks {
		group.Go(func() {
			if err := run(t); err != nil {
				failures[i] = fmt.Errorf("store %s: %w", t.name, err)
			}
		})
	}
	group.Wait()
	return worst(failures)
}

// worst joins errors under the class of the worst.
func worst(failures []error) error {
	joined := errors.Join(failures...)
	if joined == nil {
		return nil
	}
	rank := map[fault.Class]int{fault.NotHolding: 1, fault.Refused: 2, fault.Invalid: 3, fault.NotFound: 3, fault.Failed: 4}
	var one error
	count := 0
	for _, err := range failures {
		if err == nil {
			continue
		}
		count++
		if one == nil || rank[fault.ClassOf(err)] > rank[fault.ClassOf(one)] {
			one = err
		}
	}
	if count == 1 || errors.Is(joined, context.Canceled) {
		return one
	}
	return fault.Wrap(fault.ClassOf(one), joined, fault.HintOf(one))
}

// copyStore carries out one task.
func copyStore(ctx context.Context, t task, opts Options) error {
	reporter := opts.reporter(t.name)
	journal, err := opts.Journal(t.name)
	if err != nil {
		opts.Track.failed(t.name, err)
		return err
	}
	outcome, err := runStore(ctx, t, journal, opts, reporter)
	if closing := journal.Close(); err == nil && closing != nil {
		err = fmt.Errorf("closing the journal: %w", closing)
	}
	opts.Track.concluded(t.name, outcome, err)
	return err
}

// runStore is datacopy.Run in steps that can be watched.
func runStore(ctx context.Context, t task, journal datacopy.Journal, opts Options, reporter progress.Reporter) (*datacopy.Outcome, error) {
	track := opts.Track
	outcome := &datacopy.Outcome{Plan: journal.Plan()}
	track.state(t.name, StatePlanning)
	if err := t.request.Check(); err != nil {
		return outcome, err
	}
	var err error
	if outcome.Plan == nil {
		outcome.Plan, err = plan(ctx, &t)
	} else {
		t.subset(outcome.Plan)
	}
	if err != nil {
		return outcome, err
	}
	track.planned(t.name, outcome.Plan)
	if err := outcome.Plan.Check(t.request); err != nil {
		return outcome, err
	}
	if opts.Cutover != nil {
		if err := t.followable(ctx); err != nil {
			return outcome, err
		}
	}
	if err := journal.Begin(outcome.Plan); err != nil {
		return outcome, err
	}
	track.state(t.name, StateCopying)
	verifying := func() { track.state(t.name, StateVerifying) }
	if opts.Cutover == nil {
		outcome.Result, outcome.Report, err = datacopy.Prove(ctx, t.engine, t.request, outcome.Plan, journal, reporter, verifying)
	} else {
		outcome.Report, err = t.copyAndFollow(ctx, outcome, journal, opts, reporter, verifying)
	}
	if err != nil {
		return outcome, err
	}
	return outcome, outcome.Report.Err()
}

// copyAndFollow copies, applies what changes until cut-over, and verifies: by what both
// sides have then, as what was sent first has changed since.
func (t *task) copyAndFollow(ctx context.Context, outcome *datacopy.Outcome, journal datacopy.Journal, opts Options, reporter progress.Reporter, verifying func()) (_ *datacopy.Report, err error) {
	if outcome.Result, err = t.engine.Copy(ctx, t.request, outcome.Plan, journal, reporter); err != nil {
		return nil, err
	}
	opts.Track.state(t.name, StateFollowing)
	if err := t.goOn(ctx, outcome, journal, opts.Cutover, reporter); err != nil {
		return nil, err
	}
	verifying()
	return t.engine.Verify(ctx, t.request, outcome.Plan, nil, reporter)
}

// followable is an error where the source should tell of changes and does not.
func (t *task) followable(ctx context.Context) error {
	if follower, can := t.engine.(datacopy.Follower); can {
		return follower.Followable(ctx, t.request)
	}
	return nil
}

// goOn applies the source's changes until cut-over.
func (t *task) goOn(ctx context.Context, outcome *datacopy.Outcome, journal datacopy.Journal, cutover <-chan struct{}, reporter progress.Reporter) error {
	if follower, can := t.engine.(datacopy.Follower); can {
		_, err := follower.Follow(ctx, t.request, outcome.Plan, journal, cutover, reporter)
		return err
	}
	select {
	case <-cutover:
		return t.catchUp(ctx, outcome, reporter)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp copies what changed since the first copy, and removes what is gone.
// It needs no journal: asked for again, it finds what is left.
func (t *task) catchUp(ctx context.Context, outcome *datacopy.Outcome, reporter progress.Reporter) error {
	request := t.request
	request.Mode, request.Delete, request.Replace = datacopy.Incremental, true, false
	made, err := t.engine.Plan(ctx, request)
	if err != nil {
		return err
	}
	journal := &datacopy.MemoryJournal{}
	if err := journal.Begin(made); err != nil {
		return err
	}
	result, err := t.engine.Copy(ctx, request, made, journal, reporter)
	if err == nil {
		outcome.Result.Add(result)
	}
	return err
}

// plan makes the plan of a store. Rules with a predicate are about patterns of
// tables: what tables there are is known from a first plan.
func plan(ctx context.Context, t *task) (*datacopy.Plan, error) {
	made, err := t.engine.Plan(ctx, t.request)
	if err != nil || !t.subset(made) {
		return made, err
	}
	return t.engine.Plan(ctx, t.request)
}

// subset puts the predicates of the mask's rules into the request.
func (t *task) subset(made *datacopy.Plan) bool {
	if t.mask == nil || t.request.Subset != nil {
		return false
	}
	tables := make([]string, len(made.Units))
	for i, unit := range made.Units {
		tables[i] = unit.Name
	}
	if subset := t.mask.Subset(tables); len(subset) > 0 {
		t.request.Subset = subset
		return true
	}
	return false
}

func (o Options) reporter(store string) progress.Reporter {
	return &reporter{track: o.Track, store: store, to: o.Reporter, clock: o.Clock}
}

// planned checks the request, plans it and says so.
func planned(ctx context.Context, t *task, opts Options) (*datacopy.Outcome, error) {
	outcome := &datacopy.Outcome{}
	opts.Track.state(t.name, StatePlanning)
	err := t.request.Check()
	if err == nil {
		outcome.Plan, err = plan(ctx, t)
	}
	if err == nil {
		opts.Track.planned(t.name, outcome.Plan)
	}
	return outcome, err
}

// planStore says what copying would do. That it would be refused is part of the
// plan and no error.
func planStore(ctx context.Context, t task, opts Options) error {
	outcome, err := planned(ctx, &t, opts)
	var refusal error
	if err == nil {
		refusal, err = t.refusal(ctx, outcome.Plan)
	}
	opts.Track.concluded(t.name, outcome, err)
	if refusal != nil {
		opts.Track.of(t.name, func(s *StoreState) { s.Message = "would be refused: " + withHint(refusal) })
	}
	return err
}

// withHint is an error with its next step.
func withHint(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return err.Error() + " (" + hint + ")"
	}
	return err.Error()
}

// refusal says why a copy would be refused.
func (t *task) refusal(ctx context.Context, made *datacopy.Plan) (refusal, err error) {
	if refusal = made.Check(t.request); refusal != nil || !t.follow {
		return refusal, nil
	}
	if err = t.followable(ctx); fault.ClassOf(err) == fault.Refused {
		return err, nil
	}
	if _, can := t.engine.(datacopy.Follower); !can {
		made.Warnings = append(made.Warnings, "the source tells nobody of changes: what differs by the cut-over is copied then")
	}
	return nil, err
}

func verifyStore(ctx context.Context, t task, opts Options) error {
	outcome, err := planned(ctx, &t, opts)
	if err == nil {
		opts.Track.state(t.name, StateVerifying)
		outcome.Report, err = t.engine.Verify(ctx, t.request, outcome.Plan, nil, opts.reporter(t.name))
	}
	if err == nil {
		err = outcome.Report.Err()
	}
	opts.Track.concluded(t.name, outcome, err)
	return err
}
