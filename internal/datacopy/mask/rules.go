package mask

import (
	"slices"

	"github.com/theory/jsonpath"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Version is that of the rules' format, docs/spec/v1alpha1/mask.md.
const Version = "landfall.dev/mask/v1"

// Rules say what happens to personal data in all stores of a system.
type Rules struct {
	Version string `yaml:"version" json:"version"`
	Rules   []Rule `yaml:"rules" json:"rules"`
}

// Rule is about tables of MySQL, keys of Redis or objects of S3: one of Table,
// Key and Object is set.
type Rule struct {
	// Store is the name of stores in the blueprint; all by default.
	Store Pattern `yaml:"store" json:"store,omitzero"`

	// Table names tables, and Columns what is in their columns.
	Table   Pattern `yaml:"table" json:"table,omitzero"`
	Columns Actions `yaml:"columns" json:"columns,omitempty"`
	// Where keeps only the rows that this predicate of SQL selects, and what
	// they refer to.
	Where string `yaml:"where" json:"where,omitempty"`

	// Key names keys, Names what the *s of that pattern stand for, in order (of
	// objects, too); Fields what is in the fields of hashes, and Value what is in strings and
	// in the elements of lists and sets.
	Key    Pattern  `yaml:"key" json:"key,omitzero"`
	Names  []Action `yaml:"names" json:"names,omitempty"`
	Fields Actions  `yaml:"fields" json:"fields,omitempty"`

	// Object names objects, and Value what is in them.
	Object Pattern `yaml:"object" json:"object,omitzero"`
	Value  *Action `yaml:"value" json:"value,omitempty"`
}

func (r Rule) kind() datacopy.Kind {
	switch {
	case !r.Key.IsZero():
		return datacopy.Redis
	case !r.Object.IsZero():
		return datacopy.S3
	}
	return datacopy.MySQL
}

// Actions are what to do by pattern of a name. A name that is written out wins
// over patterns, a longer pattern over a shorter.
type Actions []NamedAction

// NamedAction is what to do with what goes by a name.
type NamedAction struct {
	Name   Pattern `json:"name"`
	Action Action  `json:"action"`
	// path is the name compiled, inside JSON.
	path *jsonpath.Path
}

// find gives what to do with a name, nil when nothing is said.
func (a Actions) find(name string) *Action {
	for i := range a {
		if a[i].Name.matchFolded(name) {
			return &a[i].Action
		}
	}
	return nil
}

// sort puts what wins first.
func (a Actions) sort() {
	rank := func(n NamedAction) int {
		if n.Name.literal() {
			return 1 << 20
		}
		return len(n.Name.text)
	}
	slices.SortStableFunc(a, func(x, y NamedAction) int { return rank(y) - rank(x) })
}

// Kind is what a value is taken for, and so what becomes of it.
type Kind string

// Kinds of masking.
const (
	// Pseudonym: numbers become other numbers of the same size, UUIDs others,
	// texts a token. Different values stay different.
	Pseudonym Kind = "pseudonym"
	// Email becomes TOKEN@example.com.
	Email Kind = "email"
	// Phone keeps its form and its country or trunk prefix.
	Phone Kind = "phone"
	// Card keeps its form and issuer (6 digits), and is valid by Luhn.
	Card Kind = "card"
	// Date is moved by some days: those of a person all by the same.
	Date Kind = "date"
	// Name, FirstName and LastName become names out of a list.
	Name      Kind = "name"
	FirstName Kind = "firstName"
	LastName  Kind = "lastName"
	// Empty leaves an empty text, Null nothing at all, Fixed a given text.
	Empty Kind = "empty"
	Null  Kind = "null"
	Fixed Kind = "fixed"
	// Hash is a keyed hash of 64 hexadecimal digits.
	Hash Kind = "hash"
	// JSON changes parts of a document.
	JSON Kind = "json"
	// Keep says that somebody has looked: no personal data.
	Keep Kind = "keep"
)

// keyless kinds need no secret.
var keyless = map[Kind]bool{Empty: true, Null: true, Fixed: true, Keep: true}

// Action is what to do with a value.
type Action struct {
	Kind Kind `json:"kind"`
	// Text of Fixed.
	Text string `json:"text,omitempty"`
	// Days that a Date moves at most, either way; and the column (field, path)
	// that says whose it is, without which every date goes its own way.
	Days   int    `json:"days,omitempty"`
	Person string `json:"person,omitempty"`
	// Paths of JSON (RFC 9535).
	Paths Actions `json:"paths,omitempty"`
}

// DefaultDays is how far dates move where a rule does not say.
const DefaultDays = 180

// NeedsKey says whether any rule makes pseudonyms, for which a secret is
// needed.
func (r *Rules) NeedsKey() bool {
	return slices.ContainsFunc(r.Rules, func(rule Rule) bool {
		return rule.Columns.needKey() || rule.Fields.needKey() || rule.Value != nil && rule.Value.needsKey() || slices.ContainsFunc(rule.Names, Action.needsKey)
	})
}

func (a Actions) needKey() bool {
	return slices.ContainsFunc(a, func(n NamedAction) bool { return n.Action.needsKey() })
}

func (a Action) needsKey() bool {
	if a.Kind == JSON {
		return a.Paths.needKey()
	}
	return !keyless[a.Kind]
}
