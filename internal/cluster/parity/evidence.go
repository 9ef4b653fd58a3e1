package parity

import (
	"fmt"
	"strconv"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// Evidence is the report as a document.
func (r *Report) Evidence() evidence.Document {
	d := evidence.Document{
		Kind: "parity", Name: r.From + " and " + r.To, Title: fmt.Sprintf("%s against %s", r.To, r.From),
		Answer: r.Answer, Outcome: r.Summary(), Started: r.At, Ended: r.At.Add(r.Took),
		Figures: r.figures(),
		Sections: []evidence.Section{
			{Title: "Objects by kind", Table: r.kindTable()},
		},
	}
	add := func(title, text string, table evidence.Table) {
		if len(table.Rows) > 0 {
			d.Sections = append(d.Sections, evidence.Section{Title: title, Text: text, Table: &table})
		}
	}
	add("What differs", "", r.objectTable())
	add("What could not be read", "", unknownTable(r.Unknown))
	add("Workloads", "Ready and wanted pods.", r.workloadTable())
	add("Checks", "What the baseline says of each side.", r.checkTable())
	add("What does not count", "Differences that a rule leaves out.", r.ignoredTable())
	return d
}

func (r *Report) figures() []evidence.Figure {
	sum := r.Count()
	figure := func(name string, n int, bad result.Answer) evidence.Figure {
		f := evidence.Figure{Name: name, Value: strconv.Itoa(n)}
		if n > 0 {
			f.Answer = evidence.Judged(bad)
		}
		return f
	}
	return []evidence.Figure{
		figure("equal", sum.Equal, result.Holds), figure("different", sum.Different, result.Fails), figure("missing", sum.Missing, result.Fails),
		figure("extra", sum.Extra, result.Fails), figure("unknown", sum.Unknown+len(r.Unknown), result.Unknown),
	}
}

// KindRow is a kind in words: kind, objects of both sides, and how many are
// equal, different, missing, extra, unknown.
func (k KindCount) KindRow() []string {
	row := []string{k.Kind}
	for i, n := range []int{k.From, k.To, k.Equal + k.Ignored, k.Different, k.Missing, k.Extra, k.Unknown} {
		if n == 0 && i > 2 {
			row = append(row, "-")
			continue
		}
		row = append(row, strconv.Itoa(n))
	}
	return row
}

// KindColumns are the columns of KindRow.
func (r *Report) KindColumns() []string {
	return []string{"kind", r.From, r.To, "equal", "different", "missing", "extra", "unknown"}
}

// answer for all objects of the kind.
func (k KindCount) answer() result.Answer {
	return result.Counts{Holds: k.Equal + k.Ignored, Fails: k.Different + k.Missing + k.Extra, Unknown: k.Unknown}.Answer()
}

func (r *Report) kindTable() *evidence.Table {
	t := &evidence.Table{Columns: r.KindColumns()}
	for _, k := range r.Kinds {
		t.Rows = append(t.Rows, evidence.Row{Cells: k.KindRow(), Answer: evidence.Judged(k.answer())})
	}
	return t
}

func (r *Report) objectTable() evidence.Table {
	t := evidence.Table{Columns: []string{"object", "field", r.From, r.To}}
	for _, o := range r.Objects {
		row := func(answer result.Answer, cells ...string) {
			t.Rows = append(t.Rows, evidence.Row{Cells: append([]string{o.Key.String()}, cells...), Answer: evidence.Judged(answer)})
		}
		switch o.State {
		case Missing:
			row(result.Fails, "", "is there", "is missing")
		case Extra:
			row(result.Fails, "", "is missing", "is there")
		case Unknown:
			row(result.Unknown, "", o.Reason, "")
		}
		for _, d := range o.Differences {
			row(result.Fails, d.Path, brief(d.From), brief(d.To))
		}
		if o.More > 0 {
			row(result.Fails, fmt.Sprintf("and %d more", o.More), "", "")
		}
	}
	return t
}

func unknownTable(all []transfer.Unreadable) evidence.Table {
	t := evidence.Table{Columns: []string{"what", "why"}}
	for _, u := range all {
		t.Rows = append(t.Rows, evidence.Row{Cells: []string{u.What, u.Reason}, Answer: evidence.Judged(result.Unknown)})
	}
	return t
}

func (r *Report) workloadTable() evidence.Table {
	t := evidence.Table{Columns: []string{"workload", r.From, r.To, "why"}}
	for _, w := range r.Workloads {
		t.Rows = append(t.Rows, evidence.Row{Cells: []string{w.Key.String(), w.From.String(), w.To.String(), w.Reason}, Answer: evidence.Judged(w.Answer)})
	}
	return t
}

// String reads "2 of 3".
func (r Running) String() string { return fmt.Sprintf("%d of %d", r.Ready, r.Desired) }

func (r *Report) checkTable() evidence.Table {
	t := evidence.Table{Columns: []string{"check", r.From, r.To, "why"}}
	for _, c := range r.Checks {
		t.Rows = append(t.Rows, evidence.Row{Cells: []string{c.Name, said(c.From), said(c.To), c.Reason}, Answer: evidence.Judged(c.answer())})
	}
	return t
}

// said is an answer's word, "not asked" for none.
func said(a *result.Answer) string {
	if a == nil {
		return "not asked"
	}
	return a.String()
}

func (r *Report) ignoredTable() evidence.Table {
	t := evidence.Table{Columns: []string{"how often", "why", "rule", "example", "source"}}
	for _, i := range r.Ignored {
		source := i.Source
		if source == "" {
			source = "yours"
		}
		t.Rows = append(t.Rows, evidence.Row{Cells: []string{strconv.Itoa(i.Count), i.Rule.Reason, RuleText(i.Rule), i.Example, source}})
	}
	return t
}
