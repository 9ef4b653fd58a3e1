// Package traffic moves one hostname's live traffic from one backend to another
// through a router, in steps, while guards hold.
//
// What to do next is computed by Next without any I/O: from the definition, the
// weights read from the router, the guards' readings, the clock and the journal.
// Executor does it, through the Router interface, and writes the journal before
// it raises a weight. Nothing here knows Kubernetes, AWS or HAProxy; routers are
// packages below this one, each named after its tool, and all of them pass the
// tests of traffictest.
//
// Start reading at Definition, then Next.
package traffic

import "time"

// Weight is the part of new requests that the new side gets, in whole percent
// from 0 to 100. Every router can express whole percents exactly.
type Weight int

// Bounds of a weight.
const (
	None Weight = 0
	All  Weight = 100
)

// Side of a migration.
type Side string

// Sides.
const (
	// Old is the backend that traffic comes from.
	Old Side = "old"
	// New is the backend that traffic moves to.
	New Side = "new"
)

// Definition is a migration as somebody wrote it down. It does not change while
// the migration runs, but for what people may say in between (Word).
type Definition struct {
	// Name and Hostname are for people, logs and evidence; the router's
	// configuration says where weights are.
	Name     string
	Hostname string
	From, To Backend
	// Steps go up and end at 100.
	Steps  []Step
	Guards []GuardRule
	// OnFailure says what a guard that fails does.
	OnFailure OnFailure
	// OnForeignChange says what weights do that somebody else has changed.
	OnForeignChange OnForeignChange
	// Interval between two looks at guards and weights; DefaultInterval if zero.
	Interval time.Duration
	// UnknownFor is how long guards may be unknown before that counts as a
	// failure; DefaultUnknownFor if zero. A rule may say something else.
	UnknownFor time.Duration
	// ResidualFor is how long sessions that an earlier weight left on a side may
	// take to end by themselves; DefaultResidualFor if zero. Then they are cut,
	// where that side has weight 0 and the router is a Drainer; elsewhere they
	// no longer keep a step from being held. After a failure they are cut after
	// RevertGrace. (How long a resolver or a cookie remembers is Description's
	// to say, and is always waited for.)
	ResidualFor time.Duration
	// DeadMan is how long Landfall may be away before traffic returns without
	// it; zero means never. See Watched.
	DeadMan  time.Duration
	Contacts []Contact
}

// Defaults and bounds of a definition.
const (
	DefaultInterval   = 5 * time.Second
	MinInterval       = 100 * time.Millisecond
	DefaultUnknownFor = 2 * time.Minute
	// DefaultResidualFor suits sessions; requests in flight are done long before.
	DefaultResidualFor = 30 * time.Second
	// RevertGrace lets requests in flight end on a side that has failed.
	RevertGrace = 500 * time.Millisecond
	// MinDeadMan leaves room for a leader's death: another takes over within ten
	// seconds.
	MinDeadMan = 15 * time.Second
)

// Backend is one side as people know it. How the router knows it is the
// router's configuration.
type Backend struct {
	// Name is unique within the migration and the value of PinHeader that asks
	// for this side.
	Name string
	// URL asks this side directly, past the router; may be empty.
	URL string
}

// Step of a migration: the weight to reach, and how long it must hold.
type Step struct {
	Weight Weight
	// Hold is how long guards must hold at this weight, counted from when the
	// weight is in effect and residual traffic is gone.
	Hold time.Duration
	// Approval: a person must approve before the step after this one begins.
	// The hold comes first.
	Approval bool
}

// OnFailure says what a guard that fails does.
type OnFailure string

// What a failure does.
const (
	// Revert returns all traffic to the old side.
	Revert OnFailure = "revert"
	// Pause leaves the weight as it is and waits for a person.
	Pause OnFailure = "pause"
)

// OnForeignChange says what happens when weights are not what was written.
type OnForeignChange string

// What a foreign change does.
const (
	// Restore writes the weight again.
	Restore OnForeignChange = "restore"
	// PauseThere stops and waits for a person; the found weight stays.
	PauseThere OnForeignChange = "pause"
)

// Contact is whom to call.
type Contact struct {
	Name, Role, Address string
}

// PinHeader asks for one side by its name through the real hostname, whatever
// the weights are; the cookie of the same name does so, too. Routers that can
// do it are Pinners.
const PinHeader = "X-Landfall-Backend"
