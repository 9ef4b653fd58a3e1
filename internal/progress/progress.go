// Package progress lets domains say how far they are without knowing who
// looks: a terminal gets live lines, a file gets plain ones, the web gets
// events. Start at Reporter; it imports nothing of ours.
package progress

// Reporter receives the progress of one operation. Implementations are safe
// for concurrent use and never block for long or fail.
type Reporter interface {
	// Step begins a named step and gives the means to end it. Steps may
	// overlap.
	Step(name string) Step
	// Note says something in passing, one line without newline.
	Note(format string, args ...any)
}

// Step is one step under way. Exactly one of Done and Fail ends it; further
// calls do nothing.
type Step interface {
	// Update replaces what is known of the step, for example "2 of 5 ready".
	Update(format string, args ...any)
	// Count says how far a countable step is: done of total units. A total of
	// 0 means it is not known.
	Count(done, total int64, unit string)
	// Done ends the step well.
	Done(format string, args ...any)
	// Fail ends the step badly.
	Fail(err error)
}

// Discard is a Reporter that shows nothing.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Step(string) Step           { return discard{} }
func (discard) Note(string, ...any)        {}
func (discard) Update(string, ...any)      {}
func (discard) Count(int64, int64, string) {}
func (discard) Done(string, ...any)        {}
func (discard) Fail(error)                 {}
