package preflight

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/result"
)

// maxShown bounds the objects of a finding that people are shown; programs get
// more.
const maxShown = 5

var marks = map[Severity]string{Block: "✗", Unknown: "?", Warn: "!", Note: "·"}

var colors = map[Severity]string{Block: "31;1", Unknown: "33;1", Warn: "33", Note: "2"}

// answers are those of severities, for evidence.
var answers = map[Severity]result.Answer{Block: result.Fails, Unknown: result.Unknown}

// Write writes the report for people: findings, the worst first, then a line
// that sums up. Texts of objects are made safe to print.
func (r *Report) Write(w io.Writer, color bool) error {
	paint := func(text string, s Severity) string {
		if !color {
			return text
		}
		return "\x1b[" + colors[s] + "m" + text + "\x1b[0m"
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s  %s  %s\n", paint(fmt.Sprintf("%s %-7s", marks[f.Severity], f.Severity), f.Severity), f.Check, f.subject(r.To))
		fmt.Fprintf(&b, "    %s\n", result.Clean(f.What))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "    → %s\n", result.Clean(f.Remedy))
		}
		if f.Source != "" {
			fmt.Fprintf(&b, "      %s\n", f.Source)
		}
		b.WriteByte('\n')
	}
	b.WriteString(r.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// subject is whom the finding is about: "Deployment shop/web and 3 more".
func (f Finding) subject(to string) string {
	if len(f.Objects) == 0 {
		return "cluster " + to
	}
	shown := f.Objects[:min(len(f.Objects), maxShown)]
	text := result.Clean(strings.Join(shown, ", "))
	if more := f.Count - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// summary in one or two lines.
func (r *Report) summary() string {
	var counts []string
	for _, s := range []struct {
		severity  Severity
		one, more string
	}{{Block, "blocks", "block"}, {Unknown, "unknown", "unknown"}, {Warn, "warning", "warnings"}, {Note, "note", "notes"}} {
		switch n := r.Count(s.severity); n {
		case 0:
		case 1:
			counts = append(counts, "1 "+s.one)
		default:
			counts = append(counts, fmt.Sprintf("%d %s", n, s.more))
		}
	}
	if len(counts) == 0 {
		counts = []string{"nothing stands in the way"}
	}
	line := fmt.Sprintf("%s → %s: %s · %s, %s · Kubernetes %s → %s", r.From, r.To, strings.Join(counts, ", "),
		english.Plural(r.Objects, "object", ""), english.Plural(r.Workloads, "workload", ""), r.FromVersion, r.ToVersion)
	if len(r.Skipped) > 0 {
		line += "\nnot looked at: " + strings.Join(r.Skipped, ", ")
	}
	return line
}

// Evidence is the report as a page to keep.
func (r *Report) Evidence() evidence.Document {
	d := evidence.Document{
		Kind: "preflight", Name: r.From + "-" + r.To, Title: fmt.Sprintf("Preflight from %s to %s", r.From, r.To),
		Answer: r.Answer, Outcome: r.Outcome(),
		Figures: []evidence.Figure{
			{Name: "Blockers", Value: fmt.Sprint(r.Count(Block)), Answer: evidence.Judged(r.Answer)},
			{Name: "Unknown", Value: fmt.Sprint(r.Count(Unknown))},
			{Name: "Warnings", Value: fmt.Sprint(r.Count(Warn))},
			{Name: "Objects", Value: fmt.Sprint(r.Objects), Note: english.Plural(r.Workloads, "workload", "") + " among them"},
			{Name: "Kubernetes", Value: r.ToVersion, Note: "on " + r.To + "; " + r.FromVersion + " on " + r.From},
		},
	}
	for _, s := range Severities {
		if section := r.section(s); section.Table != nil {
			d.Sections = append(d.Sections, section)
		}
	}
	text := "Looked at: " + strings.Join(r.Checks, ", ") + "."
	if len(r.Skipped) > 0 {
		text += " Not looked at: " + strings.Join(r.Skipped, ", ") + "."
	}
	d.Sections = append(d.Sections, evidence.Section{Title: "Checks", Text: text})
	return d
}

var titles = map[Severity]string{Block: "Blocks the move", Unknown: "Could not be found out", Warn: "Warnings", Note: "Notes"}

// section is the table of one severity's findings.
func (r *Report) section(s Severity) evidence.Section {
	section := evidence.Section{Title: titles[s]}
	for _, f := range r.Findings {
		if f.Severity != s {
			continue
		}
		if section.Table == nil {
			section.Table = &evidence.Table{Columns: []string{"Check", "Objects", "What", "Remedy", "Source"}}
		}
		row := evidence.Row{Cells: []string{f.Check, f.subject(r.To), f.What, f.Remedy, f.Source}}
		if answer, judged := answers[s]; judged {
			row.Answer = evidence.Judged(answer)
		}
		section.Table.Rows = append(section.Table.Rows, row)
	}
	return section
}
