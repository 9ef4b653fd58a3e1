package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Rehearsal is what was tried on a pair that is not the real one, with the same
// steps and guards.
type Rehearsal struct {
	// Pair that it was tried on.
	Hostname, From, To string
	// BrokenAt is the step (from 0) at which the new side was broken on purpose,
	// and BrokenTime when.
	BrokenAt   int
	BrokenTime time.Time
	// Broken is the record of that attempt: it should have reverted.
	Broken Record
	// Whole is the record of the attempt that went to its end, and then back on
	// a person's word. It is empty if the first one already showed that it
	// cannot be.
	Whole Record
}

// Answer tells whether both attempts went as they should: the broken side was
// left, and the whole one reached its end and came back.
func (r Rehearsal) Answer() (result.Answer, string) { return r.answer(measure(r.Whole)) }

func (r Rehearsal) answer(whole measured) (result.Answer, string) {
	switch phase := r.Broken.Progress.Phase; {
	case phase != traffic.Reverted:
		return result.Fails, fmt.Sprintf("with %s broken traffic did not return: the attempt was left %s", r.To, phase)
	case r.Whole.Progress.Phase == "":
		return result.Fails, "the broken side was left; the whole way was not tried"
	case whole.highest != traffic.All:
		return result.Fails, fmt.Sprintf("the broken side was left; the whole way ended at %d %%: %s", whole.highest, r.Whole.Progress.Reason)
	case r.Whole.Progress.Phase != traffic.Reverted:
		return result.Fails, fmt.Sprintf("the broken side was left and the whole way gone; the way back from 100 %% was left %s", r.Whole.Progress.Phase)
	}
	return result.Holds, fmt.Sprintf("%s was broken at step %d and traffic returned by itself; the whole way and the way back from 100 %% worked", r.To, r.BrokenAt+1)
}

// Runbook is what people hold in their hands while the real migration runs: its
// steps with the timings that the rehearsal measured, whom to call, and how to
// return, with Landfall and without it. ByHand are the commands for the router
// itself.
func Runbook(plan traffic.Timeline, d traffic.Definition, r Rehearsal, byHand string) evidence.Document {
	doc := evidence.Document{
		Kind: "runbook", Name: d.Name,
		Title:   fmt.Sprintf("Runbook: %s from %s to %s", d.Hostname, d.From.Name, d.To.Name),
		Started: r.Broken.Progress.Started, Ended: r.Whole.Progress.Ended,
	}
	broken, whole := measure(r.Broken), measure(r.Whole)
	answer, outcome := r.answer(whole)
	doc.Answer, doc.Outcome = answer, fmt.Sprintf("rehearsed on %s: %s", r.Hostname, outcome)
	doc.Figures = []evidence.Figure{
		{Name: "at the earliest", Value: result.Round(plan.Earliest).String(), Note: approvals(plan.Approvals)},
		reaction(r, broken),
		back(r.Whole, whole),
	}
	doc.Sections = append(doc.Sections, before(d, plan))
	if len(plan.Remarks) > 0 {
		doc.Sections = append(doc.Sections, remarks(plan))
	}
	doc.Sections = append(doc.Sections, rehearsedSteps(d, plan, whole))
	if len(d.Contacts) > 0 {
		doc.Sections = append(doc.Sections, contacts(d))
	}
	doc.Sections = append(doc.Sections, during(d), wayBackRehearsed(d))
	if byHand != "" {
		doc.Sections = append(doc.Sections, evidence.Section{Title: "If Landfall itself is gone", Text: "These commands to the router return all traffic. Landfall finds the change when it is back, and shows it.", Code: byHand})
	}
	doc.Sections = append(doc.Sections,
		evidence.Section{Title: "Afterwards", Text: fmt.Sprintf("%s stays ready until somebody lets go of it. Until then abort still works.", d.From.Name), Code: "landfall migrate finish " + d.Name},
		titled(weightChart(r.Broken, broken), fmt.Sprintf("Rehearsal: %s broken at step %d", r.To, r.BrokenAt+1)))
	if r.Whole.Progress.Phase != "" {
		doc.Sections = append(doc.Sections, titled(weightChart(r.Whole, whole), "Rehearsal: the whole way, and back"))
	}
	return doc
}

func approvals(n int) string {
	switch n {
	case 0:
		return "nobody has to approve anything"
	case 1:
		return "with one approval, given at once"
	}
	return fmt.Sprintf("with %d approvals, given at once", n)
}

func titled(s evidence.Section, title string) evidence.Section {
	s.Title = title
	return s
}

// reaction is how long the broken side still got requests.
func reaction(r Rehearsal, m measured) evidence.Figure {
	f := evidence.Figure{Name: "from breaking to the way back", Value: "never", Note: "the new side broken on purpose", Answer: evidence.Judged(result.Fails)}
	since := r.BrokenTime
	if since.IsZero() {
		since = m.firstBad
	}
	if !m.returned.IsZero() && !since.IsZero() {
		f.Value, f.Answer = result.Round(m.returned.Sub(since)).String(), evidence.Judged(result.Holds)
	}
	return f
}

// back is how long the way back took on a person's word.
func back(r Record, m measured) evidence.Figure {
	f := evidence.Figure{Name: "from abort to the way back", Value: "not measured", Note: "by a person, from 100 %"}
	var said time.Time
	for _, event := range r.Events {
		if event.Word != nil && event.Word.Verb == traffic.SayAbort {
			said = event.Word.At
		}
	}
	if said.IsZero() {
		return f
	}
	for _, p := range m.weights {
		if p.At.After(said) && p.Value == 0 {
			f.Value = result.Round(p.At.Sub(said)).String()
			break
		}
	}
	return f
}

// before says what must be so before anybody begins.
func before(d traffic.Definition, plan traffic.Timeline) evidence.Section {
	table := &evidence.Table{Columns: []string{"what is normal", "fails within", "if it stays unknown"}}
	for _, n := range plan.Back.Notice {
		unknown := "holds the step for as long as it lasts"
		if n.Unknown >= 0 {
			unknown = "a failure after " + result.Round(n.Unknown).String()
		}
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{n.Guard, result.Round(n.Failing).String(), unknown}})
	}
	return evidence.Section{Title: "Before", Text: "Everybody who is named below knows that it begins.", Table: table, Code: fmt.Sprintf("landfall migrate plan %s\nlandfall migrate start %s -w", d.Name, d.Name)}
}

func remarks(plan traffic.Timeline) evidence.Section {
	table := &evidence.Table{Columns: []string{"mind that"}}
	for _, remark := range plan.Remarks {
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{remark}})
	}
	return evidence.Section{Title: "Mind", Table: table}
}

// rehearsedSteps are the steps of the real migration with what was measured.
func rehearsedSteps(d traffic.Definition, plan traffic.Timeline, m measured) evidence.Section {
	table := &evidence.Table{Columns: []string{"step", "weight", "begins", "in effect after", "rehearsed", "holds for", "then"}}
	for i, step := range plan.Steps {
		rehearsed := "not reached"
		if seen, ok := m.steps[i]; ok && !seen.settled.IsZero() {
			rehearsed = result.Round(seen.settled.Sub(seen.written)).String()
		}
		then := "goes on by itself"
		switch {
		case step.Approval:
			then = fmt.Sprintf("landfall migrate approve %s", d.Name)
		case i == len(plan.Steps)-1:
			then = "completed"
		}
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{
			strconv.Itoa(i + 1), percent(step.Weight), "+" + result.Round(step.Begins).String(),
			result.Round(step.Takes + step.Residual).String(), rehearsed, result.Round(step.Hold).String(), then,
		}})
	}
	return evidence.Section{Title: "Steps", Table: table}
}

// during are the commands for the time in between.
func during(d traffic.Definition) evidence.Section {
	return evidence.Section{Title: "While it runs", Code: fmt.Sprintf(`# everybody may watch
landfall migrate status %[1]s -w
# stay at this weight, and go on
landfall migrate pause %[1]s
landfall migrate resume %[1]s`, d.Name)}
}

func wayBackRehearsed(d traffic.Definition) evidence.Section {
	return evidence.Section{Title: "Way back", Text: fmt.Sprintf("At any moment, by anybody who may; nothing is waited for. All traffic returns to %s.", d.From.Name), Code: "landfall migrate abort " + d.Name}
}
