// Package hostspec is what is known of one host, and what is asked of it: items
// (a package, a user, a kernel parameter) with attributes. Captured facts and
// expectations are the same document; an expectation may use operators (a
// version range, a pattern) where a fact has a value. It knows neither how
// facts are captured (capture) nor how they are compared (verify).
//
// Start at Spec and Value; a document is read by Decode and written by Encode.
package hostspec

import (
	"cmp"
	"github.com/landfall-dev/landfall/internal/result"
	"slices"
	"strings"
)

// Kind groups items of one sort: "package", "sysctl", "nginx-location".
// The word is used in documents, rules and output.
type Kind string

// Key names an item: "package/nginx", "file//etc/hosts".
type Key struct {
	Kind Kind
	// Name is unique within the kind. It is valid UTF-8 without control
	// characters: see Clean.
	Name string
}

// String is kind/name, the way rules and results name an item.
func (k Key) String() string { return string(k.Kind) + "/" + k.Name }

// ParseKey reads what String wrote.
func ParseKey(s string) (Key, bool) {
	kind, name, ok := strings.Cut(s, "/")
	return Key{Kind: Kind(kind), Name: name}, ok && kind != "" && name != ""
}

// Compare orders keys as documents do: by the order of Kinds, then by name.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		cmp.Compare(rank(k.Kind), rank(other.Kind)),
		cmp.Compare(k.Kind, other.Kind),
		cmp.Compare(k.Name, other.Name),
	)
}

// Attribute is one property of an item.
type Attribute struct {
	Name  string
	Value Value
}

// Value of an attribute of an item that has just one. Documents write such an
// item as its bare value.
const ValueAttribute = "value"

// Item is one thing on a host.
type Item struct {
	Key
	// Attributes in the order in which documents show them; names are unique.
	Attributes []Attribute
	// Absent asks that the host has no such item. Only in expectations.
	Absent bool
}

// Get gives the attribute's value.
func (i Item) Get(attribute string) (Value, bool) {
	for _, a := range i.Attributes {
		if a.Name == attribute {
			return a.Value, true
		}
	}
	return Value{}, false
}

// Text gives the attribute as text, or "" where it is absent or no plain
// value.
func (i Item) Text(attribute string) string {
	value, _ := i.Get(attribute)
	if !value.Plain() {
		return ""
	}
	return value.String()
}

// Decision is a person's answer to a question of triage, kept so that it is
// asked once.
type Decision struct {
	// Item is a pattern as in Rule.
	Item string `json:"item" yaml:"item"`
	// Class is where the item goes: image, config, platform, node, store, drop.
	Class string `json:"class" yaml:"class"`
	// Reason is for people.
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// Spec is a document about one host. Items are sorted by Key.Compare and
// unique; Sort brings them there. A Spec is not safe for concurrent changes.
type Spec struct {
	// Host is the name that the host gives itself.
	Host string
	// Salt goes into the fingerprints of secrets, so that equal secrets of
	// two documents do not show as equal to whoever has only the documents.
	// Hex.
	Salt string
	// Unknown kinds could not be captured at all: the reason by kind.
	Unknown map[Kind]string
	// Rules of this document.
	Rules []Rule
	// Decisions of triage.
	Decisions []Decision
	Items     []Item
}

// Sort brings the items into the documents' order. Of items with the same key
// the last one stays.
func (s *Spec) Sort() {
	slices.SortStableFunc(s.Items, func(a, b Item) int { return a.Key.Compare(b.Key) })
	kept := s.Items[:0]
	for i, item := range s.Items {
		if i+1 < len(s.Items) && s.Items[i+1].Key == item.Key {
			continue
		}
		kept = append(kept, item)
	}
	s.Items = kept
}

// Find gives the item of a key. The items must be sorted.
func (s *Spec) Find(key Key) (Item, bool) {
	i, found := slices.BinarySearchFunc(s.Items, key, func(item Item, key Key) int { return item.Key.Compare(key) })
	if !found {
		return Item{}, false
	}
	return s.Items[i], true
}

// Of gives the items of a kind, in order. The items must be sorted.
func (s *Spec) Of(kind Kind) []Item {
	start, _ := slices.BinarySearchFunc(s.Items, Key{Kind: kind}, func(item Item, key Key) int { return item.Key.Compare(key) })
	end := start
	for end < len(s.Items) && s.Items[end].Kind == kind {
		end++
	}
	return s.Items[start:end]
}

// Add puts an item in; sort when all are in. The name is cleaned.
func (s *Spec) Add(kind Kind, name string, attributes ...Attribute) {
	s.Items = append(s.Items, Item{Key: Key{kind, result.Clean(name)}, Attributes: attributes})
}
