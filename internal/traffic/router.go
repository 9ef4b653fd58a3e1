package traffic

import (
	"context"
	"time"
)

// Router sends a hostname's requests to two sides by weight. An adapter speaks
// to one kind of router and knows one pair of sides.
//
// All methods may be called again after an error, and again after success: they
// are idempotent. They are called by one goroutine at a time for one migration;
// several migrations may use one router at once, so that limits that are shared
// (an account's API requests) are the adapter's to share. Every method ends soon
// after its context; none retries for longer than a second on its own, since the
// executor retries. What a context says to be urgent (IsUrgent) may use what the
// adapter keeps in reserve of an API's limits.
//
// Errors are classified by fault: Invalid (the configuration cannot be right),
// Refused (not allowed, or somebody else's), Failed (try again). Throttling is a
// *Throttled.
type Router interface {
	// Describe says what the router can do. It asks nobody.
	Describe() Description

	// Prepare makes the router ready for a migration, one step at each call, and
	// never changes which side gets requests: it checks that both sides are
	// known and owned by nobody else, converts a simple DNS record to weighted
	// ones, lowers a time to live, adds the new side with weight 0. Not done yet
	// is no error.
	Prepare(ctx context.Context, f Fence) (Preparation, error)

	// Read gives the weights as every instance has them now. An instance that
	// cannot be read is in the answer with its error; the error of Read itself
	// is for when nothing could be asked.
	Read(ctx context.Context) (State, error)

	// Write asks every instance for the weight. It is atomic for each instance:
	// requests never find both sides with weight 0. It fails if one instance
	// could not be written, having tried all of them, and leaves finding out
	// what is so to Read. The adapter calls f.Check at the last moment before it
	// writes, and carries f.Epoch where the router can compare it (a revision, a
	// record that must be as it was): a write with an older epoch than the
	// router has seen is Refused.
	Write(ctx context.Context, w Weight, f Fence) error

	// Health of a side as the router sees it.
	Health(ctx context.Context, side Side) (Health, error)

	// Finish lets go: restores what Prepare changed, and for good leaves all
	// traffic where the last Write put it. After Finish there is no way back.
	Finish(ctx context.Context, f Fence) error
}

// Description is what a router can do.
type Description struct {
	// Kind is the router's name in definitions: haproxy, route53, alb,
	// gatewayAPI.
	Kind string
	// Place is where it is, for people: an address, a zone, an ARN.
	Place string
	// Takes is how long a write takes to be in effect, roughly, for plans.
	Takes time.Duration
	// Residual is for how long requests may still go where an earlier weight
	// sent them: a resolver's time to live, a stickiness cookie. Zero if the
	// router can tell itself (Residual of State).
	Residual time.Duration
	// ZeroIsNotNone: at weight 0 the side may still get requests, and why.
	ZeroIsNotNone string
}

// Preparation is how far Prepare has come.
type Preparation struct {
	Done bool
	// Step is what was done or is waited for, for people.
	Step string
	// Wait is how long to wait before the next call; zero if not known.
	Wait time.Duration
}

// State is what a router says about its weights.
type State struct {
	Instances []Instance
}

// Instance is one place where weights are: a process of HAProxy, a hosted zone,
// a rule.
type Instance struct {
	Name string
	// Old and New are the weights in the router's own units, summed up by side.
	Old, New int
	// Settled: what was written last has taken effect here. A reason why not,
	// for people, is in Waiting; where it is settled, Waiting may say why the
	// weights are others than those that were written.
	Settled bool
	Waiting string
	// Residual counts sessions or connections that still go where an earlier
	// weight sent them; -1 if it cannot be known.
	Residual int
	// DeadMan says that traffic was returned to the old side here because
	// Landfall was silent, by whom and when; empty if it was not. The next Write
	// clears it.
	DeadMan string
	// Err says why the instance could not be read; the rest is then empty.
	Err error
}

// Share is the part of requests that the new side gets, from 0 to 1. With both
// weights 0 nobody gets any: it is then -1.
func (i Instance) Share() float64 {
	if i.Old+i.New <= 0 {
		return -1
	}
	return float64(i.New) / float64(i.Old+i.New)
}

// At tells whether the instance's weights say exactly w.
func (i Instance) At(w Weight) bool {
	return i.Err == nil && i.Old+i.New > 0 && i.New*int(All) == int(w)*(i.Old+i.New)
}

// Health of a side.
type Health struct {
	// Known is false where the router cannot tell.
	Known   bool
	Healthy bool
	// Reason in a clause: "2 of 3 servers are up".
	Reason string
}

// Fence keeps a process that was declared dead from writing.
type Fence interface {
	// Epoch grows each time another process takes the migration over.
	Epoch() int64
	// Check fails when this process may not write any more: its permission has
	// run out, or another has taken over. It is quick and asks nobody.
	Check() error
}

// Counter is a Router that counts requests by side. Its method is called while
// others run.
type Counter interface {
	// Counters gives the totals so far, the sum of all instances. A total that
	// is lower than before means that the router started anew. An instance that
	// cannot be read is an error: half a count is none.
	Counters(ctx context.Context) (map[Side]Counters, error)
}

// Counters of one side since the router started.
type Counters struct {
	Requests int64
	// Errors are answers with status 5xx and requests without an answer.
	Errors int64
	// Latency holds cumulated counts of requests that took at most so long; nil
	// where the router keeps none. Times as the router measures them.
	Latency []LatencyBucket
	// P95 is the router's own figure where it keeps no counts; zero if it has
	// none.
	P95 time.Duration
	// Sessions open now.
	Sessions int64
}

// LatencyBucket counts the requests that took at most Upper.
type LatencyBucket struct {
	Upper time.Duration
	Count int64
}

// Drainer is a Router that can cut what an earlier weight left on a side:
// sticky sessions, kept-alive connections.
type Drainer interface {
	// Drain cuts what is left on the side, which must have weight 0.
	Drain(ctx context.Context, side Side, f Fence) error
}

// Pinner is a Router that sends requests with PinHeader, or the cookie of that
// name, to the side they name, whatever the weights are.
type Pinner interface {
	// Pin says how a client asks for the side, for people: a header, a cookie, a
	// hostname.
	Pin(side Side) (how string)
}

// Watched is a Router beside which something lives that returns traffic to the
// old side when Landfall is dead. Its method is called from a goroutine of its
// own, while others run.
type Watched interface {
	// Arm says that Landfall is alive, and for how long it may now be silent
	// until all traffic is to return to the old side. It is called at least
	// three times within that time. Zero disarms.
	Arm(ctx context.Context, silence time.Duration, f Fence) error
}

type urgentKey struct{}

// Urgent marks what a return to the old side does.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

// IsUrgent tells whether traffic is being returned to the old side, which goes
// before everything else.
func IsUrgent(ctx context.Context) bool {
	urgent, _ := ctx.Value(urgentKey{}).(bool)
	return urgent
}

// Throttled says that a router's API has had too many requests.
type Throttled struct {
	// After is when to try again; zero if the router did not say.
	After time.Duration
	Err   error
}

// Error names the cause.
func (t *Throttled) Error() string { return t.Err.Error() }

// Unwrap gives the cause.
func (t *Throttled) Unwrap() error { return t.Err }
