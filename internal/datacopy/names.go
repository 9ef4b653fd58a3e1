package datacopy

import (
	"github.com/gobwas/glob"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Names says which tables, keys or objects are meant. Safe for concurrent use.
type Names struct {
	include, exclude []glob.Glob
}

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

func compile(patterns []string) ([]glob.Glob, error) {
	globs := make([]glob.Glob, 0, len(patterns))
	for _, pattern := range patterns {
		compiled, err := glob.Compile(pattern)
		if err != nil {
			return nil, fault.New(fault.Invalid, `Globs know *, ?, [a-z] and {a,b}; \ takes their meaning away.`,
				"reading the pattern %q: %w", pattern, err)
		}
		globs = append(globs, compiled)
	}
	return globs, nil
}

// Has says whether a name is meant: without Include all are; Exclude wins.
func (n *Names) Has(name string) bool {
	return (len(n.include) == 0 || anyMatch(n.include, name)) && !anyMatch(n.exclude, name)
}

func anyMatch(globs []glob.Glob, name string) bool {
	for _, g := range globs {
		if g.Match(name) {
			return true
		}
	}
	return false
}
