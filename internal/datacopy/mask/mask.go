// Package mask changes personal data while it is copied: rules, written by
// people and kept beside the blueprint, say which columns, keys and paths hold
// what; a secret key makes the same person the same pseudonym everywhere.
//
// What a rule names is never let through: a value that is not what the rule
// says (a "date" that is none) is emptied. The package knows neither servers
// nor Kubernetes. Start at Parse, then Rules.For.
package mask

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Mask is the rules for one store under one key. It is a datacopy.Mask.
type Mask struct {
	kind  datacopy.Kind
	rules []Rule
	// names are what rules do to names of keys, nil where nothing.
	names     []*nameMask
	prf       *prf
	digest    string
	scratches sync.Pool
}

var _ datacopy.Mask = (*Mask)(nil)

// For gives the mask of the store called name. All that differs in rules or
// key gives another Digest.
func (r *Rules) For(name string, kind datacopy.Kind, key Key) (*Mask, error) {
	m := &Mask{kind: kind, scratches: sync.Pool{New: func() any { return new(datacopy.Scratch) }}}
	for _, rule := range r.Rules {
		if (rule.Store.IsZero() || rule.Store.matchFolded(name)) && rule.kind() == kind {
			names, err := newNameMask(&rule)
			if err != nil {
				return nil, fault.Wrap(fault.Invalid, fmt.Errorf("masking: %w", err), "Correct the rules.")
			}
			m.rules, m.names = append(m.rules, rule), append(m.names, names)
		}
	}
	if key.IsZero() {
		if r.NeedsKey() {
			return nil, fault.New(fault.Invalid, "Put a secret into $"+KeyVariable+", or name a file with --mask-key-file.",
				"masking: the rules make pseudonyms, and no mask key is given")
		}
		key, _ = NewKey([]byte("these rules make no pseudonyms"))
	}
	var err error
	if m.prf, err = newPRF(key); err != nil {
		return nil, fmt.Errorf("making a mask: %w", err)
	}
	m.digest, err = digest(m.rules, key)
	return m, err
}

// KeyVariable is the environment variable that holds the mask key.
const KeyVariable = "LANDFALL_MASK_KEY"

func digest(rules []Rule, key Key) (string, error) {
	text, err := json.Marshal(rules)
	if err != nil {
		return "", fmt.Errorf("digesting mask rules: %w", err)
	}
	sum := sha256.Sum256(append(text, key.Fingerprint()...))
	return hex.EncodeToString(sum[:16]), nil
}

// Digest is part of datacopy.Mask.
func (m *Mask) Digest() string { return m.digest }

// Subset gives the predicates of the rules, by table pattern: see
// Request.Subset of datacopy.
func (m *Mask) Subset(tables []string) map[string]string {
	subset := map[string]string{}
	for _, table := range tables {
		for _, rule := range m.rules {
			if rule.Where != "" && rule.Table.matchFolded(table) {
				subset[table] = rule.Where
				break
			}
		}
	}
	return subset
}

// Rows is part of datacopy.Mask. The first rule that names a column decides.
func (m *Mask) Rows(table string, columns []datacopy.Column) (datacopy.RowMask, error) {
	var problems []error
	rows := &rowMask{prf: m.prf}
	for i, column := range columns {
		action := m.columnAction(table, column.Name)
		if action == nil || action.Kind == Keep {
			continue
		}
		change, err := m.column(*action, column, columns)
		if err != nil {
			problems = append(problems, fmt.Errorf("column %s.%s: %w", table, column.Name, err))
			continue
		}
		change.at = i
		rows.add(change)
	}
	if len(problems) > 0 {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("mask rules do not fit table %s: %w", table, errors.Join(problems...)),
			"Correct the rules; `landfall data mask check` tries them.")
	}
	if len(rows.columns) == 0 {
		return nil, nil
	}
	return rows, nil
}

// columnAction gives what the rules say of a column, nil when nothing.
func (m *Mask) columnAction(table, column string) *Action {
	for _, rule := range m.rules {
		if !rule.Table.matchFolded(table) {
			continue
		}
		if action := rule.Columns.find(column); action != nil {
			return action
		}
	}
	return nil
}

// Value is part of datacopy.Mask. The first rule whose pattern fits decides.
func (m *Mask) Value(_, key string) (datacopy.ValueMask, error) {
	for i := range m.rules {
		rule := &m.rules[i]
		if rule.Key.match(key) || rule.Object.match(key) {
			return newValueMask(m.prf, rule)
		}
	}
	return nil, nil
}

// rowMask changes the rows of one table.
type rowMask struct {
	prf     *prf
	columns []columnMask
}

// columnMask is what happens to one column.
type columnMask struct {
	at int
	// person is the position of the column that says whose date it is; -1 for
	// none.
	person int
	change changer
	// null empties by NULL.
	null bool
	// limit is how many characters (bytes, where binary) fit; 0 is no limit.
	limit  int
	binary bool
}

// add keeps the order in which columns are changed: what looks at another
// column comes first, while that still has its own value.
func (r *rowMask) add(c columnMask) {
	if c.person >= 0 {
		r.columns = append([]columnMask{c}, r.columns...)
		return
	}
	r.columns = append(r.columns, c)
}

// Columns is part of datacopy.RowMask.
func (r *rowMask) Columns() []int {
	at := make([]int, len(r.columns))
	for i, c := range r.columns {
		at[i] = c.at
	}
	return at
}

// Reads is part of datacopy.RowMask.
func (r *rowMask) Reads() []int {
	at := r.Columns()
	for _, c := range r.columns {
		if c.person >= 0 {
			at = append(at, c.person)
		}
	}
	return at
}

// Mask is part of datacopy.RowMask.
func (r *rowMask) Mask(row [][]byte, kept *datacopy.Scratch) error {
	s := r.prf.of(kept)
	for i := range r.columns {
		c := &r.columns[i]
		value := row[c.at]
		switch {
		case value == nil:
			continue
		case c.null:
			row[c.at] = nil
			continue
		}
		var person []byte
		if c.person >= 0 {
			person = row[c.person]
		}
		start := len(kept.Buffer)
		kept.Buffer = c.change(s, kept.Buffer, value, person)
		row[c.at] = c.fit(kept.Buffer[start:len(kept.Buffer):len(kept.Buffer)])
	}
	return nil
}

// fit cuts a value to what its column takes.
func (c *columnMask) fit(value []byte) []byte {
	if c.limit == 0 || len(value) <= c.limit {
		return value
	}
	if c.binary {
		return value[:c.limit]
	}
	characters := 0
	for i := range string(value) { // does not allocate
		if characters == c.limit {
			return value[:i]
		}
		characters++
	}
	return value
}

// changer appends to dst what is to stand for value. value is never nil; person
// is what the rule's person column holds.
type changer func(s *scratch, dst, value, person []byte) []byte

// Empty tells that no rule is about this store.
func (m *Mask) Empty() bool { return len(m.rules) == 0 }
