package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// live draws a line per step under way, redrawn in place, and leaves a plain
// line behind for each that ended. The drawing exists only while steps are
// under way: it is begun with the first and waited for with the last, so that
// whatever the caller prints in between stays whole.
type live struct {
	w     io.Writer
	style style
	clock func() time.Time

	mu      sync.Mutex
	drawing *mpb.Progress
	active  int
}

// barWidth is that of a step which can be counted.
const barWidth = 24

func (l *live) Step(name string) progress.Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drawing == nil {
		l.drawing = mpb.New(mpb.WithOutput(l.w), mpb.WithWidth(barWidth), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())
	}
	l.active++
	s := &liveStep{live: l, name: name, began: l.clock()}
	s.bar = l.drawing.MustAdd(0, s.filler(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return s.spinner() + " " + name + " " })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return s.state() })))
	return s
}

func (l *live) Note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(l.style.note() + " " + fmt.Sprintf(format, args...))
}

// line writes above what is being drawn. Called with mu held.
func (l *live) line(text string) {
	if l.drawing == nil {
		fmt.Fprintln(l.w, text)
		return
	}
	fmt.Fprintln(l.drawing, text)
}

// end takes one step off the drawing. Called with mu held.
func (l *live) end(s *liveStep, text string) {
	l.line(text)
	s.bar.Abort(true)
	l.active--
	if l.active == 0 {
		l.drawing.Wait()
		l.drawing = nil
	}
}

type liveStep struct {
	*live
	name  string
	began time.Time
	bar   *mpb.Bar

	guard       sync.Mutex
	text        string
	done, total int64
	ended       bool
}

func (s *liveStep) Update(format string, args ...any) {
	s.guard.Lock()
	defer s.guard.Unlock()
	s.text = fmt.Sprintf(format, args...)
}

func (s *liveStep) Count(done, total int64, unit string) {
	s.guard.Lock()
	defer s.guard.Unlock()
	s.done, s.total, s.text = done, total, amount(done, total, unit)
}

func (s *liveStep) Done(format string, args ...any) {
	s.finish(s.style.done(), fmt.Sprintf(format, args...))
}

func (s *liveStep) Fail(err error) { s.finish(s.style.fail(), err.Error()) }

func (s *liveStep) finish(mark, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.end(s, s.style.finished(mark, s.name, text, s.clock().Sub(s.began)))
}

var spinnerFrames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func (s *liveStep) spinner() string {
	frame := s.clock().Sub(s.began) / (100 * time.Millisecond)
	return s.style.paint("36", string(spinnerFrames[int(frame)%len(spinnerFrames)]))
}

// state is what stands right of the bar.
func (s *liveStep) state() string {
	s.guard.Lock()
	defer s.guard.Unlock()
	return " " + s.text + "  " + s.style.dim(shortDuration(s.clock().Sub(s.began)))
}

// filler draws the bar of a countable step and nothing for others.
func (s *liveStep) filler() mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		s.guard.Lock()
		done, total := s.done, s.total
		s.guard.Unlock()
		if total <= 0 || stat.AvailableWidth < barWidth {
			return nil
		}
		full := int(min(done, total) * barWidth / total)
		for i := range barWidth {
			mark := "·"
			if i < full {
				mark = "━"
			}
			if _, err := io.WriteString(w, mark); err != nil {
				return err
			}
		}
		return nil
	})
}
