package evidence

import (
	"fmt"
	"io"
	"strings"

	"github.com/landfall-dev/landfall/internal/result"
)

// WriteMarkdown writes the document for wikis and pull requests. Charts are
// left to the page.
func (d Document) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n**%s**: %s\n", inline(d.Title), d.Answer, inline(d.Outcome))
	if !d.Started.IsZero() {
		fmt.Fprintf(&b, "\n%s %s, %s", d.Kind, inline(d.Name), when(d.Started))
		if took := d.Took(); took > 0 {
			fmt.Fprintf(&b, ", took %s", result.Round(took))
		}
		b.WriteString("\n")
	}
	if len(d.Figures) > 0 {
		writeTable(&b, figureTable(d.Figures))
	}
	for _, s := range d.Sections {
		if s.Text == "" && s.Table == nil && s.Code == "" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n", inline(s.Title))
		if s.Text != "" {
			fmt.Fprintf(&b, "\n%s\n", inline(s.Text))
		}
		if s.Table != nil {
			writeTable(&b, *s.Table)
		}
		if s.Code != "" {
			fence := fenceFor(s.Code)
			fmt.Fprintf(&b, "\n%s\n%s\n%s\n", fence, strings.TrimRight(s.Code, "\n"), fence)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing evidence of %s %s: %w", d.Kind, d.Name, err)
	}
	return nil
}

func figureTable(figures []Figure) Table {
	t := Table{Columns: []string{"figure", "value", "note"}}
	for _, f := range figures {
		t.Rows = append(t.Rows, Row{Cells: []string{f.Name, f.Value, f.Note}, Answer: f.Answer})
	}
	return t
}

// writeTable writes a table, with a column of answers if any row has one.
func writeTable(b *strings.Builder, t Table) {
	judged := false
	for _, row := range t.Rows {
		judged = judged || row.Answer != nil
	}
	columns := t.Columns
	if judged {
		columns = append([]string{""}, columns...)
	}
	b.WriteString("\n")
	writeRow(b, columns)
	b.WriteString("|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, row := range t.Rows {
		cells := row.Cells
		if judged {
			cells = append([]string{answerClass(row.Answer)}, cells...)
		}
		writeRow(b, cells)
	}
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("|")
	for _, cell := range cells {
		b.WriteString(" " + inline(cell) + " |")
	}
	b.WriteString("\n")
}

// markup are characters that Markdown acts on within a line.
var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "|", `\|`, "<", "&lt;", "[", `\[`, "#", `\#`)

func inline(s string) string { return markup.Replace(result.Clean(s)) }

// fenceFor is longer than any row of backticks in the code.
func fenceFor(code string) string {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	return fence
}
