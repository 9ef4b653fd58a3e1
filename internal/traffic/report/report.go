// Package report says what a migration did in the words of evidence: from its
// definition, its journal and the events that were recorded. It reads nothing
// else, so that a page can be written again years later.
//
// Start at Migration, for what happened, and Runbook, for what a rehearsal
// teaches about the real one.
package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Record is all that is known of one migration.
type Record struct {
	Definition traffic.Definition
	Progress   traffic.Progress
	// Events in order of time.
	Events []traffic.Event
	// Dropped counts events that were not kept.
	Dropped int
}

// Migration is the evidence of one migration.
func Migration(r Record) evidence.Document {
	m := measure(r)
	d := evidence.Document{
		Kind: "migration", Name: r.Definition.Name,
		Title:   fmt.Sprintf("%s: %s to %s", r.Definition.Hostname, r.Definition.From.Name, r.Definition.To.Name),
		Started: r.Progress.Started, Ended: r.Progress.Ended,
		Figures: figures(r, m),
	}
	d.Answer, d.Outcome = outcome(r)
	d.Sections = append(d.Sections, weightChart(r, m))
	d.Sections = append(d.Sections, m.trafficCharts(r)...)
	d.Sections = append(d.Sections, steps(r, m), guards(r), decisions(r))
	if said := people(r); len(said.Table.Rows) > 0 {
		d.Sections = append(d.Sections, said)
	}
	d.Sections = append(d.Sections, wayBack(r)...)
	if r.Dropped > 0 {
		d.Sections = append(d.Sections, evidence.Section{Title: "Not kept", Text: fmt.Sprintf("%d events were dropped to keep the record small: figures between two kept events are sums, nothing is missing from totals.", r.Dropped)})
	}
	return d
}

// outcome of the whole: moved holds, returned fails, and what is under way is
// unknown.
func outcome(r Record) (result.Answer, string) {
	from, to := r.Definition.From.Name, r.Definition.To.Name
	because := ""
	if reason := strings.TrimPrefix(r.Progress.Reason, "reverted: "); reason != "" {
		because = ": " + reason
	}
	switch r.Progress.Phase {
	case traffic.Completed:
		return result.Holds, fmt.Sprintf("all traffic goes to %s; %s stays ready until `landfall migrate finish`", to, from)
	case traffic.Finished:
		if r.Progress.Wanted == traffic.None {
			return result.Fails, fmt.Sprintf("all traffic stays at %s; %s was let go", from, to)
		}
		return result.Holds, fmt.Sprintf("all traffic goes to %s; %s was let go", to, from)
	case traffic.Reverted:
		return result.Fails, fmt.Sprintf("all traffic is back at %s%s", from, because)
	}
	return result.Unknown, fmt.Sprintf("under way, %s at %d %% for %s%s", r.Progress.Phase, r.Progress.Wanted, to, because)
}

func figures(r Record, m measured) []evidence.Figure {
	list := []evidence.Figure{{Name: "highest weight", Value: percent(m.highest), Note: "of new requests, read back from the router"}}
	if m.counted {
		failed := m.total[traffic.Old].Errors + m.total[traffic.New].Errors
		list = append(list,
			evidence.Figure{Name: "requests", Value: thousands(m.total[traffic.Old].Requests + m.total[traffic.New].Requests), Note: fmt.Sprintf("%s to %s, %s to %s", thousands(m.total[traffic.Old].Requests), r.Definition.From.Name, thousands(m.total[traffic.New].Requests), r.Definition.To.Name)},
			evidence.Figure{Name: "requests that failed", Value: thousands(failed), Note: fmt.Sprintf("status 5xx or no answer: %s at %s, %s at %s", thousands(m.total[traffic.Old].Errors), r.Definition.From.Name, thousands(m.total[traffic.New].Errors), r.Definition.To.Name), Answer: evidence.Judged(noneFailed(failed))})
	}
	if !m.firstBad.IsZero() && !m.returned.IsZero() {
		list = append(list, evidence.Figure{Name: "from first bad response to the way back", Value: result.Round(m.returned.Sub(m.firstBad)).String(), Note: "until the router was seen to send nothing more to " + r.Definition.To.Name})
	}
	if !m.firstBad.IsZero() && m.lastNew.After(m.firstBad) && r.Progress.Wanted == traffic.None {
		list = append(list, evidence.Figure{Name: "from first bad response to the last request there", Value: result.Round(m.lastNew.Sub(m.firstBad)).String(), Note: "at most, by the router's counters"})
	}
	return list
}

func noneFailed(failed int64) result.Answer {
	if failed == 0 {
		return result.Holds
	}
	return result.Fails
}

// steps says when each step was reached and how long everything took.
func steps(r Record, m measured) evidence.Section {
	table := &evidence.Table{Columns: []string{"step", "weight", "written", "in effect after", "held for", "asked for"}}
	for i, step := range r.Definition.Steps {
		row := evidence.Row{Cells: []string{strconv.Itoa(i + 1), percent(step.Weight), "", "", "", holdText(step)}}
		if seen, ok := m.steps[i]; ok {
			row.Cells[2] = clock(seen.written)
			if !seen.settled.IsZero() {
				row.Cells[3] = result.Round(seen.settled.Sub(seen.written)).String()
				row.Cells[4] = result.Round(seen.left.Sub(seen.settled)).String()
			}
		}
		table.Rows = append(table.Rows, row)
	}
	return evidence.Section{Title: "Steps", Table: table}
}

func holdText(s traffic.Step) string {
	text := s.Hold.String()
	if s.Approval {
		text += ", then a person's approval"
	}
	return text
}

// guards lists what each guard said, the worst of it first in mind: how often
// it failed or was unknown, and what it said last.
func guards(r Record) evidence.Section {
	table := &evidence.Table{Columns: []string{"guard", "readings", "failed", "unknown", "last value", "bound", "reason"}}
	for _, rule := range r.Definition.Guards {
		var counts result.Counts
		var last traffic.Reading
		worst := result.Holds
		for _, event := range r.Events {
			if event.Reading == nil || event.Reading.Guard != rule.Name {
				continue
			}
			last = *event.Reading
			counts.Add(last.Answer)
			if last.Answer == result.Fails || last.Answer == result.Unknown && worst == result.Holds {
				worst = last.Answer
			}
		}
		if counts.Total() == 0 {
			worst, last.Reason = result.Unknown, "was never read"
		}
		table.Rows = append(table.Rows, evidence.Row{
			Cells:  []string{rule.Name, strconv.Itoa(counts.Total()), strconv.Itoa(counts.Fails), strconv.Itoa(counts.Unknown), last.Value, last.Bound, last.Reason},
			Answer: evidence.Judged(worst),
		})
	}
	return evidence.Section{Title: "Guards", Table: table}
}

// decisions in order; one that is only repeated is told once.
func decisions(r Record) evidence.Section {
	table := &evidence.Table{Columns: []string{"when", "phase", "decision", "reason"}}
	told := ""
	for _, event := range r.Events {
		what, why := "", event.Note
		if d := event.Decision; d != nil {
			what, why = decided(*d), d.Reason
		}
		if what == "" && why == "" || told == what+why {
			continue
		}
		told = what + why
		row := evidence.Row{Cells: []string{clock(event.At), string(event.Phase), what, why}}
		if event.Phase == traffic.Reverting {
			row.Answer = evidence.Judged(result.Fails)
		}
		table.Rows = append(table.Rows, row)
	}
	return evidence.Section{Title: "Decisions", Table: table}
}

func decided(d traffic.Decision) string {
	switch d.Action {
	case traffic.DoWrite:
		return "weight " + percent(d.Weight)
	case traffic.DoDrain:
		return "cut what is left on the " + string(d.Side) + " side"
	default:
		return string(d.Action)
	}
}

// people lists what was said, and by whom.
func people(r Record) evidence.Section {
	table := &evidence.Table{Columns: []string{"when", "who", "said", "why"}}
	for _, event := range r.Events {
		if w := event.Word; w != nil {
			table.Rows = append(table.Rows, evidence.Row{Cells: []string{clock(w.At), w.By, said(*w), w.Why}})
		}
	}
	return evidence.Section{Title: "People", Table: table}
}

func said(w traffic.Word) string {
	if w.Verb == traffic.SayApprove {
		return fmt.Sprintf("approve step %d", w.Step+1)
	}
	return string(w.Verb)
}

// wayBack says how to return, and whom to call.
func wayBack(r Record) []evidence.Section {
	var list []evidence.Section
	if r.Progress.Phase != traffic.Finished && r.Progress.Wanted > traffic.None {
		list = append(list, evidence.Section{Title: "Way back", Text: fmt.Sprintf("One command returns all traffic to %s.", r.Definition.From.Name), Code: "landfall migrate abort " + r.Definition.Name})
	}
	if len(r.Definition.Contacts) > 0 {
		list = append(list, contacts(r.Definition))
	}
	return list
}

func contacts(d traffic.Definition) evidence.Section {
	table := &evidence.Table{Columns: []string{"who", "role", "how"}}
	for _, c := range d.Contacts {
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{c.Name, c.Role, c.Address}})
	}
	return evidence.Section{Title: "Contacts", Table: table}
}

func percent(w traffic.Weight) string { return strconv.Itoa(int(w)) + " %" }

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("15:04:05.0")
}

// thousands writes a count with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
