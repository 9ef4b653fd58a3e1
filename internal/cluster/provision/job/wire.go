package job

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Kinds of event.
const (
	kindStep   = "step"
	kindUpdate = "update"
	kindCount  = "count"
	kindDone   = "done"
	kindFail   = "fail"
	kindNote   = "note"
	// kindShow is what is to be done; with Ask, the pod waits for approval.
	kindShow = "show"
	// kindAnswer and kindError are the last of their pod.
	kindAnswer = "answer"
	kindError  = "error"
)

// event is a line of the pod's log. Programs of two versions may be at its ends:
// what is unknown is ignored.
type event struct {
	// N counts a pod's events, so that a log can be read again.
	N    int64  `json:"n"`
	Kind string `json:"kind"`
	// Step is the number of the step that it is about.
	Step  int64           `json:"step,omitempty"`
	Text  string          `json:"text,omitempty"`
	Done  int64           `json:"done,omitempty"`
	Total int64           `json:"total,omitempty"`
	Ask   bool            `json:"ask,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Class and Hint of an error.
	Class string `json:"class,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func failure(err error) event {
	return event{Kind: kindError, Text: err.Error(), Class: fault.ClassOf(err).String(), Hint: fault.HintOf(err)}
}

// error is the error that an event is about.
func (e event) error() error {
	for _, class := range []fault.Class{fault.Invalid, fault.NotFound, fault.Refused, fault.NotHolding} {
		if e.Class == class.String() {
			return fault.New(class, e.Hint, "%s", e.Text)
		}
	}
	return fault.New(fault.Failed, e.Hint, "%s", e.Text)
}

// writer is a progress.Reporter that writes events.
type writer struct {
	mu    sync.Mutex
	out   io.Writer
	n     int64
	steps int64
}

// write never fails: a log that is not there must not stop the work.
func (w *writer) write(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	e.N = w.n
	if line, err := json.Marshal(e); err == nil {
		_, _ = w.out.Write(append(line, '\n'))
	}
}

// Step is part of progress.Reporter.
func (w *writer) Step(name string) progress.Step {
	w.mu.Lock()
	w.steps++
	s := &writtenStep{w: w, number: w.steps}
	w.mu.Unlock()
	s.write(event{Kind: kindStep, Text: name})
	return s
}

// Note is part of progress.Reporter.
func (w *writer) Note(format string, args ...any) {
	w.write(event{Kind: kindNote, Text: fmt.Sprintf(format, args...)})
}

type writtenStep struct {
	w      *writer
	number int64
}

func (s *writtenStep) write(e event) {
	e.Step = s.number
	s.w.write(e)
}

func (s *writtenStep) Update(format string, args ...any) {
	s.write(event{Kind: kindUpdate, Text: fmt.Sprintf(format, args...)})
}

func (s *writtenStep) Count(done, total int64, unit string) {
	s.write(event{Kind: kindCount, Done: done, Total: total, Text: unit})
}

func (s *writtenStep) Done(format string, args ...any) {
	s.write(event{Kind: kindDone, Text: fmt.Sprintf(format, args...)})
}

func (s *writtenStep) Fail(err error) {
	if err == nil {
		err = errors.New("failed")
	}
	s.write(event{Kind: kindFail, Text: err.Error()})
}

// player shows the events of pods, one pod after the other, as progress.
type player struct {
	reporter progress.Reporter
	seen     int64
	steps    map[int64]progress.Step
	// words are the last lines that were no events: a crash, mostly.
	words []string
}

// next begins with another pod. What the last one had under way ended with it.
func (p *player) next(cause error) {
	for _, step := range p.steps {
		step.Fail(cause) // those that have ended stay so
	}
	p.seen, p.steps, p.words = 0, map[int64]progress.Step{}, nil
}

// play reads a log and shows what is new in it, until it ends or handle says
// that it has seen what it waited for.
func (p *player) play(log io.Reader, handle func(event) (last bool, err error)) (last bool, err error) {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return false, nil // an unfinished line is read again, or of a pod that was killed
		}
		var e event
		if json.Unmarshal(line, &e) != nil || e.N == 0 {
			p.say(string(line))
			continue
		}
		if e.N <= p.seen {
			continue
		}
		p.seen = e.N
		p.show(e)
		if last, err := handle(e); last || err != nil {
			return last, err
		}
	}
}

func (p *player) say(line string) {
	const keep = 6
	if p.words = append(p.words, line); len(p.words) > keep {
		p.words = p.words[1:]
	}
}

func (p *player) show(e event) {
	step := p.steps[e.Step]
	switch e.Kind {
	case kindNote:
		p.reporter.Note("%s", e.Text)
		return
	case kindStep:
		p.steps[e.Step] = p.reporter.Step(e.Text)
		return
	}
	if step == nil {
		return
	}
	switch e.Kind {
	case kindUpdate:
		step.Update("%s", e.Text)
	case kindCount:
		step.Count(e.Done, e.Total, e.Text)
	case kindDone:
		step.Done("%s", e.Text)
	case kindFail:
		step.Fail(errors.New(e.Text))
	}
}
