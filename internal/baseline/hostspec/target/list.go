package target

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// MaxTargets bounds what patterns may expand to.
const MaxTargets = 10_000

// ParseAll reads targets with patterns: web{1..3}, web{01..12}, {db,cache}.example.org.
// Each target is there once, in the order of its first mention.
func ParseAll(texts []string, options Options) ([]Target, error) {
	var targets []Target
	seen := map[string]bool{}
	for _, text := range texts {
		names, err := Expand(text)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			t, err := Parse(name, options)
			if err != nil {
				return nil, err
			}
			if !seen[t.Name()] {
				seen[t.Name()] = true
				targets = append(targets, t)
			}
		}
		if len(targets) > MaxTargets {
			return nil, fault.New(fault.Invalid, "Split the run.", "reading targets: more than %d", MaxTargets)
		}
	}
	return targets, nil
}

// ReadList reads a list of targets: one a line, blank lines and what follows a
// # are comments. source names it in errors.
func ReadList(r io.Reader, source string) ([]string, error) {
	var texts []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading targets from %s: %w", source, err)
	}
	if len(texts) == 0 {
		return nil, fault.New(fault.Invalid, "Write one target a line: "+Forms+".", "reading targets from %s: it names none", source)
	}
	return texts, nil
}

// Expand gives the words that a pattern with braces stands for, as in bash.
func Expand(text string) ([]string, error) {
	before, rest, found := strings.Cut(text, "{")
	if !found {
		return []string{text}, nil
	}
	inside, after, closed := strings.Cut(rest, "}")
	if !closed || strings.Contains(inside, "{") {
		return nil, fault.New(fault.Invalid, "Write web{1..3} or {web,db}1.", "reading target %q: the braces do not match", text)
	}
	choices, err := choices(text, inside)
	if err != nil {
		return nil, err
	}
	tails, err := Expand(after)
	if err != nil {
		return nil, err
	}
	if len(choices)*len(tails) > MaxTargets {
		return nil, fault.New(fault.Invalid, "Split the run.", "reading target %q: it stands for more than %d", text, MaxTargets)
	}
	var all []string
	for _, choice := range choices {
		for _, tail := range tails {
			all = append(all, before+choice+tail)
		}
	}
	return all, nil
}

func choices(text, inside string) ([]string, error) {
	low, high, isRange := strings.Cut(inside, "..")
	if !isRange {
		return strings.Split(inside, ","), nil
	}
	from, errFrom := strconv.Atoi(low)
	to, errTo := strconv.Atoi(high)
	if errFrom != nil || errTo != nil || from < 0 || to < from || to-from >= MaxTargets {
		return nil, fault.New(fault.Invalid, "Write {1..3} or {01..12}.", "reading target %q: %q is no range", text, inside)
	}
	width := 0
	if strings.HasPrefix(low, "0") {
		width = len(low)
	}
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("%0*d", width, n))
	}
	return all, nil
}
