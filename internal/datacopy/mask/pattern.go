package mask

import (
	"fmt"
	"strings"

	"github.com/gobwas/glob"
	"go.yaml.in/yaml/v3"
)

// Pattern is a glob: * stands for any characters, ? for one, [a-z] for a class,
// {a,b} for alternatives, and \ takes the meaning of the next away. The zero
// Pattern is none and matches nothing.
type Pattern struct {
	text          string
	exact, folded glob.Glob
}

// UnmarshalYAML reads a pattern.
func (p *Pattern) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	return p.compile(text, node.Line)
}

func (p *Pattern) compile(text string, line int) (err error) {
	p.text = text
	if p.exact, err = glob.Compile(text); err == nil {
		p.folded, err = glob.Compile(strings.ToLower(text))
	}
	if err != nil {
		return fmt.Errorf("line %d: reading the pattern %q: %w", line, text, err)
	}
	return nil
}

// IsZero tells that there is no pattern.
func (p Pattern) IsZero() bool { return p.text == "" }

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// MarshalText is String.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// match compares names that are exact: keys and objects.
func (p Pattern) match(name string) bool { return !p.IsZero() && p.exact.Match(name) }

// matchFolded compares names of stores, tables, columns and fields, which many
// servers and people fold.
func (p Pattern) matchFolded(name string) bool {
	return !p.IsZero() && p.folded.Match(strings.ToLower(name))
}

// literal tells that only one name is meant.
func (p Pattern) literal() bool { return !strings.ContainsAny(p.text, `*?[{\`) }
