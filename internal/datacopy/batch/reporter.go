package batch

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/landfall-dev/landfall/internal/progress"
)

// reporter passes on what an engine reports of a store, under the store's name
// and with rate and time left, and notes how far its units are.
type reporter struct {
	track *Tracker
	store string
	to    progress.Reporter
	clock func() time.Time
}

// Step is part of progress.Reporter.
func (r *reporter) Step(name string) progress.Step {
	return &step{Step: r.to.Step(r.store + " " + name), reporter: r, unit: name}
}

// Note is part of progress.Reporter.
func (r *reporter) Note(format string, args ...any) {
	r.to.Note("%s: %s", r.store, fmt.Sprintf(format, args...))
}

// step is a unit under way.
type step struct {
	progress.Step
	reporter *reporter
	unit     string

	mu      sync.Mutex
	first   int64
	started time.Time
}

// Count is part of progress.Step.
func (s *step) Count(done, total int64, unit string) {
	s.reporter.track.count(s.reporter.store, s.unit, done, total)
	s.Step.Count(done, total, unit)
	if text := s.pace(done, total, unit); text != "" {
		s.Update("%s", text)
	}
}

// settling is how long a rate is not worth telling.
const settling = time.Second

// pace says how far, how fast and how long still. What an earlier run had done
// does not count into the rate.
func (s *step) pace(done, total int64, unit string) string {
	now := s.reporter.clock()
	s.mu.Lock()
	if s.started.IsZero() {
		s.first, s.started = done, now
	}
	took, moved := now.Sub(s.started), done-s.first
	s.mu.Unlock()
	if took < settling || moved <= 0 {
		return ""
	}
	perSecond := float64(moved) / took.Seconds()
	text := quantity(done, unit)
	if total > 0 {
		text += " of " + quantity(total, unit)
	}
	text += ", " + quantity(int64(perSecond), unit) + "/s"
	if left := total - done; left > 0 {
		text += ", " + time.Duration(float64(left)/perSecond*float64(time.Second)).Round(time.Second).String() + " left"
	}
	return text
}

// quantity writes a number short enough to be read while it changes.
func quantity(n int64, unit string) string {
	if unit == "bytes" || unit == "B" {
		return humanize.Bytes(uint64(max(n, 0)))
	}
	if n < 10000 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return strings.TrimSpace(humanize.SIWithDigits(float64(n), 1, "")) + " " + unit
}
