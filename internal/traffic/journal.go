package traffic

import (
	"context"
	"errors"
	"time"
)

// Phase of a migration.
type Phase string

// Phases. Completed and Reverted end it, but only Finished lets go of the way
// back.
const (
	Pending          Phase = "Pending"
	Preparing        Phase = "Preparing"
	Shifting         Phase = "Shifting"
	Holding          Phase = "Holding"
	AwaitingApproval Phase = "AwaitingApproval"
	Paused           Phase = "Paused"
	Completed        Phase = "Completed"
	Reverting        Phase = "Reverting"
	Reverted         Phase = "Reverted"
	Finished         Phase = "Finished"
)

// Progress is the journal of a migration: all that must survive a crash. What
// can be read from the world again, weights above all, is not believed from
// here. It is a value: Next gives a new one and leaves the old one as it was.
type Progress struct {
	Phase Phase
	// Epoch is that of the process that works on it.
	Epoch int64
	// Step is the index of the step that is being reached or held.
	Step int
	// Wanted is the weight that was last decided on; what may be in the router.
	Wanted Weight
	// WantedAt is when it was decided, SettledAt when it was seen in effect
	// everywhere with nothing residual; zero if not yet.
	WantedAt, SettledAt time.Time
	// HeldFor is how long guards have held at this weight, and CountedAt up to
	// when that was counted: time that nobody watched is not counted.
	HeldFor   time.Duration
	CountedAt time.Time
	// Guards is what each guard said last.
	Guards map[string]GuardProgress
	// PausedFrom is the phase to go on with.
	PausedFrom Phase
	// Approved is the index of the last step whose approval was given, plus one.
	Approved int
	// HeardWords is the serial number of the last word that was acted on.
	HeardWords int64
	// Drift says what somebody else did to the weights; empty if nothing.
	Drift string
	// Started and Ended of the whole.
	Started, Ended time.Time
	// Reason of the phase, for people.
	Reason string
}

// GuardProgress is the state of one guard.
type GuardProgress struct {
	// Last reading.
	Last Reading
	// Bad counts failing readings in a row.
	Bad int
	// UnknownSince is when it was last known; zero if it is.
	UnknownSince time.Time
}

// Word is what a person says to a running migration.
type Word struct {
	// Serial grows with each word of a migration.
	Serial int64
	Verb   Verb
	// Step is the index of the step that Approve is about.
	Step int
	By   string
	At   time.Time
	// Why, if the person said so.
	Why string
}

// Verb of a word.
type Verb string

// Verbs.
const (
	SayPause   Verb = "pause"
	SayResume  Verb = "resume"
	SayApprove Verb = "approve"
	SayAbort   Verb = "abort"
	// SayFinish says that the old side may go; heard only when Completed (or,
	// after Reverted, to let go of the new side).
	SayFinish Verb = "finish"
)

// Action is what is to be done next.
type Action string

// Actions.
const (
	// DoNothing until Decision.Wait has passed.
	DoNothing Action = "wait"
	DoPrepare Action = "prepare"
	// DoWrite writes Decision.Weight. A raise is journalled first; a return to
	// the old side is written first and journalled as soon as can be.
	DoWrite Action = "write"
	// DoDrain cuts what is left on Decision.Side.
	DoDrain  Action = "drain"
	DoFinish Action = "finish"
)

// Decision is what Next says, with its reason.
type Decision struct {
	Action Action
	Weight Weight
	Side   Side
	// Urgent writes use what an API's limits keep in reserve, and are tried
	// again and again.
	Urgent bool
	// Reason in a clause that a log can print.
	Reason string
	// Wait is how long until Next has something new to say, unless something
	// happens.
	Wait time.Duration
}

// Journal keeps the progress and hears people's words. Implementations: the
// Migration object, a file.
type Journal interface {
	// Load gives the progress and the words that were said, oldest first.
	Load(ctx context.Context) (Progress, []Word, error)
	// Save replaces the progress if nobody else has since Load or the last Save:
	// otherwise it fails with ErrTakenOver, and this process must stop.
	Save(ctx context.Context, p Progress) error
}

// ErrTakenOver says that another process works on the migration now.
var ErrTakenOver = errors.New("another process has taken the migration over")
