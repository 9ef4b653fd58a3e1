package verify

import (
	"fmt"
	"io"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// Write shows the difference to people, grouped by kind.
func (d *Difference) Write(w io.Writer, color bool) error {
	p := painter(color)
	var b strings.Builder
	if len(d.Changes) > 0 {
		b.WriteString(p.in("- "+result.Clean(d.A), minus) + "\n" + p.in("+ "+result.Clean(d.B), plus) + "\n")
	}
	var kind hostspec.Kind
	for i := range d.Changes {
		change := &d.Changes[i]
		if i == 0 || change.Kind != kind {
			kind = change.Kind
			fmt.Fprintf(&b, "\n%s\n", p.in(result.Clean(string(kind)), bold))
		}
		change.write(&b, p)
	}
	d.writeUnknown(&b, p)
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(p.paint(d.summary(), d.answer()) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	minus = "31"
	plus  = "32"
	mixed = "33"
	bold  = "1"
)

func (c *Change) write(b *strings.Builder, p painter) {
	name := result.Clean(c.Name)
	if c.How != Differs {
		sign, code := "-", minus
		item := hostspec.Item{}
		for _, a := range c.Attributes {
			value := a.A
			if c.How == OnlyB {
				sign, code, value = "+", plus, a.B
			}
			item.Attributes = append(item.Attributes, hostspec.Attribute{Name: a.Name, Value: short(a.Name, *value)})
		}
		if len(c.Attributes) == 0 && c.How == OnlyB {
			sign, code = "+", plus
		}
		fmt.Fprintf(b, "  %s  %s\n", p.in(sign+" "+name, code), oneLine(Describe(item)))
		return
	}
	b.WriteString("  " + p.in("~ "+name, mixed))
	if len(c.Attributes) == 0 {
		b.WriteString("  there on one side, asked to be absent on the other")
	}
	for _, a := range c.Attributes {
		if len(c.Attributes) > 1 {
			b.WriteString("\n     ")
		}
		fmt.Fprintf(b, "  %s%s → %s", label(result.Clean(a.Name)), p.in(side(a.Name, a.A), minus), p.in(side(a.Name, a.B), plus))
	}
	b.WriteByte('\n')
}

func side(name string, value *hostspec.Value) string {
	if value == nil {
		return "not set"
	}
	return oneLine(DescribeValue(short(name, *value)))
}

// short gives checksums as long as eyes need them.
func short(name string, value hostspec.Value) hostspec.Value {
	if text := value.String(); name == "sha256" && value.Plain() && len(text) > 12 {
		return hostspec.Text(text[:12] + "…")
	}
	return value
}

func (d *Difference) writeUnknown(b *strings.Builder, p painter) {
	if len(d.Unknown) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", p.in("unknown", bold))
	for _, u := range d.Unknown[:min(len(d.Unknown), maxUnknown)] {
		fmt.Fprintf(b, "  %s  %s\n", p.paint("? "+title(u.Kind, u.Name, u.Attribute), result.Unknown), oneLine(u.Reason))
	}
	writeMore(b, len(d.Unknown)-maxUnknown)
}

func (d *Difference) answer() result.Answer { return answerOf(len(d.Changes), len(d.Unknown)) }

func (d *Difference) summary() string {
	counts := map[How]int{}
	for _, change := range d.Changes {
		counts[change.How]++
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{counts[Differs], "differ"}, {counts[OnlyA], "only in " + result.Clean(d.A)},
		{counts[OnlyB], "only in " + result.Clean(d.B)}, {len(d.Unknown), "unknown"}, {d.Same, "the same"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	return strings.Join(parts, " · ")
}
