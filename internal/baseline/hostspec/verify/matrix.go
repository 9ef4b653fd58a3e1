package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/internal/result"
)

// Matrix is what many hosts answer, items by hosts, of which it keeps only
// what does not hold everywhere: its memory follows the differences, not the
// hosts. The zero value is ready; it is not safe for concurrent use.
type Matrix struct {
	hosts []host
	rows  map[rowKey]*row
	order []*row
}

type host struct {
	name   string
	counts result.Counts
}

type rowKey struct{ group, name string }

// row is an item that does not hold somewhere.
type row struct {
	rowKey
	// place of the item among the results of the host that showed it first.
	place   int
	answers map[int]result.Answer
	details []detail
}

// detail is one thing said of an item, and the hosts that say it.
type detail struct {
	answer       result.Answer
	expected, is string
	hosts        []int
}

// Add takes the results of one more host.
func (m *Matrix) Add(name string, results []result.Result) {
	number := len(m.hosts)
	h := host{name: name}
	for place := range results {
		r := &results[place]
		h.counts.Add(r.Answer)
		if r.Answer != result.Holds {
			m.row(r, place).add(r, number)
		}
	}
	m.hosts = append(m.hosts, h)
}

func (m *Matrix) row(r *result.Result, place int) *row {
	key := rowKey{r.Group, r.Name}
	found := m.rows[key]
	if found == nil {
		if m.rows == nil {
			m.rows = map[rowKey]*row{}
		}
		found = &row{rowKey: key, place: place, answers: map[int]result.Answer{}}
		m.rows[key] = found
		m.order = append(m.order, found)
	}
	return found
}

func (r *row) add(of *result.Result, number int) {
	r.answers[number] = of.Answer
	is := of.Actual
	if of.Answer == result.Unknown {
		is = of.Reason
	}
	for i := range r.details {
		d := &r.details[i]
		if d.answer == of.Answer && d.expected == of.Expected && d.is == is {
			d.hosts = append(d.hosts, number)
			return
		}
	}
	r.details = append(r.details, detail{of.Answer, of.Expected, is, []int{number}})
}

// Counts are those of all hosts together.
func (m *Matrix) Counts() result.Counts {
	var all result.Counts
	for _, h := range m.hosts {
		all.Holds += h.counts.Holds
		all.Fails += h.counts.Fails
		all.Unknown += h.counts.Unknown
	}
	return all
}

// maxColumns is the number of hosts that get a column each.
const maxColumns = 12

// Write shows the matrix to people: a line for each item that does not hold
// everywhere, with a mark for each host, and below it what is expected and what
// is there.
func (m *Matrix) Write(w io.Writer, color bool, took time.Duration) error {
	slices.SortStableFunc(m.order, func(a, b *row) int { return a.place - b.place })
	p := painter(color)
	var b strings.Builder
	width := 0
	for _, r := range m.order {
		width = max(width, min(utf8.RuneCountInString(r.title()), 60))
	}
	columns := len(m.hosts) <= maxColumns
	if columns && len(m.order) > 0 {
		b.WriteString(pad("", width))
		for _, h := range m.hosts {
			b.WriteString("  " + result.Clean(h.name))
		}
		b.WriteByte('\n')
	}
	for _, r := range m.order {
		m.writeRow(&b, p, r, width, columns)
	}
	m.summary(&b, p, took)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *row) title() string { return result.Clean(r.group) + " › " + result.Clean(r.name) }

func (m *Matrix) writeRow(b *strings.Builder, p painter, r *row, width int, columns bool) {
	b.WriteString(pad(r.title(), width))
	if columns {
		for i := range m.hosts {
			answer, differs := r.answers[i]
			if !differs {
				answer = result.Holds
			}
			m.mark(b, i, p.answer(answer))
		}
	} else {
		var counts result.Counts
		for _, answer := range r.answers {
			counts.Add(answer)
		}
		counts.Holds = len(m.hosts) - len(r.answers)
		b.WriteString("  " + counts.String())
	}
	b.WriteByte('\n')
	expected := ""
	for _, d := range r.details {
		if d.expected != "" && d.expected != expected {
			expected = d.expected
			fmt.Fprintf(b, "    expected  %s\n", oneLine(expected))
		}
		fmt.Fprintf(b, "    %s %s: %s\n", p.answer(d.answer), m.names(d.hosts), oneLine(d.is))
	}
}

// mark writes one mark below the host's name, which is as wide as the gap to
// the next.
func (m *Matrix) mark(b *strings.Builder, i int, mark string) {
	if i > 0 {
		b.WriteString(strings.Repeat(" ", max(utf8.RuneCountInString(result.Clean(m.hosts[i-1].name))-1, 0)))
	}
	b.WriteString("  " + mark)
}

// names lists hosts, the first ones by name.
func (m *Matrix) names(numbers []int) string {
	var names []string
	for _, n := range numbers {
		names = append(names, m.hosts[n].name)
	}
	return joined(names)
}

const maxNames = 5

// joined lists names, the first ones in full.
func joined(names []string) string {
	more := ""
	if len(names) > maxNames+1 {
		more = fmt.Sprintf(" and %d more", len(names)-maxNames)
		names = names[:maxNames]
	}
	cleaned := make([]string, len(names))
	for i, name := range names {
		cleaned[i] = result.Clean(name)
	}
	return strings.Join(cleaned, ", ") + more
}

func (m *Matrix) summary(b *strings.Builder, p painter, took time.Duration) {
	var by result.Counts
	for _, h := range m.hosts {
		by.Add(h.counts.Answer())
	}
	if len(m.order) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "%s · %s · %s\n", p.paint(fmt.Sprintf("%d hosts: %s", len(m.hosts), by), by.Answer()),
		"items: "+m.Counts().String(), result.Round(took))
}

// painter colours what it is asked to, where it is true.
type painter bool

var (
	marks  = map[result.Answer]string{result.Fails: "✗", result.Unknown: "?", result.Holds: "✓"}
	colors = map[result.Answer]string{result.Fails: "31;1", result.Unknown: "33;1", result.Holds: "32"}
)

func (p painter) answer(a result.Answer) string { return p.paint(marks[a], a) }

func (p painter) paint(text string, a result.Answer) string { return p.in(text, colors[a]) }

func (p painter) in(text, code string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func pad(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n > width {
		return string([]rune(text)[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-n)
}

const maxLine = 200

// oneLine makes a text of several lines one that can be read.
func oneLine(text string) string {
	lines := result.CleanLines(text)
	text = strings.Join(lines, ", ")
	if text == "" {
		return "(nothing)"
	}
	if utf8.RuneCountInString(text) > maxLine {
		return string([]rune(text)[:maxLine]) + "…"
	}
	return text
}
