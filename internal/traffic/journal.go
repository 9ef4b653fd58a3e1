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

// Rests tells whether a migration goes nowhere by itself in this phase.
func (p Phase) Rests() bool {
	return p == Paused || p == Completed || p == Reverted || p == Finished
}

// Progress is the journal of a migration: all that must survive a crash. What
// can be read from the world again, weights above all, is not believed from
// here. It is a value: Next gives a new one and leaves the old one as it was.
type Progress struct {
	Phase Phase `json:"phase"`
	// Epoch is that of the process that works on it.
	Epoch int64 `json:"epoch"`
	// Step is the index of the step that is being reached or held.
	Step int `json:"step"`
	// Wanted is the weight that was last decided on; what may be in the router.
	Wanted Weight `json:"wanted"`
	// WantedAt is when it was decided; zero if nothing ever was. SettledAt is
	// when it was seen in effect everywhere with nothing residual; zero if not
	// yet.
	WantedAt  time.Time `json:"wantedAt,omitzero"`
	SettledAt time.Time `json:"settledAt,omitzero"`
	// InEffectFor is for how long somebody saw it in effect on every instance:
	// what is left of residual traffic is measured by it.
	InEffectFor time.Duration `json:"inEffectFor,omitempty"`
	// HeldFor is how long guards have held at this weight, watched by somebody.
	HeldFor time.Duration `json:"heldFor,omitempty"`
	// SeenAt is when somebody last looked, and CountedAt the same if all was
	// well then: only time between two good looks counts.
	SeenAt    time.Time `json:"seenAt,omitzero"`
	CountedAt time.Time `json:"countedAt,omitzero"`
	// UnknownFor is for how long the weights have been unknown.
	UnknownFor time.Duration `json:"unknownFor,omitempty"`
	// Guards is what each guard said last.
	Guards map[string]GuardProgress `json:"guards,omitempty"`
	// PausedFrom is the phase to go on with.
	PausedFrom Phase `json:"pausedFrom,omitempty"`
	// Approved is the index of the last step whose approval was given, plus one.
	Approved int `json:"approved,omitempty"`
	// HeardWords is the serial number of the last word that was acted on.
	HeardWords int64 `json:"heardWords,omitempty"`
	// LettingGo: finish was said; there is no way back any more.
	LettingGo bool `json:"lettingGo,omitempty"`
	// Drift says what somebody else did to the weights; empty if nothing.
	Drift string `json:"drift,omitempty"`
	// DeadMan is what the dead man reported, once that was acted on.
	DeadMan string `json:"deadMan,omitempty"`
	// Failed: it was a guard, the router or the dead man that paused it or sent
	// it back, not a person.
	Failed bool `json:"failed,omitempty"`
	// Cause is why it paused, returned or ended, for people.
	Cause string `json:"cause,omitempty"`
	// Started and Ended of the whole.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Reason of what was decided last, for people.
	Reason string `json:"reason,omitempty"`
}

// GuardProgress is the state of one guard.
type GuardProgress struct {
	// Last reading.
	Last Reading `json:"last"`
	// Bad counts failing readings in a row.
	Bad int `json:"bad,omitempty"`
	// Good counts holding readings in a row at this weight.
	Good int `json:"good,omitempty"`
	// UnknownFor is for how long it has been unknown, watched by somebody.
	UnknownFor time.Duration `json:"unknownFor,omitempty"`
}

// Word is what a person says to a running migration.
type Word struct {
	// Serial grows with each word of a migration.
	Serial int64 `json:"serial"`
	Verb   Verb  `json:"verb"`
	// Step is the index of the step that Approve is about.
	Step int       `json:"step,omitempty"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
	// Why, if the person said so.
	Why string `json:"why,omitempty"`
}

// Verb of a word.
type Verb string

// Verbs.
const (
	SayPause   Verb = "pause"
	SayResume  Verb = "resume"
	SayApprove Verb = "approve"
	SayAbort   Verb = "abort"
	// SayFinish says that the old side may go; heard when Completed (or, after
	// Reverted, to let go of the new side). While Reverting it ends the return if
	// all that is missing are instances that cannot be reached.
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
	Action Action `json:"action"`
	Weight Weight `json:"weight"`
	Side   Side   `json:"side,omitempty"`
	// Raise: the write may give the new side more than it has somewhere, and must
	// be in the journal before.
	Raise bool `json:"raise,omitempty"`
	// Urgent writes use what an API's limits keep in reserve, and are tried
	// again and again.
	Urgent bool `json:"urgent,omitempty"`
	// Reason in a clause that a log can print.
	Reason string `json:"reason"`
	// Wait is how long until Next has something new to say, unless something
	// happens.
	Wait time.Duration `json:"wait,omitempty"`
	// Remarks are what else is to be known: words that were not heard, weights
	// that somebody else changed, a return target that is unhealthy.
	Remarks []string `json:"remarks,omitempty"`
}

// Journal keeps the progress and hears people's words. Implementations: the
// Migration object, a FileJournal.
type Journal interface {
	// Load gives the progress as it was saved last; its zero value if it never
	// was. It is called once, when a process takes the migration over.
	Load(ctx context.Context) (Progress, error)
	// Save replaces the progress unless another process has saved since Load or
	// the last Save: it then fails with ErrTakenOver, and this process must
	// stop. A Save whose answer was lost may have happened: the next one must
	// not take it for somebody else's (Epoch tells whose it is).
	Save(ctx context.Context, p Progress) error
	// Words gives what was said after a serial number, oldest first. It may be
	// called while Save runs, and often.
	Words(ctx context.Context, after int64) ([]Word, error)
}

// ErrTakenOver says that another process works on the migration now.
var ErrTakenOver = errors.New("another process has taken the migration over")
