// Package load asks a site at a constant rate, whether it keeps up or not, and
// counts what came of every single request: answers by status and side,
// latencies, and requests that were lost.
//
// The model is open: request n is due at a fixed time, and its latency counts
// from then. A site that stalls for a second is seen with all the requests that
// would have come in that second, not with the few that a closed loop of clients
// would have made. The package knows nothing of environments or migrations.
//
// Start at Attack.
package load

import (
	"context"
	"sync"
	"time"
)

// Attack asks until the last step has ended and each request has come to its
// end, and sums up what came of them. Errors are of the options and
// fault.Invalid; what goes wrong with requests is in the summary.
//
// When ctx ends, no more requests are made; those under way get Options.Grace.
// The summary then tells of what was done and says that it was Interrupted,
// unless the last step was to go on until then.
func Attack(ctx context.Context, o Options) (*Summary, error) {
	o = o.withDefaults()
	plan, err := o.plan()
	if err != nil {
		return nil, err
	}
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	defer client.close()

	a := &attack{options: o, plan: plan, client: client, outcomes: make(chan Outcome, 1024), slots: make(chan struct{}, o.MaxInFlight)}
	tally := newTally(o, plan)
	tallied := make(chan struct{})
	go func() {
		defer close(tallied)
		tally.run(a.outcomes)
	}()
	interrupted := a.run(ctx, tally.start)
	close(a.outcomes)
	<-tallied
	return tally.summary(interrupted), nil
}

// attack is one run under way.
type attack struct {
	options  Options
	plan     plan
	client   *client
	outcomes chan Outcome
	// slots bounds the requests under way.
	slots chan struct{}
}

// run makes all requests, each when it is due, and waits for their ends. It
// says whether the plan was cut short.
func (a *attack) run(ctx context.Context, start time.Time) (interrupted bool) {
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var underWay sync.WaitGroup
	n := int64(0)
	for ; a.waitFor(ctx, start, n); n++ {
		r := a.request(n, start)
		underWay.Go(func() {
			defer func() { <-a.slots }()
			a.outcomes <- a.client.ask(requests, r)
		})
	}
	if ctx.Err() != nil {
		defer time.AfterFunc(a.options.Grace, abandon).Stop()
	}
	underWay.Wait()
	_, more := a.plan.due(n)
	last := a.plan.step(n) == len(a.plan.steps)-1
	return more && !(a.plan.endless && last)
}

// waitFor waits until request n is due and may be made; false says that there
// is none.
func (a *attack) waitFor(ctx context.Context, start time.Time, n int64) bool {
	due, ok := a.plan.due(n)
	if !ok || ctx.Err() != nil {
		return false
	}
	if wait := time.Until(start.Add(due)); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
	select {
	case a.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// request is the nth one.
func (a *attack) request(n int64, start time.Time) Outcome {
	due, _ := a.plan.due(n)
	step := a.plan.step(n)
	o := Outcome{N: n, Step: step, Due: start.Add(due), Target: int(n % int64(len(a.options.URLs)))}
	if a.options.Mark != "" && n == a.plan.steps[step].first {
		o.Mark = MarkOf(a.options.Mark, step)
	}
	return o
}
