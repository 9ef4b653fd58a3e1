package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/progress"
)

// plainInterval keeps a step's updates from filling a log file: one that comes
// sooner after the last is left out.
const plainInterval = 2 * time.Second

// plain writes a line when a step has something new to say and when it ends.
type plain struct {
	mu    sync.Mutex
	w     io.Writer
	style style
	clock func() time.Time
}

func (p *plain) Step(name string) progress.Step {
	now := p.clock()
	return &plainStep{plain: p, name: name, began: now, said: now}
}

func (p *plain) Note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%s %s\n", p.style.note(), fmt.Sprintf(format, args...))
}

type plainStep struct {
	*plain
	name  string
	began time.Time
	said  time.Time
	last  string
	ended bool
}

func (s *plainStep) Update(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if s.ended || text == s.last || now.Sub(s.said) < plainInterval {
		return
	}
	s.last, s.said = text, now
	fmt.Fprintf(s.w, "  %s  %s\n", s.name, text)
}

func (s *plainStep) Count(done, total int64, unit string) {
	s.Update("%s", amount(done, total, unit))
}

func (s *plainStep) Done(format string, args ...any) {
	s.end(s.style.done(), fmt.Sprintf(format, args...))
}

func (s *plainStep) Fail(err error) {
	s.end(s.style.fail(), err.Error())
}

func (s *plainStep) end(mark, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	fmt.Fprintln(s.w, s.style.finished(mark, s.name, text, s.clock().Sub(s.began)))
}
