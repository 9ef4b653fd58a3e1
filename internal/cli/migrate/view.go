package migrate

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// view draws a migration for a terminal.
type view struct {
	width int
	color bool
	// whole: no text is cut, since it can be scrolled.
	whole bool
}

// Bounds of the width of what is drawn.
const (
	narrowest = 40
	widest    = 110
	barWidth  = 40
)

// staleAfter is when what the status shows is no longer now.
const staleAfter = 15 * time.Second

// draw gives the lines of a migration as it is at a time.
func (v view) draw(m *v1alpha1.Migration, now time.Time) string {
	p, err := migration.Progress(m)
	if err != nil {
		return err.Error() + "\n"
	}
	var text strings.Builder
	phase := migration.Phase(m)
	fmt.Fprintf(&text, "%s  %s  %s → %s\n", v.strong(m.Name), m.Spec.Hostname, m.Spec.From.Name, m.Spec.To.Name)
	fmt.Fprintf(&text, "%s  %s\n", v.paint(phaseColor(phase), string(phase)), v.cut(m.Status.Reason, utf8.RuneCountInString(string(phase))+2))
	v.drawSides(&text, m)
	v.drawSteps(&text, m, p, now)
	v.drawInstances(&text, m)
	v.drawGuards(&text, m)
	v.drawTrouble(&text, m, p, now)
	return text.String()
}

// drawSides shows the share of both sides: of the instance that sends most to
// the new side, since users meet that.
func (v view) drawSides(text *strings.Builder, m *v1alpha1.Migration) {
	share := -1.0
	for _, i := range m.Status.Instances {
		if i.Error == "" && i.Old+i.New > 0 {
			share = max(share, float64(i.New)/float64(i.Old+i.New))
		}
	}
	name := max(len(m.Spec.From.Name), len(m.Spec.To.Name))
	text.WriteString("\n")
	if share < 0 {
		fmt.Fprintf(text, "  %-*s  %s\n  %-*s  %s\n", name, m.Spec.From.Name, "weight not known", name, m.Spec.To.Name, "weight not known")
		return
	}
	fmt.Fprintf(text, "  %-*s  %s %s\n", name, m.Spec.From.Name, v.bar(1-share, colorOld), rate(1-share))
	fmt.Fprintf(text, "  %-*s  %s %s\n", name, m.Spec.To.Name, v.bar(share, colorNew), rate(share))
}

func rate(share float64) string { return fmt.Sprintf("%5.3g %%", 100*share) }

func (v view) bar(share float64, color string) string {
	width := max(10, min(barWidth, v.width-30))
	full := int(share*float64(width) + 0.5)
	if share > 0 && full == 0 {
		full = 1
	}
	return v.paint(color, strings.Repeat("█", full)) + v.paint(colorDim, strings.Repeat("░", width-full))
}

// drawSteps shows which step it is at, and how long that is to be held.
func (v view) drawSteps(text *strings.Builder, m *v1alpha1.Migration, p traffic.Progress, now time.Time) {
	var marks []string
	begun := m.Status.Journal != nil && migration.Phase(m) != traffic.Pending
	for i, step := range m.Spec.Steps {
		mark, color := "○", colorDim
		switch {
		case begun && (i < p.Step || p.Phase == traffic.Completed || p.Phase == traffic.Finished && p.Wanted == traffic.All):
			mark, color = "●", colorGood
		case begun && i == p.Step:
			mark, color = "◉", phaseColor(p.Phase)
		}
		label := fmt.Sprintf("%s %d %%", mark, step.Weight)
		if step.Approval && p.Approved <= i {
			label += " ✋"
		}
		marks = append(marks, v.paint(color, label))
	}
	fmt.Fprintf(text, "\n  %s\n", strings.Join(marks, "  "))
	if p.Phase != traffic.Holding || p.Step >= len(m.Spec.Steps) {
		return
	}
	hold := m.Spec.Steps[p.Step].Hold.Duration
	if hold <= 0 {
		return
	}
	held := p.HeldFor
	if since := now.Sub(p.CountedAt); !p.CountedAt.IsZero() && since > 0 && since < staleAfter {
		held += since
	}
	held = min(held, hold)
	left := (hold - held).Round(time.Second)
	fmt.Fprintf(text, "  held  %s %s to go\n", v.bar(float64(held)/float64(hold), colorGood), left)
}

// drawInstances shows each place where weights are; one that has nothing
// special to say is left out where it is alone.
func (v view) drawInstances(text *strings.Builder, m *v1alpha1.Migration) {
	var rows []string
	for _, i := range m.Status.Instances {
		state, weights := "in effect", fmt.Sprintf("%d : %d", i.Old, i.New)
		switch {
		case i.Error != "":
			state, weights = v.paint(colorBad, "cannot be read: "+i.Error), "?"
		case i.DeadMan != "":
			state = v.paint(colorBad, i.DeadMan)
		case !i.Settled:
			state = v.paint(colorWait, "not in effect yet: "+i.Waiting)
		case i.Residual > 0:
			state = fmt.Sprintf("in effect, %d sessions by earlier weights", i.Residual)
		}
		rows = append(rows, fmt.Sprintf("  %s\t%s\t%s", i.Name, weights, state))
	}
	v.table(text, rows)
}

func (v view) drawGuards(text *strings.Builder, m *v1alpha1.Migration) {
	known := map[string]v1alpha1.GuardStatus{}
	for _, g := range m.Status.Guards {
		known[g.Name] = g
	}
	var rows []string
	for _, spec := range m.Spec.Guards {
		g := known[spec.Name]
		mark, color := "?", colorWait
		switch {
		case g.At == nil:
			mark, color = "·", colorDim
			g.Reason = cmp.Or(g.Reason, "not read yet")
		case g.Answer == v1alpha1.AnswerHolds:
			mark, color = "✔", colorGood
		case g.Answer == v1alpha1.AnswerFails:
			mark, color = "✘", colorBad
		}
		bad := ""
		if g.Bad > 0 {
			bad = fmt.Sprintf(" (%d of %d)", g.Bad, max(spec.Failures, 1))
		}
		note := g.Reason
		if note == "" {
			note = g.Bound
		}
		rows = append(rows, fmt.Sprintf("  %s %s\t%s%s\t%s", v.paint(color, mark), spec.Name, g.Value, bad, v.paint(colorDim, v.cut(note, 50))))
	}
	v.table(text, rows)
}

// table writes rows of cells, with a line before them, if there are any.
// Colours have no width: each cell of a column has as many.
func (v view) table(text *strings.Builder, rows []string) {
	if len(rows) == 0 {
		return
	}
	text.WriteString("\n")
	table := tabwriter.NewWriter(text, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, row)
	}
	_ = table.Flush() // a strings.Builder takes everything
}

func (v view) drawTrouble(text *strings.Builder, m *v1alpha1.Migration, p traffic.Progress, now time.Time) {
	if p.Drift != "" {
		fmt.Fprintf(text, "\n  %s\n", v.paint(colorBad, v.cut("somebody else changed the weights: "+p.Drift, 2)))
	}
	seen := m.Status.SeenAt
	if seen != nil && now.Sub(seen.Time) > staleAfter && phaseMoves(p.Phase) {
		fmt.Fprintf(text, "\n  %s\n", v.paint(colorBad, fmt.Sprintf("nobody has looked for %s: is `landfall serve` alive? `landfall migrate abort %s` returns traffic in any case", now.Sub(seen.Time).Round(time.Second), m.Name)))
	}
}

// phaseMoves tells whether somebody should be working on it all the time.
func phaseMoves(phase traffic.Phase) bool {
	switch phase {
	case traffic.Shifting, traffic.Holding, traffic.AwaitingApproval, traffic.Reverting:
		return true
	}
	return false
}

// cut keeps a text on one line, beside what is there already.
func (v view) cut(text string, used int) string {
	text = strings.ReplaceAll(text, "\n", " ")
	room := max(v.width-used, narrowest/2)
	if runes := []rune(text); !v.whole && len(runes) > room {
		return string(runes[:room-1]) + "…"
	}
	return text
}

// Colours, by their codes.
const (
	colorOld  = "34"
	colorNew  = "36"
	colorGood = "32"
	colorWait = "33"
	colorBad  = "31"
	colorDim  = "90"
)

func phaseColor(phase traffic.Phase) string {
	switch phase {
	case traffic.Completed, traffic.Finished, traffic.Holding:
		return colorGood
	case traffic.Reverting, traffic.Reverted:
		return colorBad
	case traffic.Paused, traffic.AwaitingApproval:
		return colorWait
	}
	return colorNew
}

func (v view) strong(text string) string { return v.paint("1", text) }

func (v view) paint(code, text string) string {
	if !v.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
