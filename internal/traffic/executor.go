package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Executor carries a migration out: it reads the router and the guards, asks
// Next, and does what that says. One process runs one Executor for a migration;
// another may take over at any time, from what the journal and the router say.
//
// Everything that takes time can be interrupted: when a guard's reading or a
// person's word means that traffic must return, what is under way is cancelled
// and the return is written at once.
type Executor struct {
	Definition Definition
	Router     Router
	// Guards in any order; each rule of the definition has one.
	Guards  []Guard
	Journal Journal

	// All that follows may be left out.

	// Recorder takes what happens.
	Recorder Recorder
	// Permission fails when this process may not write any more, for example
	// since its lease has run out. It is quick and asks nobody.
	Permission func() error
	// Wake says that there may be new words in the journal; they are asked for
	// every second anyway. Give it a buffer of one, and never wait for it.
	Wake <-chan struct{}
	// Until ends Run; when the way back is let go if nil.
	Until func(Progress) bool
	// SaveEvery is how often progress is saved while only time passes; a second
	// if zero. What must not be lost is saved at once.
	SaveEvery time.Duration
	// Reached is called at points where a crash is interesting, from several
	// goroutines.
	Reached func(Point)
	// Now is the clock.
	Now func() time.Time
}

// Point is where in its work an Executor is.
type Point string

// Points, in the order of a shift and a return.
const (
	BeforeJournal Point = "before-journal"
	AfterJournal  Point = "after-journal"
	BeforeWrite   Point = "before-write"
	// DuringWrite is reached each time that an adapter checks the fence: once for
	// each instance, just before it is written.
	DuringWrite   Point = "during-write"
	AfterWrite    Point = "after-write"
	AfterReadBack Point = "after-read-back"
	// BeforeReturn and so on are the same points of a return to the old side.
	BeforeReturn        Point = "before-return"
	DuringReturn        Point = "during-return"
	AfterReturn         Point = "after-return"
	AfterReturnReadBack Point = "after-return-read-back"
	// AfterReturnJournal: the return is in the journal.
	AfterReturnJournal Point = "after-return-journal"
)

// Points are all of them.
var Points = []Point{
	BeforeJournal, AfterJournal, BeforeWrite, DuringWrite, AfterWrite, AfterReadBack,
	BeforeReturn, DuringReturn, AfterReturn, AfterReturnReadBack, AfterReturnJournal,
}

// Run works on the migration until it is over, the context ends, or another
// process has taken it over (ErrTakenOver). It gives the progress as it is then.
// A context that ends stops it where it is: weights stay as they are.
func (e *Executor) Run(ctx context.Context) (Progress, error) {
	if err := e.check(); err != nil {
		return Progress{}, err
	}
	loaded, err := e.Journal.Load(ctx)
	if err != nil {
		return Progress{}, fmt.Errorf("reading the journal of migration %s: %w", e.Definition.Name, err)
	}
	if err := loaded.fits(e.Definition); err != nil {
		return loaded, err
	}
	p := loaded.TakeOver()
	if err := e.Journal.Save(ctx, p); err != nil {
		return loaded, fmt.Errorf("taking over migration %s: %w", e.Definition.Name, err)
	}
	return e.work(ctx, p)
}

// check looks at what the executor was given.
func (e *Executor) check() error {
	if err := e.Definition.ValidateWith(e.Router); err != nil {
		return err
	}
	guards := map[string]bool{}
	for _, guard := range e.Guards {
		guards[guard.Rule().Name] = true
	}
	for _, rule := range e.Definition.Guards {
		if !guards[rule.Name] {
			return fault.New(fault.Invalid, "", "migration %s: nothing reads guard %s", e.Definition.Name, rule.Name)
		}
	}
	return nil
}

// fits refuses a journal that another definition wrote.
func (p Progress) fits(d Definition) error {
	if p.Step < 0 || p.Step >= len(d.Steps) || p.Wanted < None || p.Wanted > d.Steps[p.Step].Weight {
		return fault.New(fault.Refused, "A definition must not change while its migration runs: abort, and start another one.",
			"migration %s: its journal is at step %d with %d %%, which is not in the definition", d.Name, p.Step+1, p.Wanted)
	}
	return nil
}

// work starts what reads, hears and saves beside the loop, and stops it again.
func (e *Executor) work(ctx context.Context, p Progress) (Progress, error) {
	aside, stop := context.WithCancel(ctx)
	r := newRun(e, p)
	r.hearFirst(ctx)
	var group sync.WaitGroup
	for _, start := range r.besides() {
		group.Go(func() { start(aside) })
	}
	err := r.loop(ctx)
	stop()
	group.Wait()
	if !errors.Is(err, ErrTakenOver) {
		r.leave(ctx)
	}
	return r.p, err
}
