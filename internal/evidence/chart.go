package evidence

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size of a drawing in its own units, and the room around the plot.
const (
	width, height            = 1000.0, 220.0
	left, right, top, bottom = 58.0, 32.0, 14.0, 26.0
)

// maxPoints of a line: more cannot be told apart at this width.
const maxPoints = 1500

// drawing is a chart in the units of its picture.
type drawing struct {
	Width, Height float64
	Label, Unit   string
	Rows, Times   []tick
	Lines         []line
	Marks         []mark
}

type tick struct{ X1, X2, Y, TextX, TextY, Text string }

type line struct {
	Name, Area, Line string
	Color            Color
}

type mark struct {
	Text           string
	Color          Color
	X, Top, Bottom string
}

// span is a time axis.
type span struct{ from, to time.Time }

// span of the document: of all its charts and its own times, so that charts
// stand below each other.
func (d Document) span() span {
	var s span
	s.add(d.Started)
	s.add(d.Ended)
	for _, section := range d.Sections {
		if section.Chart == nil {
			continue
		}
		for _, series := range section.Chart.Series {
			for _, p := range series.Points {
				s.add(p.At)
			}
		}
	}
	if !s.to.After(s.from) {
		s.to = s.from.Add(time.Second)
	}
	return s
}

func (s *span) add(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

// axes turn times and values into places.
type axes struct {
	span span
	max  float64
}

func (a axes) x(t time.Time) float64 {
	part := float64(t.Sub(a.span.from)) / float64(a.span.to.Sub(a.span.from))
	return left + min(max(part, 0), 1)*(width-left-right)
}

func (a axes) y(v float64) float64 {
	return height - bottom - min(max(v/a.max, 0), 1)*(height-top-bottom)
}

func draw(c *Chart, s span) drawing {
	step, limit := valueTicks(c.largest())
	a := axes{span: s, max: limit}
	d := drawing{Width: width, Height: height, Unit: c.Unit, Label: c.label()}
	for v := 0.0; v <= limit+step/2; v += step {
		y := a.y(v)
		d.Rows = append(d.Rows, tick{X1: place(left), X2: place(width - right), Y: place(y), TextX: place(left - 6), TextY: place(y + 4), Text: strconv.FormatFloat(v, 'g', 6, 64)})
	}
	for _, t := range timeTicks(s) {
		d.Times = append(d.Times, tick{TextX: place(a.x(t)), TextY: place(height - 8), Text: t.UTC().Format("15:04:05")})
	}
	for _, series := range c.Series {
		if drawn := a.line(series); drawn.Line != "" {
			d.Lines = append(d.Lines, drawn)
		}
	}
	for _, m := range c.Marks {
		text := m.At.UTC().Format("15:04:05") + " " + m.Text
		d.Marks = append(d.Marks, mark{Text: text, Color: m.Color.or(Neutral), X: place(a.x(m.At)), Top: place(top), Bottom: place(height - bottom)})
	}
	return d
}

func (c Color) or(other Color) Color {
	if c == "" {
		return other
	}
	return c
}

func (c *Chart) largest() float64 {
	if c.Max > 0 {
		return c.Max
	}
	largest := 0.0
	for _, series := range c.Series {
		for _, p := range series.Points {
			largest = max(largest, finite(p.Value))
		}
	}
	return largest
}

// finite takes what is no number for nothing.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// label says what the picture shows, for those who do not see it.
func (c *Chart) label() string {
	names := make([]string, 0, len(c.Series))
	for _, series := range c.Series {
		names = append(names, series.Name)
	}
	return strings.Join(names, ", ") + " over time, in " + c.Unit
}

// line draws a series; empty without points.
func (a axes) line(s Series) line {
	points := thinned(s.Points)
	if len(points) == 0 {
		return line{}
	}
	var path strings.Builder
	for i, p := range points {
		x, y := a.x(p.At), a.y(finite(p.Value))
		switch {
		case i == 0:
			fmt.Fprintf(&path, "M%s,%s", place(x), place(y))
		case s.Steps:
			fmt.Fprintf(&path, "H%sV%s", place(x), place(y))
		default:
			fmt.Fprintf(&path, "L%s,%s", place(x), place(y))
		}
	}
	last := a.x(points[len(points)-1].At)
	if s.Steps {
		last = a.x(a.span.to)
		fmt.Fprintf(&path, "H%s", place(last))
	}
	area := fmt.Sprintf("%sL%s,%sL%s,%sZ", path.String(), place(last), place(a.y(0)), place(a.x(points[0].At)), place(a.y(0)))
	return line{Name: s.Name, Color: s.Color.or(Neutral), Line: path.String(), Area: area}
}

// thinned keeps the extremes of a long series, so that no peak is lost.
func thinned(points []Point) []Point {
	if len(points) <= maxPoints {
		return points
	}
	size := (len(points) + maxPoints/2 - 1) / (maxPoints / 2)
	var kept []Point
	for start := 0; start < len(points); start += size {
		part := points[start:min(start+size, len(points))]
		low, high := 0, 0
		for i, p := range part {
			if p.Value < part[low].Value {
				low = i
			}
			if p.Value > part[high].Value {
				high = i
			}
		}
		first, second := min(low, high), max(low, high)
		kept = append(kept, part[first])
		if second != first {
			kept = append(kept, part[second])
		}
	}
	return kept
}

// valueTicks gives a step of 1, 2 or 5 times a power of ten, and the end of the
// axis: four to ten steps of it.
func valueTicks(largest float64) (step, limit float64) {
	if largest <= 0 {
		return 1, 1
	}
	power := math.Pow(10, math.Floor(math.Log10(largest/4)))
	step = power
	for _, factor := range []float64{1, 2, 5, 10} {
		step = power * factor
		if largest/step <= 5 {
			break
		}
	}
	return step, step * math.Ceil(largest/step-1e-9)
}

// timeTicks are full seconds, minutes or hours, at most eight of them.
func timeTicks(s span) []time.Time {
	const most = 8
	step := s.to.Sub(s.from) / most
	for _, round := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if round >= step {
			step = round
			break
		}
	}
	var ticks []time.Time
	for t := s.from.Truncate(step); !t.After(s.to) && len(ticks) <= 2*most; t = t.Add(step) {
		if !t.Before(s.from) {
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// place writes a coordinate as short as can be seen.
func place(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
