// Package terminal shows progress to people: live lines with bars on a
// terminal, plain lines elsewhere. Start at New.
package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/landfall-dev/landfall/internal/progress"
)

// Options of a Reporter.
type Options struct {
	// Live redraws lines; only for terminals.
	Live bool
	// Color allows colours.
	Color bool
	// Clock is time.Now where nil.
	Clock func() time.Time
}

// New makes a Reporter that writes to w. When no step is under way nothing is
// drawn, so other output may be written.
func New(w io.Writer, options Options) progress.Reporter {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	style := style{color: options.Color}
	if options.Live {
		return &live{w: w, style: style, clock: options.Clock}
	}
	return &plain{w: w, style: style, clock: options.Clock}
}

// style dresses the marks at the beginning of lines.
type style struct{ color bool }

func (s style) done() string { return s.paint("32", "✓") }
func (s style) fail() string { return s.paint("31", "✗") }
func (s style) note() string { return s.paint("2", "·") }

func (s style) dim(text string) string { return s.paint("2", text) }

func (s style) paint(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// finished is the line that a step leaves behind.
func (s style) finished(mark, name, text string, took time.Duration) string {
	line := mark + " " + name
	if text != "" {
		line += "  " + text
	}
	return line + "  " + s.dim(shortDuration(took))
}

// shortDuration is readable at a glance: 0.4s, 12s, 3m05s.
func shortDuration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	default:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
}

// amount is a count with its unit; bytes get a readable size.
func amount(done, total int64, unit string) string {
	show := func(n int64) string {
		if unit == "bytes" || unit == "B" {
			return size(n)
		}
		return fmt.Sprint(n)
	}
	text := show(done)
	if total > 0 {
		text += " of " + show(total)
	}
	if unit != "" && unit != "bytes" && unit != "B" {
		text += " " + unit
	}
	return text
}

func size(n int64) string {
	const kilo = 1000
	value, suffix := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if value < kilo {
			break
		}
		value, suffix = value/kilo, next
	}
	if suffix == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}
