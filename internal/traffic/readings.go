package traffic

import (
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// takeReadings counts what guards said since the last call.
func (n *planner) takeReadings() {
	n.ageUnknown()
	for _, reading := range n.w.Readings {
		rule, ours := n.rule(reading.Guard)
		if !ours {
			n.remark("a reading of %q is not one of this migration's guards", reading.Guard)
			continue
		}
		n.p.Guards[rule.Name] = n.p.Guards[rule.Name].with(reading)
	}
}

// with counts one more reading.
func (g GuardProgress) with(reading Reading) GuardProgress {
	g.Last = reading
	switch reading.Answer {
	case result.Holds:
		g.Bad, g.UnknownFor = 0, 0
		g.Good++
	case result.Fails:
		g.Good, g.UnknownFor = 0, 0
		g.Bad++
	default:
		// An unknown reading neither ends a row of failures nor lengthens it.
		g.Good = 0
	}
	return g
}

// ageUnknown adds the time since the last call to guards that are unknown.
func (n *planner) ageUnknown() {
	for _, rule := range n.d.Guards {
		guard := n.p.Guards[rule.Name]
		if n.excused(rule) || !n.guarded() {
			guard.UnknownFor = 0
		} else if answer, _ := n.answer(rule); answer == result.Unknown {
			guard.UnknownFor += min(n.passed, n.maxGap())
		}
		n.p.Guards[rule.Name] = guard
	}
}

// answer is what a guard says now: a reading that is too old, or from the
// future of a clock that was set back, says nothing any more.
func (n *planner) answer(rule GuardRule) (result.Answer, string) {
	last := n.p.Guards[rule.Name].Last
	if last.At.IsZero() {
		return result.Unknown, "not read yet"
	}
	age := n.w.Now.Sub(last.At)
	if age < -n.maxGap() || age > n.d.readingLasts(rule) {
		return result.Unknown, fmt.Sprintf("its last reading is of %s", last.At.UTC().Format("15:04:05"))
	}
	text := or(last.Reason, last.Value)
	if last.Reason != "" && last.Value != "" {
		text = last.Value + " (" + last.Reason + ")"
	}
	if last.Bound != "" && last.Answer != result.Holds {
		text += ", wanted " + last.Bound
	}
	return last.Answer, text
}

// excused: a guard that counts requests has nothing to say while there are none.
func (n *planner) excused(rule GuardRule) bool {
	return rule.Idle && n.p.Wanted == None
}

// failure says which guard has failed, if one has.
func (n *planner) failure() string {
	for _, rule := range n.d.Guards {
		if n.excused(rule) || rule.Gate && n.p.Wanted == None {
			continue
		}
		guard := n.p.Guards[rule.Name]
		answer, text := n.answer(rule)
		if guard.Bad >= max(1, rule.Failures) && answer == result.Fails {
			return fmt.Sprintf("guard %s fails%s: %s", rule.Name, times(guard.Bad), text)
		}
		if limit := n.d.unknownFor(rule); limit >= 0 && guard.UnknownFor >= limit && answer == result.Unknown {
			return fmt.Sprintf("guard %s has been unknown for %s: %s", rule.Name, rough(guard.UnknownFor), text)
		}
	}
	return ""
}

// allHold tells whether every guard holds now and has been read at least once
// since the weight last changed; if not, which does not and why.
func (n *planner) allHold() (bool, string) {
	var not, unread []string
	for _, rule := range n.d.Guards {
		if n.excused(rule) {
			continue
		}
		answer, text := n.answer(rule)
		switch {
		case answer == result.Unknown:
			not = append(not, fmt.Sprintf("guard %s is unknown: %s", rule.Name, text))
		case answer == result.Fails:
			not = append(not, fmt.Sprintf("guard %s fails (%d of %d): %s",
				rule.Name, n.p.Guards[rule.Name].Bad, max(1, rule.Failures), text))
		case n.p.Guards[rule.Name].Good == 0:
			unread = append(unread, rule.Name)
		}
	}
	if len(unread) > 0 {
		not = append(not, "not read at this weight yet: "+strings.Join(unread, ", "))
	}
	return len(not) == 0, strings.Join(not, "; ")
}

func (n *planner) rule(name string) (GuardRule, bool) {
	for _, rule := range n.d.Guards {
		if rule.Name == name {
			return rule, true
		}
	}
	return GuardRule{}, false
}

func times(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" %d times in a row", n)
}

// rough rounds a duration to what people care about.
func rough(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
