package verify

import (
	"cmp"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Difference is between two documents, A and B.
type Difference struct {
	// A and B are what the two are called.
	A string `json:"a"`
	B string `json:"b"`
	// Changes in the order of documents.
	Changes []Change `json:"changes"`
	// Unknown is what could not be compared.
	Unknown []Incomparable `json:"unknown"`
	// Same is the number of items that are alike.
	Same int `json:"same"`
}

// Change is one item that is not the same on both sides.
type Change struct {
	Kind hostspec.Kind `json:"kind"`
	Name string        `json:"name"`
	// How says which side has the item: OnlyA, OnlyB, or Differs for both.
	How How `json:"how"`
	// Attributes that differ, or all of the side that has the item.
	Attributes []AttributeChange `json:"attributes,omitempty"`
}

// How an item differs.
type How string

// Ways in which an item differs.
const (
	OnlyA   How = "only-a"
	OnlyB   How = "only-b"
	Differs How = "differs"
)

// AttributeChange is an attribute on both sides; nil where a side lacks it.
type AttributeChange struct {
	Name string          `json:"name"`
	A    *hostspec.Value `json:"a,omitempty"`
	B    *hostspec.Value `json:"b,omitempty"`
}

// Incomparable is a kind, an item or an attribute of which one side is unknown.
type Incomparable struct {
	Kind hostspec.Kind `json:"kind"`
	// Name is "" for the whole kind.
	Name      string `json:"name,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Reason    string `json:"reason"`
}

// Err is nil where nothing differs, fault.NotHolding where something does, and
// fault.Failed where it is unknown.
func (d *Difference) Err() error {
	switch {
	case len(d.Changes) > 0:
		return fault.New(fault.NotHolding, "", "%s and %s differ in %d items", d.A, d.B, len(d.Changes))
	case len(d.Unknown) > 0:
		return fault.New(fault.Failed, "", "%d facts of %s or %s are unknown", len(d.Unknown), d.A, d.B)
	}
	return nil
}

// Compare finds what differs between two documents, by what their rules keep:
// an item is compared where the rules keep that of either side. Where one side
// has an expectation, the other's value is held against it.
func Compare(nameA string, a *hostspec.Spec, nameB string, b *hostspec.Spec) *Difference {
	c := &comparer{a: a, b: b, rules: &hostspec.Spec{Rules: slices.Concat(a.Rules, b.Rules)}}
	c.found = &Difference{A: nameA, B: nameB, Changes: []Change{}, Unknown: []Incomparable{}}
	c.kinds()
	left, right := a.Items, b.Items
	for len(left) > 0 || len(right) > 0 {
		switch order := compareHeads(left, right); {
		case order < 0:
			c.one(OnlyA, &left[0])
			left = left[1:]
		case order > 0:
			c.one(OnlyB, &right[0])
			right = right[1:]
		default:
			c.both(&left[0], &right[0])
			left, right = left[1:], right[1:]
		}
	}
	return c.found
}

// compareHeads says which list has the earlier item; an empty one has none.
func compareHeads(left, right []hostspec.Item) int {
	if len(left) == 0 || len(right) == 0 {
		return cmp.Compare(len(right), len(left))
	}
	return left[0].Key.Compare(right[0].Key)
}

type comparer struct {
	a, b     *hostspec.Spec
	rules    *hostspec.Spec
	patterns sync.Map
	found    *Difference
}

// kinds notes those that a side does not know.
func (c *comparer) kinds() {
	reasons := map[hostspec.Kind]string{}
	for kind, reason := range c.b.Unknown {
		reasons[kind] = c.found.B + ": " + reason
	}
	for kind, reason := range c.a.Unknown {
		reasons[kind] = c.found.A + ": " + reason
	}
	for _, kind := range sortedKinds(reasons) {
		if c.rules.Keeps(hostspec.Item{Key: hostspec.Key{Kind: kind, Name: "*"}}) {
			c.found.Unknown = append(c.found.Unknown, Incomparable{Kind: kind, Reason: reasons[kind]})
		}
	}
}

// one notes an item that only one side has, unless the other may have it.
func (c *comparer) one(how How, item *hostspec.Item) {
	other := c.b
	if how == OnlyB {
		other = c.a
	}
	if _, unknown := other.Unknown[item.Kind]; unknown || !c.rules.Keeps(*item) {
		return
	}
	if item.Absent || isGone(item) && item.Text("state") == "absent" {
		c.found.Same++
		return
	}
	change := Change{Kind: item.Kind, Name: item.Name, How: how}
	for i := range item.Attributes {
		attribute := AttributeChange{Name: item.Attributes[i].Name}
		if how == OnlyA {
			attribute.A = &item.Attributes[i].Value
		} else {
			attribute.B = &item.Attributes[i].Value
		}
		change.Attributes = append(change.Attributes, attribute)
	}
	c.found.Changes = append(c.found.Changes, change)
}

func (c *comparer) both(a, b *hostspec.Item) {
	if !c.rules.Keeps(*a) && !c.rules.Keeps(*b) {
		return
	}
	change := Change{Kind: a.Kind, Name: a.Name, How: Differs}
	if a.Absent != b.Absent {
		c.found.Changes = append(c.found.Changes, change)
		return
	}
	unknown := 0
	for _, name := range attributeNames(a, b) {
		if !c.rules.KeepsAttribute(*a, name) && !c.rules.KeepsAttribute(*b, name) {
			continue
		}
		attribute, outcome := c.attribute(a, b, name)
		switch outcome.answer {
		case result.Fails:
			change.Attributes = append(change.Attributes, attribute)
		case result.Unknown:
			unknown++
			c.found.Unknown = append(c.found.Unknown, Incomparable{a.Kind, a.Name, name, outcome.reason})
		}
	}
	switch {
	case len(change.Attributes) > 0:
		c.found.Changes = append(c.found.Changes, change)
	case unknown == 0:
		c.found.Same++
	}
}

// attribute holds one side's value against the other's: that which is an
// expectation against that which is a fact.
func (c *comparer) attribute(a, b *hostspec.Item, name string) (AttributeChange, outcome) {
	left, hasLeft := a.Get(name)
	right, hasRight := b.Get(name)
	change := AttributeChange{Name: name}
	if hasLeft {
		change.A = &left
	}
	if hasRight {
		change.B = &right
	}
	switch {
	case left.Operator() == hostspec.Volatile || right.Operator() == hostspec.Volatile:
		return change, holds
	case left.Operator() == hostspec.Unknown:
		return change, unknown(c.found.A + ": " + left.Argument())
	case right.Operator() == hostspec.Unknown:
		return change, unknown(c.found.B + ": " + right.Argument())
	}
	expected, fact, there := left, right, hasRight
	expectedSalt, factSalt := c.a.Salt, c.b.Salt
	if !hasLeft || isExpectation(right) {
		expected, fact, there = right, left, hasLeft
		expectedSalt, factSalt = factSalt, expectedSalt
	}
	return change, (&comparison{
		key: a.Key, attribute: name, fact: fact, there: there, manager: managerOf(a, b),
		patterns: &c.patterns, expectedSalt: expectedSalt, factSalt: factSalt,
	}).with(expected)
}

func isExpectation(v hostspec.Value) bool { return !v.Plain() && v.Operator() != hostspec.Secret }

// attributeNames are those of a, then those that only b has.
func attributeNames(a, b *hostspec.Item) []string {
	names := make([]string, 0, len(a.Attributes))
	for _, attribute := range a.Attributes {
		names = append(names, attribute.Name)
	}
	for _, attribute := range b.Attributes {
		if !slices.Contains(names, attribute.Name) {
			names = append(names, attribute.Name)
		}
	}
	return names
}
