package hostspec

import (
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"maps"
	"slices"
	"strings"
)

// Rule says what a spec keeps or leaves out, and why. The last rule that
// applies to an item wins; an item that no rule applies to is kept. The same
// goes for each attribute of a kept item.
type Rule struct {
	// Exclude and Include are patterns for kind/name or kind/name#attribute;
	// exactly one is set. "*" stands for any characters, also slashes.
	Exclude string `json:"exclude,omitempty" yaml:"exclude,omitempty"`
	Include string `json:"include,omitempty" yaml:"include,omitempty"`
	// Where narrows the rule to items whose attributes are like these
	// patterns. An attribute that an item lacks is both "false" and "".
	Where map[string]string `json:"where,omitempty" yaml:"where,omitempty,flow"`
	// Reason is for people: why this is noise, or why it matters after all.
	Reason string `json:"reason" yaml:"reason"`
}

// Pattern is the pattern that is set.
func (r Rule) Pattern() string { return r.Exclude + r.Include }

func (r Rule) valid() error {
	if (r.Exclude == "") == (r.Include == "") {
		return errors.New("want exclude or include, and not both")
	}
	if _, ok := ParseKey(r.Pattern()); !ok && r.Pattern() != "*" {
		return fmt.Errorf("%q is no pattern: want kind/name or kind/name#attribute, with * for any characters", result.Clean(r.Pattern()))
	}
	return nil
}

// appliesTo says whether the rule is about the whole item. Behind a "#" comes
// an attribute, unless that is just how the item is called.
func (r Rule) appliesTo(item *Item, key string) bool {
	pattern := r.Pattern()
	if strings.Contains(pattern, "#") {
		return pattern == key && r.holdsWhere(item)
	}
	return Like(pattern, key) && r.holdsWhere(item)
}

// appliesToAttribute says whether the rule is about one attribute of the item.
func (r Rule) appliesToAttribute(item *Item, key, attribute string) bool {
	hash := strings.LastIndexByte(r.Pattern(), '#')
	return hash >= 0 && Like(r.Pattern()[hash+1:], attribute) && Like(r.Pattern()[:hash], key) && r.holdsWhere(item)
}

func (r Rule) holdsWhere(item *Item) bool {
	for attribute, pattern := range r.Where {
		value, has := item.Get(attribute)
		if has && !Like(pattern, value.String()) || !has && !Like(pattern, "") && !Like(pattern, "false") {
			return false
		}
	}
	return true
}

// Keeps says whether the spec's rules keep the item.
func (s *Spec) Keeps(item Item) bool {
	if len(s.Rules) == 0 {
		return true
	}
	key := item.String()
	for i := len(s.Rules) - 1; i >= 0; i-- {
		if s.Rules[i].appliesTo(&item, key) {
			return s.Rules[i].Include != ""
		}
	}
	return true
}

// KeepsAttribute says whether the spec's rules keep an attribute of an item
// that they keep.
func (s *Spec) KeepsAttribute(item Item, attribute string) bool {
	if len(s.Rules) == 0 {
		return true
	}
	key := item.String()
	for i := len(s.Rules) - 1; i >= 0; i-- {
		if s.Rules[i].appliesToAttribute(&item, key, attribute) {
			return s.Rules[i].Include != ""
		}
	}
	return true
}

// Kept is a copy of the spec without what its rules leave out. It shares
// values with the spec.
func (s *Spec) Kept() *Spec {
	kept := *s
	if len(s.Rules) == 0 {
		kept.Items, kept.Unknown = slices.Clone(s.Items), maps.Clone(s.Unknown)
		return &kept
	}
	kept.Items = make([]Item, 0, len(s.Items))
	for _, item := range s.Items {
		if !s.Keeps(item) {
			continue
		}
		attributes := item.Attributes
		item.Attributes = nil
		for _, a := range attributes {
			if s.KeepsAttribute(Item{Key: item.Key, Attributes: attributes}, a.Name) {
				item.Attributes = append(item.Attributes, a)
			}
		}
		kept.Items = append(kept.Items, item)
	}
	kept.Unknown = make(map[Kind]string, len(s.Unknown))
	for kind, reason := range s.Unknown {
		if s.Keeps(Item{Key: Key{kind, "*"}}) {
			kept.Unknown[kind] = reason
		}
	}
	return &kept
}

// Like says whether text is like pattern, in which "*" stands for any
// characters, also none and slashes.
func Like(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], next
	}
}
