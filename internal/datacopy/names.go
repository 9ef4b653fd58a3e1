package datacopy

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gobwas/glob"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Names says which tables, keys or objects are meant, and notes which of its
// patterns fitted any that it was asked about. Safe for concurrent use.
type Names struct {
	include, exclude []*pattern
	// some says that a name was meant.
	some atomic.Bool
}

// pattern is one glob.
type pattern struct {
	text string
	glob glob.Glob
	fits atomic.Bool
}

// globs is the next step after a pattern that is none, or fits nothing.
const globs = `Globs know *, ?, [a-z] and {a,b}; \ takes their meaning away.`

// Names reads Include and Exclude. In their globs * stands for any number of
// any characters, ? for one, [a-z] for a class, {a,b} for alternatives, and \
// takes the meaning of the next away.
func (r Request) Names() (*Names, error) {
	include, err := compile(r.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := compile(r.Exclude)
	if err != nil {
		return nil, err
	}
	return &Names{include: include, exclude: exclude}, nil
}

func compile(texts []string) ([]*pattern, error) {
	patterns := make([]*pattern, 0, len(texts))
	for _, text := range texts {
		compiled, err := glob.Compile(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, globs, "reading the pattern %q: %w", text, err)
		}
		patterns = append(patterns, &pattern{text: text, glob: compiled})
	}
	return patterns, nil
}

// Has says whether a name is meant: without Include all are; Exclude wins.
func (n *Names) Has(name string) bool {
	meant := anyFits(n.include, name) || len(n.include) == 0
	if anyFits(n.exclude, name) || !meant {
		return false
	}
	if !n.some.Load() {
		n.some.Store(true)
	}
	return true
}

// anyFits asks each pattern that fitted nothing yet, and of the others as many
// as it takes.
func anyFits(patterns []*pattern, name string) (found bool) {
	for _, p := range patterns {
		noted := p.fits.Load()
		if found && noted || !p.glob.Match(name) {
			continue
		}
		if found = true; !noted {
			p.fits.Store(true)
		}
	}
	return found
}

// Choosy says that there are patterns.
func (n *Names) Choosy() bool { return len(n.include)+len(n.exclude) > 0 }

// Some says that a name it was asked about was meant.
func (n *Names) Some() bool { return n.some.Load() }

// Conclude is for the end of a plan, after Has was asked about the names that
// there are, all of them or until Some. Patterns that leave nothing are an error
// of class fault.NotFound: to copy nothing is hardly meant, and would be called
// equal. Where all names are known, the plan warns of patterns that fitted none.
func (n *Names) Conclude(plan *Plan, noun string, all bool) error {
	excluded := slices.ContainsFunc(n.exclude, func(p *pattern) bool { return p.fits.Load() })
	switch {
	case n.Some():
	case len(n.include) == 0 && !excluded:
		return nil // there is nothing
	default:
		return fault.New(fault.NotFound, globs+" --store limits a copy to the store that they are about.",
			"planning the copy of %s: none of its %s is chosen by %s", plan.From, noun, n)
	}
	for _, p := range slices.Concat(n.include, n.exclude) {
		if all && !p.fits.Load() {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("the pattern %q fits none of the %s", p.text, noun))
		}
	}
	return nil
}

// String words the patterns.
func (n *Names) String() string {
	var parts []string
	for _, side := range []struct {
		word     string
		patterns []*pattern
	}{{"include", n.include}, {"exclude", n.exclude}} {
		for _, p := range side.patterns {
			parts = append(parts, fmt.Sprintf("%s %q", side.word, p.text))
		}
	}
	return strings.Join(parts, ", ")
}
