package load

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// display shows how a load goes on: a step for each of its steps.
type display struct {
	c       *command.Context
	options load.Options
	at      int
	step    progress.Step
	// before is what was counted before the step began.
	before load.Live
}

func newDisplay(c *command.Context, o load.Options) *display {
	d := &display{c: c, options: o}
	d.begin(0)
	return d
}

func (d *display) begin(i int) {
	d.at = i
	d.step = d.c.Progress().Step(fmt.Sprintf("asking %s, %g/s", host(d.options.URLs), d.options.Steps[i].Rate))
}

func host(urls []string) string {
	u, err := url.Parse(urls[0])
	if err != nil {
		return urls[0]
	}
	return u.Host
}

func (d *display) update(l load.Live) {
	for d.at < l.Step {
		d.step.Done("%s", d.words(l))
		d.before = l
		d.begin(d.at + 1)
	}
	text := d.words(l)
	if l.Length > 0 {
		text += fmt.Sprintf(", %s left", (l.Length - l.Elapsed).Round(time.Second))
	}
	d.step.Update("%s%s", text, sides(l.Last))
}

func (d *display) done(s *load.Summary) {
	text := words(s.Total.Requests, s.Total.Errors, s.Total.Lost)
	if s.Interrupted {
		d.step.Fail(errors.New("interrupted after " + text))
		return
	}
	d.step.Done("%s in all", text)
}

// words say what came of the step's requests.
func (d *display) words(l load.Live) string {
	return words(l.Requests-d.before.Requests, l.Errors-d.before.Errors, l.Lost-d.before.Lost)
}

// words say what came of requests.
func words(requests, errors, lost int64) string {
	return fmt.Sprintf("%d requests, %d errors, %d lost", requests, errors, lost)
}

// sides says who answered in a second, and how fast.
func sides(s load.Second) string {
	var text strings.Builder
	for _, side := range slices.Sorted(maps.Keys(s.Sides)) {
		m := s.Sides[side]
		name := result.Clean(side) + " "
		if side == load.NoSide && len(s.Sides) == 1 {
			name = ""
		}
		fmt.Fprintf(&text, "; %s%d/s p95 %s", name, m.Requests, load.Short(m.P95))
	}
	return text.String()
}
