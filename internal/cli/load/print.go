package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/load"
	"github.com/landfall-dev/landfall/internal/result"
)

// report is all that came of a run.
type report struct {
	*load.Summary
	// Components and Logs of the environment, where one was asked.
	Components []load.ComponentScaling
	Logs       *load.Arrival
	Bounds     result.Report
}

// document is a report as programs read it.
type document struct {
	*load.Summary
	Components []load.ComponentScaling `json:"components,omitempty"`
	Logs       *load.Arrival           `json:"logs,omitempty"`
	Bounds     *result.Document        `json:"bounds,omitempty"`
}

func (r report) print(c *command.Context) error {
	doc := document{Summary: r.Summary, Components: r.Components, Logs: r.Logs}
	if len(r.Bounds.Results) > 0 {
		bounds := r.Bounds.Document()
		doc.Bounds = &bounds
	}
	return c.Print(doc, func(w io.Writer) error { return r.people(c, w) })
}

func (r report) people(c *command.Context, w io.Writer) error {
	if err := command.Rows(w, []string{"step", "rate", "requests", "errors", "lost", "p50", "p95", "p99", "max"}, r.stepRows()); err != nil {
		return err
	}
	if len(r.Sides) > 1 {
		fmt.Fprintln(w)
		if err := command.Rows(w, []string{"side", "requests", "errors", "lost", "p50", "p95", "p99", "max"}, r.sideRows()); err != nil {
			return err
		}
	}
	for _, line := range r.remarks() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if len(r.Bounds.Results) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return r.Bounds.Write(w, "", result.Options{Name: "landfall load", Color: c.Color(w), All: true})
}

func (r report) stepRows() [][]string {
	var rows [][]string
	for i, s := range r.Steps {
		rate := strconv.FormatFloat(s.Rate, 'f', -1, 64) + "/s"
		if !s.KeptUp() {
			rate += " (late)"
		}
		rows = append(rows, append([]string{strconv.Itoa(i + 1), rate}, figures(s.Figures)...))
	}
	if len(r.Steps) > 1 {
		rows = append(rows, append([]string{"all", ""}, figures(r.Total)...))
	}
	return rows
}

func (r report) sideRows() [][]string {
	var rows [][]string
	for _, side := range slices.Sorted(maps.Keys(r.Sides)) {
		rows = append(rows, append([]string{result.Clean(side)}, figures(r.Sides[side])...))
	}
	return rows
}

func figures(f load.Figures) []string {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	l := f.Latency
	return []string{
		count(f.Requests), count(f.Errors), count(f.Lost),
		load.Short(l.P50), load.Short(l.P95), load.Short(l.P99), load.Short(l.Max),
	}
}

// remarks are what the tables do not say.
func (r report) remarks() []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if r.Total.Errors > 0 {
		say("statuses: %s", tallied(r.Total.Statuses))
	}
	if r.Total.Lost > 0 {
		first := r.Lost[0]
		say("lost: %s; the first at %s: %s", tallied(r.Total.Losses), first.Due.Format("15:04:05.000"), result.Clean(first.Cause))
	}
	if r.Total.Resent > 0 {
		say("sent again: %d, because the server closed a kept connection", r.Total.Resent)
	}
	for i, s := range r.Steps {
		if !s.KeptUp() {
			say("step %d: this machine did not keep up; requests were sent up to %s late, and latencies count that", i+1, load.Short(s.Late))
		}
	}
	if r.Interrupted {
		say("interrupted: %d requests under way were given up and are not counted", r.Abandoned)
	}
	for _, component := range r.Components {
		say("%s: %s", component.Component, scaled(component))
	}
	if r.Logs != nil {
		say("logs: %s: %s", r.Logs.Answer, result.Clean(r.Logs.Reason))
	}
	if len(lines) > 0 {
		lines = append([]string{""}, lines...)
	}
	return lines
}

// tallied writes counts by what is counted.
func tallied[K int | load.Loss](counts map[K]int64) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d × %v", counts[key], key))
	}
	return strings.Join(parts, ", ")
}

// scaled says whether a component got more instances.
func scaled(c load.ComponentScaling) string {
	switch {
	case c.ScaledOut():
		return fmt.Sprintf("scaled out from %d to %d ready, the first more after %.0f s", c.Before.Ready, c.Most.Ready, *c.Served)
	case c.Most.Desired > c.Before.Desired:
		return fmt.Sprintf("%d were asked for after %.0f s, but no more than %d became ready", c.Most.Desired, *c.Asked, c.Most.Ready)
	}
	return fmt.Sprintf("did not scale out: %d of %d ready", c.After.Ready, c.After.Desired)
}
