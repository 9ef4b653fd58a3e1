package replace

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Recorded is the report of the replacement that led to a cluster, as far as the
// journal and the migrations know it: without what preflight and parity found in
// detail. Errors: fault.NotFound if the cluster does not exist or replaces none.
func (r *Replacer) Recorded(ctx context.Context, to string) (*Report, error) {
	c, err := r.cluster(ctx, to)
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, fault.New(fault.NotFound, "`landfall cluster list` shows what there is.", "cluster %s does not exist", to)
	case c.Status.Replaces == nil:
		return nil, fault.New(fault.NotFound, "`landfall cluster migrate FROM "+to+"` begins one.", "cluster %s replaces none", to)
	}
	journal := c.Status.Replaces
	x := &run{Replacer: r, from: journal.Cluster, to: to}
	report := &Report{From: x.from, To: to, Steps: journal.Steps, Started: journal.StartedAt.UTC()}
	if report.Migrations, err = x.migrations(ctx); err != nil {
		return nil, err
	}
	for _, s := range journal.Steps {
		if settled(journal) && s.At != nil && s.At.After(report.Ended) {
			report.Ended = s.At.UTC()
		}
	}
	return report, nil
}

// Evidence is the report as a document, with the evidence of the migrations that
// moved the traffic.
func (r *Report) Evidence(moves ...evidence.Document) evidence.Document {
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
		d.Sections = append(d.Sections, evidence.Section{Title: "Traffic", Table: trafficTable(r.Migrations)})
	}
	for _, move := range moves {
		d.Figures = append(d.Figures, move.Figures...)
		d.Sections = append(d.Sections, titled(move.Title+": ", move)...)
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
