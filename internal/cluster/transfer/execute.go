package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Limits towards the target.
const (
	writesAtOnce = 24
	// servedWithin is how long a new kind may take until it is served.
	servedWithin = 30 * time.Second
	// manager is the field manager of what a transfer writes.
	manager = "landfall-transfer"
)

// Execution says how a plan is carried out.
type Execution struct {
	// DryRun lets the target check everything and changes nothing. What needs a
	// namespace or a kind that is yet to be made is checked when it is made.
	DryRun bool
	// Unchecked leaves out the check of everything before anything is written.
	Unchecked bool
	// DropUnknown writes objects without the fields that the target does not know,
	// as those of a newer source; without it such objects fail.
	DropUnknown bool
	// Replace overwrites what is there under the same names and differs.
	Replace bool
}

// Outcome is what became of one item.
type Outcome struct {
	Key Key `json:"object"`
	// Action that was done: create, update, unchanged, or conflict and stays.
	Action Action `json:"action"`
	// Done: it was written, or in a dry run accepted.
	Done bool `json:"done,omitempty"`
	// Reason it was not done, or could not be checked.
	Reason string `json:"reason,omitempty"`
	Failed bool   `json:"failed,omitempty"`
	// Unchecked: a dry run could not tell whether the target takes it.
	Unchecked bool `json:"unchecked,omitempty"`
}

// Result is what a transfer did.
type Result struct {
	Outcomes []Outcome `json:"outcomes"`
	// Unchecked is how many objects a dry run could not check.
	Unchecked int           `json:"unchecked,omitempty"`
	Took      time.Duration `json:"tookNanoseconds"`
}

// Done is how many objects were written, or in a dry run accepted.
func (r *Result) Done() int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Done {
			n++
		}
	}
	return n
}

// Failed are the outcomes that are errors.
func (r *Result) Failed() []Outcome {
	return slices.DeleteFunc(slices.Clone(r.Outcomes), func(o Outcome) bool { return !o.Failed })
}

// Execute carries the plan out, stage by stage. The source is not touched. It
// may be broken off at any moment: a new plan finds what is there and goes on.
func (p *Plan) Execute(ctx context.Context, e Execution, reporter progress.Reporter) (*Result, error) {
	if err := p.Refused(e); err != nil {
		return nil, err
	}
	began := time.Now()
	x := &executing{plan: p, e: e, outcomes: make([]Outcome, len(p.Items)), made: map[types.UID]types.UID{}}
	err := x.run(ctx, reporter)
	result := &Result{Outcomes: x.outcomes, Unchecked: x.count(func(o Outcome) bool { return o.Unchecked }), Took: time.Since(began)}
	if err == nil && len(result.Failed()) > 0 {
		first := result.Failed()[0]
		err = fault.New(fault.Failed, "Repair it and run the transfer again: it goes on.", "transferring to cluster %s: %d of %d objects failed, first %s: %s", p.To, len(result.Failed()), len(p.Items), first.Key, first.Reason)
	}
	return result, err
}

// Refused says what a person must decide before the plan can be carried out.
func (p *Plan) Refused(e Execution) error {
	if len(p.Unreadable) > 0 {
		return fault.New(fault.Refused, "Give the credentials the right to list it, or select namespaces without it.", "transferring from cluster %s: %s could not be read: %s", p.From, p.Unreadable[0].What, p.Unreadable[0].Reason)
	}
	if len(p.Missing) > 0 {
		first := p.Missing[0]
		return fault.New(fault.Refused, "Install what serves it there, or select what does without it.", "transferring to cluster %s: it has no API for %s, which %d objects are of", p.To, first.Kind, first.Objects)
	}
	if e.Replace || e.DryRun {
		return nil
	}
	for _, item := range p.Items {
		if item.Action == Conflict {
			return fault.New(fault.Refused, "Rename the namespace with --rename, or overwrite with --replace.", "transferring to cluster %s: %s %s (%d such objects)", p.To, item.Key, item.Reason, p.Count(Conflict))
		}
	}
	return nil
}

type executing struct {
	plan     *Plan
	e        Execution
	outcomes []Outcome

	mu   sync.Mutex
	made map[types.UID]types.UID // by the UID in the source
}

func (x *executing) run(ctx context.Context, reporter progress.Reporter) error {
	for i, item := range x.plan.Items {
		x.outcomes[i] = Outcome{Key: item.Key, Action: item.Action, Reason: item.Reason}
		if item.Action == Unchanged {
			x.made[item.uid] = item.there
		}
	}
	groundwork, rest := x.parts()
	if x.e.DryRun {
		return x.check(ctx, reporter.Step("checking"), append(groundwork, rest...))
	}
	if err := x.inStages(ctx, reporter, "namespaces and kinds", groundwork); err != nil {
		return err
	}
	if checkable := x.checkable(rest); len(checkable) > 0 && !x.e.Unchecked {
		if err := x.check(ctx, reporter.Step("checking before anything is written"), checkable); err != nil {
			return err
		}
		if x.failures() > 0 {
			return nil // Execute says which; namespaces and kinds are all that was made
		}
	}
	if err := x.inStages(ctx, reporter, "objects", rest); err != nil {
		return err
	}
	return x.owners(ctx, reporter)
}

// parts are the items to write: what others need to be checked at all, and
// these.
func (x *executing) parts() (groundwork, rest []int) {
	first := []schema.GroupKind{definition, namespaceKind}
	for i, item := range x.plan.Items {
		switch {
		case item.Action != Create && item.Action != Update && !(item.Action == Conflict && x.e.Replace):
		case slices.Contains(first, item.Key.Kind):
			groundwork = append(groundwork, i)
		default:
			rest = append(rest, i)
		}
	}
	return groundwork, rest
}

// checkable leaves out pods: what they need, an account above all, is yet to be
// made.
func (x *executing) checkable(items []int) []int {
	return slices.DeleteFunc(slices.Clone(items), func(i int) bool { return x.plan.Items[i].Key.Kind == podKind })
}

// inStages writes the items, a stage after the other, and ends at the first
// stage that has failures: what comes later needs it.
func (x *executing) inStages(ctx context.Context, reporter progress.Reporter, name string, items []int) error {
	if len(items) == 0 || x.failures() > 0 {
		return nil
	}
	step := reporter.Step(name)
	done, total, began := 0, len(items), time.Now()
	for len(items) > 0 {
		stage := x.plan.Items[items[0]].Stage
		n := len(items)
		if later := slices.IndexFunc(items, func(i int) bool { return x.plan.Items[i].Stage != stage }); later > 0 {
			n = later
		}
		if err := x.all(ctx, items[:n], false, func() {
			done++
			step.Count(int64(done), int64(total), pace(done, began))
		}); err != nil {
			step.Fail(err)
			return err
		}
		if err := x.served(ctx, items[:n]); err != nil {
			step.Fail(err)
			return err
		}
		if failed := x.failures(); failed > 0 {
			step.Done("%d written, %d failed", done-failed, failed)
			return nil
		}
		items = items[n:]
	}
	step.Done("%s", strings.Replace(pace(done, began), "objects", english.Plural(done, "object", ""), 1))
	return nil
}

// check lets the target check items of any stage at once.
func (x *executing) check(ctx context.Context, step progress.Step, items []int) error {
	done, began := 0, time.Now()
	err := x.all(ctx, items, true, func() {
		done++
		step.Count(int64(done), int64(len(items)), pace(done, began))
	})
	if err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%s, %d refused, %d not to be checked yet", english.Plural(len(items), "object", ""), x.failures(), x.count(func(o Outcome) bool { return o.Unchecked }))
	return nil
}

// all writes items, several at once. each is called by one goroutine at a time.
func (x *executing) all(ctx context.Context, items []int, dryRun bool, each func()) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writesAtOnce)
	for _, i := range items {
		group.Go(func() error {
			uid, err := x.write(ctx, x.plan.Items[i], dryRun)
			if ctx.Err() != nil {
				return ctx.Err() // broken off is not failed
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			x.note(i, uid, err, dryRun)
			each()
			return nil
		})
	}
	return group.Wait()
}

// note keeps what became of an item.
func (x *executing) note(i int, uid types.UID, err error, dryRun bool) {
	o := &x.outcomes[i]
	switch {
	case err == nil && dryRun:
		o.Done = x.e.DryRun
	case err == nil:
		x.made[x.plan.Items[i].uid] = uid
		o.Done, o.Unchecked, o.Reason = true, false, ""
	case dryRun && notYet(err) != "":
		o.Reason, o.Unchecked = "checked when it is made: "+notYet(err), true
	default:
		o.Reason, o.Failed = err.Error(), true
	}
}

func (x *executing) failures() int { return x.count(func(o Outcome) bool { return o.Failed }) }

func (x *executing) count(is func(Outcome) bool) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, o := range x.outcomes {
		if is(o) {
			n++
		}
	}
	return n
}

// pace reads "objects, 240/s".
func pace(done int, since time.Time) string {
	took := time.Since(since)
	if took < 500*time.Millisecond {
		return "objects"
	}
	return fmt.Sprintf("objects, %.0f/s", float64(done)/took.Seconds())
}
