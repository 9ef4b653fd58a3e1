package traffic

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// GuardRule says what one guard's readings mean.
type GuardRule struct {
	// Name is unique within the migration.
	Name string
	// Failures is how many readings in a row must fail before the guard fails;
	// 1 if zero.
	Failures int
	// Every is how often it is read; the definition's interval if zero. A
	// reading may take twice as long, and two seconds in any case.
	Every time.Duration
	// UnknownFor is how long the guard may be unknown before that counts as a
	// failure; the definition's if zero, never if negative.
	UnknownFor time.Duration
	// Idle: with no traffic on the new side there is nothing to read; the guard
	// is then not asked (at weight 0) or holds for lack of requests. Set for
	// guards that count requests.
	Idle bool
	// Gate: what fails or is unknown while the new side gets no traffic is waited
	// for, and returns nothing: there is nothing to return. A weight is raised only
	// while the guard holds, in any case.
	Gate bool
}

// Guard reads one thing that must be so while traffic moves. Adapters are the
// router's own counters, HTTP checks against a side, metric queries and error
// budgets.
type Guard interface {
	// Rule says what readings mean.
	Rule() GuardRule
	// Read reads once. It ends soon after its context and never fails: what
	// cannot be read is Unknown with a reason. Calls do not overlap.
	Read(ctx context.Context, at time.Time) Reading
}

// Reading is what a guard saw.
type Reading struct {
	// Guard is the guard's name and At when its answer came: Executor sets both.
	Guard  string        `json:"guard"`
	At     time.Time     `json:"at,omitzero"`
	Answer result.Answer `json:"answer"`
	// Value and Bound as people read them: "0.4 %", "at most 1 %".
	Value string `json:"value,omitempty"`
	Bound string `json:"bound,omitempty"`
	// Reason in a clause, for unknown and failing readings above all.
	Reason string `json:"reason,omitempty"`
	// FirstBad is when the first bad response was seen, if the guard can tell.
	FirstBad time.Time `json:"firstBad,omitzero"`
}
