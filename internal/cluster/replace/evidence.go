package replace

import (
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// Evidence is the report as a document.
func (r *Report) Evidence() evidence.Document {
	d := evidence.Document{
		Kind: "cluster migration", Name: r.From + " to " + r.To, Title: fmt.Sprintf("Cluster %s replaced by %s", r.From, r.To),
		Started: r.Started, Ended: r.Ended, Answer: result.Holds, Outcome: fmt.Sprintf("everything runs on %s", r.To),
	}
	table := evidence.Table{Columns: []string{"step", "state", "what came of it", "at"}}
	for _, s := range r.Steps {
		answer := result.Holds
		if s.State != Done {
			answer = result.Unknown
			if s.State == Failed {
				answer = result.Fails
			}
			if d.Answer == result.Holds {
				d.Answer, d.Outcome = answer, fmt.Sprintf("%s: %s", s.Name, s.Message)
			}
		}
		at := ""
		if s.At != nil {
			at = s.At.UTC().Format(time.RFC3339)
		}
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{s.Name, s.State, s.Message, at}, Answer: evidence.Judged(answer)})
	}
	d.Sections = append(d.Sections, evidence.Section{Title: "Steps", Table: &table})
	if len(r.Migrations) > 0 {
		d.Sections = append(d.Sections, evidence.Section{Title: "Traffic", Text: "Each migration keeps evidence of its own: `landfall migrate evidence`.", Table: trafficTable(r.Migrations)})
	}
	if r.Preflight != nil {
		d.Sections = append(d.Sections, titled("Preflight: ", r.Preflight.Evidence())...)
	}
	if r.Parity != nil {
		d.Figures = append(d.Figures, r.Parity.Evidence().Figures...)
		d.Sections = append(d.Sections, titled("Parity: ", r.Parity.Evidence())...)
	}
	return d
}

func trafficTable(all []v1alpha1.Migration) *evidence.Table {
	table := &evidence.Table{Columns: []string{"hostname", "from", "to", "phase", "weight"}}
	for i := range all {
		m := &all[i]
		table.Rows = append(table.Rows, evidence.Row{Cells: []string{m.Spec.Hostname, m.Spec.From.Name, m.Spec.To.Name, string(m.Status.Phase), m.Status.Weight}})
	}
	return table
}

// titled are the sections of a document as parts of another.
func titled(prefix string, d evidence.Document) []evidence.Section {
	sections := make([]evidence.Section, len(d.Sections))
	for i, s := range d.Sections {
		s.Title = prefix + s.Title
		sections[i] = s
	}
	return sections
}
