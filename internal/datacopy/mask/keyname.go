package mask

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// nameKinds keep different names different, which what stands in a key's name
// has to do: two keys that become one would lose data.
var nameKinds = []Kind{Pseudonym, Email, Hash, Keep}

var _ datacopy.NameMask = (*Mask)(nil)

// nameMask changes the parts of keys' and objects' names that the *s of a pattern stand for.
type nameMask struct {
	form  *regexp.Regexp
	kinds []Kind
}

// newNameMask takes a rule's pattern apart; nil where it leaves names alone.
func newNameMask(rule *Rule) (*nameMask, error) {
	if len(rule.Names) == 0 {
		return nil, nil
	}
	pattern := rule.nameOf()
	form, stars, err := starForm(pattern.text)
	if err != nil {
		return nil, err
	}
	if stars != len(rule.Names) {
		return nil, fmt.Errorf("names are %d, and the pattern %q has %d *", len(rule.Names), pattern.text, stars)
	}
	m := &nameMask{form: form}
	for _, action := range rule.Names {
		if !slices.Contains(nameKinds, action.Kind) {
			return nil, fmt.Errorf("names: %s makes names that were different the same; want one of %v", action.Kind, nameKinds)
		}
		m.kinds = append(m.kinds, action.Kind)
	}
	return m, nil
}

// nameOf is the pattern of a rule about keys or objects.
func (r *Rule) nameOf() Pattern {
	if r.Key.IsZero() {
		return r.Object
	}
	return r.Key
}

// starForm makes a regular expression of a glob of plain text and *, and counts
// these.
func starForm(glob string) (form *regexp.Regexp, stars int, err error) {
	var text, plain strings.Builder
	flush := func() {
		text.WriteString(regexp.QuoteMeta(plain.String()))
		plain.Reset()
	}
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			flush()
			text.WriteString("(.*?)")
			stars++
		case '?', '[', '{':
			return nil, 0, errors.New("names need a pattern that has no wildcards but *")
		case '\\':
			if i++; i < len(glob) {
				plain.WriteByte(glob[i])
			}
		default:
			plain.WriteByte(c)
		}
	}
	flush()
	form, err = regexp.Compile(`(?s)^` + text.String() + `$`)
	return form, stars, err
}

// starsOf counts the *s of a pattern that KeyPattern made.
func starsOf(pattern string) int {
	_, stars, _ := starForm(pattern) // it has no other wildcards
	return stars
}

// Renames is part of datacopy.NameMask.
func (m *Mask) Renames() bool {
	return slices.ContainsFunc(m.names, func(n *nameMask) bool { return n != nil })
}

// Name is part of datacopy.NameMask. The first rule whose pattern fits decides.
func (m *Mask) Name(_, key string) (name string, renamed bool) {
	for i := range m.rules {
		if !m.rules[i].nameOf().match(key) {
			continue
		}
		if m.names[i] == nil {
			return key, false
		}
		return m.names[i].apply(m, key), true
	}
	return key, false
}

// looksAtName says whether a rule says something about a key's name.
func (m *Mask) looksAtName(key string) bool {
	_, renamed := m.Name("", key)
	return renamed
}

func (n *nameMask) apply(m *Mask, key string) string {
	kept := m.scratches.Get().(*datacopy.Scratch)
	defer m.scratches.Put(kept)
	kept.Reset()
	s := m.prf.of(kept)
	at := n.form.FindStringSubmatchIndex(key)
	name, last := kept.Buffer, 0
	for i, kind := range n.kinds {
		start, end := at[2*i+2], at[2*i+3]
		name = append(name, key[last:start]...)
		name = s.partOfName(name, kind, []byte(key[start:end]))
		last = end
	}
	name = append(name, key[last:]...)
	kept.Buffer = name
	return string(name)
}

// partOfName appends what stands for a part of a name. Pseudonyms of texts are
// the same for values that databases find equal, so that joins stay intact;
// names are compared byte by byte, and those that are not written as databases
// compare them get a mark of their own behind.
func (s *scratch) partOfName(dst []byte, kind Kind, part []byte) []byte {
	switch {
	case kind == Keep || len(part) == 0:
		return append(dst, part...)
	case kind == Hash:
		return s.hash(dst, part)
	case kind == Email:
		dst = s.email(dst, part)
	default:
		dst = pseudonym(s, dst, part, nil)
	}
	if string(s.folded(part)) == string(part) && (kind != Email || bytes.IndexByte(part, '<') < 0) {
		return dst
	}
	mark := s.bits(forBytes, part)
	dst = append(dst, '-')
	for _, b := range mark[:variantLength] {
		dst = append(dst, tokenAlphabet[b&31])
	}
	return dst
}

// variantLength tells the ways apart in which one value is written: 40 bits.
const variantLength = 8
