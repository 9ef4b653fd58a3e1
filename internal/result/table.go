package result

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// tableWriter is the form for people.
type tableWriter struct {
	w      io.Writer
	opts   Options
	held   [Holds + 1][]Result
	counts Counts
	many   bool
	target string
}

var (
	marks  = map[Answer]string{Fails: "✗", Unknown: "?", Holds: "✓"}
	colors = map[Answer]string{Fails: "31;1", Unknown: "33;1", Holds: "32"}
)

// Write is part of Writer.
func (t *tableWriter) Write(r Result) error {
	if t.counts.Total() == 0 {
		t.target = r.Target
	}
	t.many = t.many || r.Target != t.target
	t.counts.Add(r.Answer)
	if r.Answer != Holds || t.opts.All {
		t.held[r.Answer] = append(t.held[r.Answer], r)
	}
	return nil
}

// Close is part of Writer.
func (t *tableWriter) Close() error {
	var b strings.Builder
	for _, answer := range Answers {
		for i := 0; i < len(t.held[answer]); i++ {
			t.row(&b, &t.held[answer][i])
			i += t.alike(&b, t.held[answer][i:])
			if b.Len() > 64<<10 {
				if _, err := io.WriteString(t.w, b.String()); err != nil {
					return err
				}
				b.Reset()
			}
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(t.summary())
	_, err := io.WriteString(t.w, b.String())
	return err
}

// maxAlike is how many rows that say the same are shown one by one.
const maxAlike = 3

// alike sums up the rows that say the same as the first of rows about others of
// its group, and gives their number: what hides one fact often hides hundreds.
func (t *tableWriter) alike(b *strings.Builder, rows []Result) int {
	first, n := &rows[0], 1
	if first.Reason == "" || first.Answer != Unknown {
		return 0
	}
	for n < len(rows) && rows[n].Group == first.Group && rows[n].Target == first.Target && rows[n].Reason == first.Reason {
		n++
	}
	if n-1 <= maxAlike {
		return 0
	}
	fmt.Fprintf(b, "  … and %d more of %s, for the same reason\n", n-1, Clean(first.Group))
	return n - 1
}

// row is one result: a line, and below it what is to be known of it.
func (t *tableWriter) row(b *strings.Builder, r *Result) {
	name := Clean(r.Group)
	if name != "" && r.Name != "" {
		name += " › "
	}
	name += Clean(r.Name)
	fmt.Fprintf(b, "%s %s  %s", t.paint(marks[r.Answer], r.Answer), t.paint(fmt.Sprintf("%-7s", r.Answer), r.Answer), name)
	if t.many && r.Target != "" {
		b.WriteString("  @ " + Clean(r.Target))
	}
	if r.Answer == Holds && r.Duration > 0 {
		b.WriteString("  " + Round(r.Duration).String())
	}
	if r.Answer == Holds {
		if r.Reason != "" {
			b.WriteString("  " + CleanLines(r.Reason)[0])
		}
		b.WriteByte('\n')
		return
	}
	b.WriteByte('\n')
	if r.Expected != "" || r.Actual != "" {
		detail(b, "expected", r.Expected)
		detail(b, "actual", r.Actual)
	}
	if r.Reason != "" {
		detail(b, "", r.Reason)
	}
}

const (
	// maxDetail bounds the lines shown of one text, and maxWidth each line's
	// characters; programs get everything.
	maxDetail = 40
	maxWidth  = 400
)

// detail writes a text below a row, its lines below each other.
func detail(b *strings.Builder, label, text string) {
	lines := CleanLines(text)
	if text == "" {
		lines = []string{"(nothing)"}
	}
	hidden := max(len(lines)-maxDetail, 0)
	for i, line := range lines[:len(lines)-hidden] {
		if i > 0 {
			label = blank(label)
		}
		if label != "" {
			fmt.Fprintf(b, "    %-8s  ", label)
		} else {
			b.WriteString("    ")
		}
		b.WriteString(clip(line) + "\n")
	}
	if hidden > 0 {
		fmt.Fprintf(b, "    … %d lines more\n", hidden)
	}
}

func blank(label string) string { return strings.Repeat(" ", len(label)) }

func clip(line string) string {
	if utf8.RuneCountInString(line) <= maxWidth {
		return line
	}
	return string([]rune(line)[:maxWidth]) + "…"
}

func (t *tableWriter) summary() string {
	line := t.paint(t.counts.String(), t.counts.Answer())
	if !t.many && t.target != "" {
		line = Clean(t.target) + ": " + line
	}
	if t.opts.Took != nil {
		line += " · " + Round(t.opts.Took()).String()
	}
	return line + "\n"
}

func (t *tableWriter) paint(text string, a Answer) string {
	if !t.opts.Color {
		return text
	}
	return "\x1b[" + colors[a] + "m" + text + "\x1b[0m"
}

// Round gives a duration with as many digits as people want to read.
func Round(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
