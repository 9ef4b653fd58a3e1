package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// Write shows the drift to people: a line for each fact that is not the same
// everywhere, with a mark for each host, and below it who has which value.
func (d *Drift) Write(w io.Writer, color bool) error {
	p := painter(color)
	var b strings.Builder
	width := 0
	for i := range d.Deviations {
		width = max(width, min(utf8.RuneCountInString(d.Deviations[i].title()), 60))
	}
	columns := len(d.Hosts) <= maxColumns && len(d.Deviations) > 0
	if columns {
		b.WriteString(pad("", width))
		for _, name := range d.Hosts {
			b.WriteString("  " + result.Clean(name))
		}
		b.WriteByte('\n')
	}
	for i := range d.Deviations {
		d.writeDeviation(&b, p, &d.Deviations[i], width, columns)
	}
	d.writeUnknown(&b, p)
	d.writeHosts(&b, p)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Deviation) title() string { return title(d.Kind, d.Name, d.Attribute) }

func (d *Drift) writeDeviation(b *strings.Builder, p painter, deviation *Deviation, width int, columns bool) {
	b.WriteString(p.in(pad(deviation.title(), width), bold))
	if columns {
		for i, host := range d.Hosts {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", max(utf8.RuneCountInString(result.Clean(d.Hosts[i-1]))-1, 0)))
			}
			b.WriteString("  " + deviation.mark(p, host))
		}
	}
	b.WriteByte('\n')
	for i, value := range deviation.Values {
		text := oneLine(value.Value)
		if deviation.Attribute == "sha256" {
			text = oneLine(short("sha256", hostspec.Text(value.Value)).String())
		}
		switch {
		case deviation.Tie:
			fmt.Fprintf(b, "    %s  %s: %s\n", p.paint(letter(i), result.Unknown), joined(value.Hosts), text)
		case i == 0:
			fmt.Fprintf(b, "    %s  most (%d): %s\n", p.answer(result.Holds), len(value.Hosts), text)
		default:
			fmt.Fprintf(b, "    %s  %s: %s\n", p.answer(result.Fails), joined(value.Hosts), text)
		}
	}
}

// mark says how a host stands: with the majority, against it, with one side of
// a tie, or nowhere: it lacks the item or could not tell.
func (d *Deviation) mark(p painter, host string) string {
	i := slices.IndexFunc(d.Values, func(v ValueAt) bool { return slices.Contains(v.Hosts, host) })
	switch {
	case i < 0:
		return "·"
	case d.Tie:
		return p.paint(letter(i), result.Unknown)
	case i == 0:
		return p.answer(result.Holds)
	}
	return p.answer(result.Fails)
}

func letter(i int) string { return string(rune('A' + i%26)) }

func (d *Drift) writeUnknown(b *strings.Builder, p painter) {
	if len(d.Unknown) == 0 {
		return
	}
	fmt.Fprintf(b, "%s\n", p.in("unknown", bold))
	for _, u := range d.Unknown[:min(len(d.Unknown), maxUnknown)] {
		fmt.Fprintf(b, "    %s  %s: %s (%s)\n", p.answer(result.Unknown), title(u.Kind, u.Name, u.Attribute), oneLine(u.Reason), joined(u.Hosts))
	}
	writeMore(b, len(d.Unknown)-maxUnknown)
}

// writeHosts sums up: who deviates how often, then what was compared.
func (d *Drift) writeHosts(b *strings.Builder, p painter) {
	deviating := map[string]int{}
	ties := 0
	for _, deviation := range d.Deviations {
		if deviation.Tie {
			ties++
			continue
		}
		for _, value := range deviation.Values[1:] {
			for _, host := range value.Hosts {
				deviating[host]++
			}
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	hosts := sortedTexts(deviating)
	slices.SortStableFunc(hosts, func(a, b string) int { return deviating[b] - deviating[a] })
	for i, host := range hosts {
		if i == maxUnknown {
			fmt.Fprintf(b, "… %d more hosts deviate\n", len(hosts)-i)
			break
		}
		fmt.Fprintf(b, "%s deviates in %d\n", p.paint(result.Clean(host), result.Fails), deviating[host])
	}
	line := fmt.Sprintf("%d hosts · %d items · %d facts deviate", len(d.Hosts), d.Items, len(d.Deviations)-ties)
	if ties > 0 {
		line += fmt.Sprintf(" · %d ties", ties)
	}
	if len(d.Unknown) > 0 {
		line += fmt.Sprintf(" · %d unknown", len(d.Unknown))
	}
	fmt.Fprintln(b, p.paint(line, d.answer()))
}

func (d *Drift) answer() result.Answer { return answerOf(len(d.Deviations), len(d.Unknown)) }
