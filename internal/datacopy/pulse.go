package datacopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Pulse tells servers that work on something long from those that do nothing any
// more, such as one that is stopped, or behind a network that drops what it is
// sent: they are asked something small over a connection of its own. The zero
// value gives a silent server up after three quarters of a minute.
type Pulse struct {
	// Every is the pause between questions, 0 is 5 s; Patience how long an
	// answer may take, 0 is 10 s; and Misses how many in a row may stay away, 0
	// is 3.
	Every, Patience time.Duration
	Misses          int
}

// Attended is a server under a Pulse.
type Attended struct {
	// Name is for messages: "source mysql://old/shop".
	Name string
	// Ask is nil after any sign of life within the time that an answer may take,
	// also an error of the server's. It is called by one goroutine.
	Ask func(ctx context.Context, patience time.Duration) error
	// Close ends the connection; it may be nil.
	Close func()
}

// ErrSilent is that of a server that was given up.
var ErrSilent = errors.New("has not answered")

// Attend does something with servers, and ends it when one of them answers no
// more, with ErrSilent, of class fault.Failed. note is told of the first miss on.
func (p Pulse) Attend(ctx context.Context, note func(format string, args ...any), do func(context.Context) error, servers ...Attended) error {
	if p.Every == 0 {
		p.Every = 5 * time.Second
	}
	if p.Patience == 0 {
		p.Patience = 10 * time.Second
	}
	if p.Misses == 0 {
		p.Misses = 3
	}
	attended, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	for _, s := range servers {
		go p.watch(attended, s, note, giveUp)
	}
	err := do(attended)
	if err != nil && ctx.Err() == nil && attended.Err() != nil {
		return context.Cause(attended)
	}
	return err
}

// watch asks a server until ctx ends or it stays away too often.
func (p Pulse) watch(ctx context.Context, s Attended, note func(string, ...any), giveUp context.CancelCauseFunc) {
	if s.Close != nil {
		defer s.Close()
	}
	silent := time.Now()
	for missed := 0; missed < p.Misses; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.Every):
		}
		if s.Ask(ctx, p.Patience) == nil {
			missed, silent = 0, time.Now()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		missed++
		note("%v", s.silence(silent))
	}
	giveUp(fault.Wrap(fault.Failed, s.silence(silent), "Check that the server runs and can be reached, then resume the copy."))
}

func (s Attended) silence(since time.Time) error {
	return fmt.Errorf("the %s %w for %s", s.Name, ErrSilent, time.Since(since).Round(time.Second))
}
