package parity

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/landfall-dev/landfall/internal/result"
)

// WriteOptions say what is written for people.
type WriteOptions struct {
	// Ignored shows also what does not count, and why.
	Ignored bool
}

// Write writes the report for people: objects by kind, what differs object by
// object, and the answer in a line.
func (r *Report) Write(w io.Writer, o WriteOptions) error {
	p := &printer{w: w}
	p.kinds(r)
	p.objects(r)
	p.workloads(r)
	p.checks(r)
	for _, u := range r.Unknown {
		p.line("unknown: %s: %s", u.What, u.Reason)
	}
	if o.Ignored {
		p.ignored(r)
	}
	for _, rule := range r.Unused {
		p.line("unused rule: %s (%s): nothing was ignored by it", RuleText(rule), rule.Reason)
	}
	p.line("%s: %s", Word(r.Answer), r.Summary())
	return p.err
}

// printer writes lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

// line writes one line; what objects hold is made safe to print.
func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, result.Clean(fmt.Sprintf(format, args...)))
	}
}

// blank writes an empty line.
func (p *printer) blank() {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w)
	}
}

func (p *printer) table(header []string, rows [][]string) {
	if p.err != nil || len(rows) == 0 {
		return
	}
	table := tabwriter.NewWriter(p.w, 0, 8, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i := range row {
			row[i] = result.Clean(row[i])
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	p.err = table.Flush()
	p.blank()
}

func (p *printer) kinds(r *Report) {
	var rows [][]string
	for _, k := range r.Kinds {
		rows = append(rows, k.KindRow())
	}
	header := r.KindColumns()
	for i := range header {
		header[i] = strings.ToUpper(header[i])
	}
	p.table(header, rows)
}

func (p *printer) objects(r *Report) {
	for _, o := range r.Objects {
		switch o.State {
		case Missing, Extra:
			p.line("%s", o.String(r.To))
			continue
		case Unknown:
			p.line("%s", o.String(r.To))
		default:
			p.line("%s", o.Key)
		}
		for _, d := range o.Differences {
			p.line("  %s", Text(d))
		}
		if o.More > 0 {
			p.line("  and %d more", o.More)
		}
	}
	if len(r.Objects) > 0 {
		p.blank()
	}
}

func (p *printer) workloads(r *Report) {
	n := 0
	for _, w := range r.Workloads {
		if w.Reason != "" && w.Answer != result.Holds {
			p.line("%s: %s %s", w.Answer, w.Key, w.Reason)
			n++
		}
	}
	if n > 0 {
		p.blank()
	}
}

func (p *printer) checks(r *Report) {
	if len(r.Checks) == 0 {
		return
	}
	for _, c := range r.Checks {
		if a := c.answer(); a != result.Holds {
			p.line("%s: check %s: %s (in %s: %s)", a, c.Name, c.Reason, r.From, said(c.From))
		}
	}
	p.line("%d of %d checks hold in %s", r.checks(result.Holds), len(r.Checks), r.To)
	p.blank()
}

func (p *printer) ignored(r *Report) {
	if len(r.Ignored) == 0 {
		return
	}
	p.line("does not count:")
	for _, i := range r.Ignored {
		p.line("  %d× %s", i.Count, i.Rule.Reason)
		if i.Example != "" {
			p.line("     as %s", i.Example)
		}
		if i.Source != "" {
			p.line("     %s", i.Source)
		}
	}
	p.blank()
}
