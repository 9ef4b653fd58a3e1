package parity

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
)

// rule is a ParityIgnore that can be asked.
type rule struct {
	v1alpha1.ParityIgnore
	// source is the documentation of a built-in rule.
	source string
	// only says when a built-in rule applies, by more than one field; nil: always.
	only func(*comparison, transfer.Key, transfer.Difference) bool

	kind, group string
	path        []string
	// used counts, and example is the first difference left out by it.
	used    int
	example string
}

// compile reads the user's rules. One that would ignore everything is refused.
func compile(ignore []v1alpha1.ParityIgnore) ([]*rule, error) {
	rules := make([]*rule, 0, len(ignore))
	for i := range ignore {
		r := &rule{ParityIgnore: ignore[i]}
		switch {
		case strings.TrimSpace(r.Reason) == "":
			return nil, fault.New(fault.Invalid, "Say why the difference is meant.", "ignore rule %d has no reason", i+1)
		case strings.Trim(r.Kind+r.Namespace+r.Name+r.Path, "*.") == "" && r.Manager == "":
			return nil, fault.New(fault.Invalid, "Name a kind, namespace, name, path or manager.", "ignore rule %d (%s) would ignore everything", i+1, r.Reason)
		}
		r.prepare()
		rules = append(rules, r)
	}
	return rules, nil
}

func (r *rule) prepare() {
	r.kind, r.group, _ = strings.Cut(r.Kind, ".")
	r.path = tokens(r.Path)
}

// about tells whether the rule is about the object.
func (r *rule) about(k transfer.Key) bool {
	return (r.kind == "" || like(r.kind, k.Kind.Kind)) &&
		(r.group == "" || like(r.group, k.Kind.Group)) &&
		(r.Namespace == "" || like(r.Namespace, k.Namespace)) &&
		(r.Name == "" || like(r.Name, k.Name))
}

// whole tells whether the rule is about whole objects.
func (r *rule) whole() bool { return len(r.path) == 0 && r.Manager == "" }

// covers tells whether the rule is about a field that differs. owned are the
// fields of the rule's manager.
func (r *rule) covers(path []string, owned fields) bool {
	return begins(r.path, path) && (r.Manager == "" || owned[r.Manager].has(path))
}

// begins tells whether the path is at the pattern or below it.
func begins(pattern, path []string) bool {
	if len(pattern) > len(path) {
		return false
	}
	for i := range pattern {
		if !like(pattern[i], path[i]) {
			return false
		}
	}
	return true
}

// tokens splits a path: fields by dots, what stands in brackets as it is.
func tokens(path string) []string {
	var all []string
	for path != "" {
		if path[0] == '[' {
			if end := strings.IndexByte(path, ']'); end > 0 {
				all = append(all, path[1:end])
				path = strings.TrimPrefix(path[end+1:], ".")
				continue
			}
		}
		end := strings.IndexAny(path[1:], ".[")
		if end < 0 {
			return append(all, path)
		}
		all = append(all, path[:end+1])
		path = strings.TrimPrefix(path[end+1:], ".")
	}
	return all
}

// like compares with a pattern in which * stands for any characters.
func like(pattern, text string) bool {
	start, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, start) {
		return false
	}
	text = text[len(start):]
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], more
	}
}

// fields that managers own, by manager.
type fields map[string]paths

// paths of fields that one manager owns.
type paths []ownedPath

// ownedPath is a field that is owned; if a leaf, all below it is, too.
type ownedPath struct {
	at   []string
	leaf bool
}

// has tells whether the path is owned.
func (p paths) has(path []string) bool {
	return slices.ContainsFunc(p, func(owned ownedPath) bool {
		return slices.Equal(owned.at, path) || owned.leaf && len(owned.at) < len(path) && slices.Equal(owned.at, path[:len(owned.at)])
	})
}

// and adds those of the other side.
func (f fields) and(other fields) fields {
	all := maps.Clone(f)
	if all == nil {
		return other
	}
	for manager, owned := range other {
		all[manager] = slices.Concat(all[manager], owned)
	}
	return all
}

// ownedBy reads which fields of an object the managers own.
func ownedBy(u *unstructured.Unstructured, managers []string) fields {
	var found fields
	for _, entry := range u.GetManagedFields() {
		if entry.FieldsV1 == nil || !slices.Contains(managers, entry.Manager) {
			continue
		}
		set := &fieldpath.Set{}
		if set.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue // nothing is known to be owned
		}
		if found == nil {
			found = fields{}
		}
		leaves := set.Leaves()
		set.Iterate(func(p fieldpath.Path) {
			found[entry.Manager] = append(found[entry.Manager], ownedPath{split(p), leaves.Has(p)})
		})
	}
	return found
}

// split is a path of managed fields in the words of differences.
func split(p fieldpath.Path) []string {
	all := make([]string, 0, len(p))
	for _, element := range p {
		switch {
		case element.FieldName != nil:
			all = append(all, *element.FieldName)
		case element.Key != nil:
			all = append(all, nameOf(*element.Key))
		case element.Value != nil:
			all = append(all, strings.Trim(value.ToString(*element.Value), `"`))
		default:
			all = append(all, strings.Trim(element.String(), "[]"))
		}
	}
	return all
}

// nameOf is how differences call an item of a list by its keys.
func nameOf(key value.FieldList) string {
	for _, name := range transfer.Keys {
		for _, field := range key {
			if field.Name == name {
				return strings.Trim(value.ToString(field.Value), `"`)
			}
		}
	}
	return ""
}
