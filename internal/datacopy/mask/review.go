package mask

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/theory/jsonpath"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Review holds rules against what is in a store: what looks personal and has no
// rule, rules that do not fit, joins that would break, rules about nothing. Not
// safe for concurrent use.
type Review struct {
	store string
	mask  *Mask
	// Missing looks personal, and no rule says anything about it.
	Missing []Finding `json:"missing"`
	// Problems would make a copy fail or break joins.
	Problems []string `json:"problems,omitempty"`
	// Covered counts what looks personal and has a rule.
	Covered int `json:"covered"`

	seen map[Finding]bool
	used []bool
	// fits are the columns of each rule that some table has.
	fits    []map[string]bool
	columns map[string]reviewed
}

// reviewed is a column and what happens to it.
type reviewed struct {
	references string
	action     *Action
}

// NewReview begins a review of the rules for one store.
func NewReview(store string, m *Mask) *Review {
	r := &Review{store: store, mask: m, seen: map[Finding]bool{}, used: make([]bool, len(m.rules)), columns: map[string]reviewed{}}
	for range m.rules {
		r.fits = append(r.fits, map[string]bool{})
	}
	return r
}

// See looks at one sample.
func (r *Review) See(sample datacopy.Sample) error {
	if sample.Key == "" {
		r.seeTable(sample)
	}
	action := r.actions(sample)
	for _, finding := range Find(r.store, sample) {
		id := finding
		id.Why = ""
		if r.seen[id] {
			continue
		}
		r.seen[id] = true
		covered := action(finding.Column).covers(finding.Path)
		if finding.Star > 0 {
			covered = r.mask.looksAtName(sample.Key)
		}
		if covered {
			r.Covered++
		} else {
			r.Missing = append(r.Missing, finding)
		}
	}
	return nil
}

// seeTable notes what the rules do to a table.
func (r *Review) seeTable(sample datacopy.Sample) {
	if _, err := r.mask.Rows(sample.Unit, sample.Columns); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	for i, rule := range r.mask.rules {
		if !rule.Table.matchFolded(sample.Unit) {
			continue
		}
		r.used[i] = r.used[i] || rule.Where != ""
		for _, named := range rule.Columns {
			if slices.ContainsFunc(sample.Columns, func(c datacopy.Column) bool { return named.Name.matchFolded(c.Name) }) {
				r.used[i], r.fits[i][named.Name.text] = true, true
			}
		}
	}
	for _, column := range sample.Columns {
		r.columns[strings.ToLower(sample.Unit+"."+column.Name)] = reviewed{
			references: column.References, action: r.mask.columnAction(sample.Unit, column.Name),
		}
	}
}

// actions gives what the rules say of the columns of a table, or of the parts
// of a key.
func (r *Review) actions(sample datacopy.Sample) func(name string) *Action {
	if sample.Key == "" {
		return func(column string) *Action { return r.mask.columnAction(sample.Unit, column) }
	}
	at := slices.IndexFunc(r.mask.rules, func(rule Rule) bool { return rule.Key.match(sample.Key) || rule.Object.match(sample.Key) })
	if at < 0 {
		return func(string) *Action { return nil }
	}
	r.used[at] = true
	rule := r.mask.rules[at]
	return func(field string) *Action {
		if field == "" {
			return rule.Value
		}
		return rule.Fields.find(field)
	}
}

// covers says whether something is done, or nothing on purpose, at a path of a
// document; "" is the whole value.
func (a *Action) covers(path string) bool {
	if a == nil {
		return false
	}
	if a.Kind != JSON || path == "" {
		return true
	}
	document := skeleton(strings.TrimPrefix(path, "$"))
	return slices.ContainsFunc(a.Paths, func(n NamedAction) bool { return selects(n.path, document, path) })
}

// selects says whether a path selects the only leaf of a document, or what it
// is in.
func selects(path *jsonpath.Path, document any, leaf string) bool {
	depth := strings.Count(leaf, ".") + strings.Count(leaf, "[*]")
	for _, found := range path.SelectLocated(document) {
		if len(found.Path) <= depth {
			return true
		}
	}
	return false
}

// skeleton makes a document that has just one leaf, where path leads.
func skeleton(path string) any {
	switch {
	case strings.HasPrefix(path, "[*]"):
		return []any{skeleton(path[3:])}
	case strings.HasPrefix(path, "."):
		end := len(path)
		if next := strings.IndexAny(path[1:], ".["); next >= 0 {
			end = next + 1
		}
		return map[string]any{path[1:end]: skeleton(path[end:])}
	}
	return "x"
}

// Conclude adds what can be said only when everything has been seen.
func (r *Review) Conclude() {
	for _, name := range sortedKeys(r.columns) {
		column := r.columns[name]
		if column.references == "" {
			continue
		}
		target, known := r.columns[strings.ToLower(column.references)]
		if known && !sameAction(column.action, target.action) {
			r.Problems = append(r.Problems, fmt.Sprintf("%s refers to %s, which is masked otherwise: joins would break", name, strings.ToLower(column.references)))
		}
	}
	for i, used := range r.used {
		if !used {
			r.Problems = append(r.Problems, fmt.Sprintf("the rule about %s fits nothing in store %s", r.mask.rules[i].about(), r.store))
			continue
		}
		for _, named := range r.mask.rules[i].Columns {
			if !r.fits[i][named.Name.text] {
				r.Problems = append(r.Problems, fmt.Sprintf("the rule about %s names column %s, which is in none of them", r.mask.rules[i].about(), named.Name.text))
			}
		}
	}
}

// sameAction says whether two columns are changed alike; to keep is to do
// nothing.
func sameAction(a, b *Action) bool {
	plain := func(x *Action) Action {
		if x == nil {
			return Action{Kind: Keep}
		}
		return *x
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// about names what a rule is about.
func (r Rule) about() string {
	switch r.kind() {
	case datacopy.Redis:
		return "keys " + r.Key.text
	case datacopy.S3:
		return "objects " + r.Object.text
	}
	return "tables " + r.Table.text
}
