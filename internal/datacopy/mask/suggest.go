package mask

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Draft writes rules for what was found, to be read by a person: each says in a
// comment why it is there.
func Draft(findings []Finding, kinds map[string]datacopy.Kind) ([]byte, error) {
	places := map[string][]Finding{}
	for _, f := range findings {
		place := f.Store + "\x00" + cmp.Or(f.Key, f.Unit)
		places[place] = append(places[place], f)
	}
	rules := sequence()
	for _, place := range sortedKeys(places) {
		rules.Content = append(rules.Content, draftRule(places[place], kinds[places[place][0].Store]))
	}
	document := mapping()
	set(document, "version", scalar(Version, ""))
	set(document, "rules", rules)
	return yaml.Marshal(document)
}

func draftRule(findings []Finding, kind datacopy.Kind) *yaml.Node {
	rule := mapping()
	first := findings[0]
	set(rule, "store", scalar(first.Store, ""))
	switch kind {
	case datacopy.MySQL:
		set(rule, "table", scalar(first.Unit, ""))
		set(rule, "columns", draftActions(findings))
	case datacopy.Redis:
		set(rule, "key", scalar(first.Key, ""))
		draftNames(rule, findings)
		draftValues(rule, slices.DeleteFunc(findings, func(f Finding) bool { return f.Star > 0 }))
	default:
		set(rule, "object", scalar(first.Key, ""))
		draftNames(rule, findings)
		draftValues(rule, slices.DeleteFunc(findings, func(f Finding) bool { return f.Star > 0 }))
	}
	return rule
}

// draftNames keeps the parts of names that nothing was found in.
func draftNames(rule *yaml.Node, findings []Finding) {
	var names *yaml.Node
	for _, f := range findings {
		if f.Star == 0 {
			continue
		}
		if names == nil {
			names = sequence()
			for range starsOf(f.Key) {
				names.Content = append(names.Content, scalar(string(Keep), ""))
			}
		}
		names.Content[f.Star-1] = scalar(string(f.Kind), f.Why)
	}
	if names != nil {
		set(rule, "names", names)
	}
}

// draftValues tells fields of hashes from plain values.
func draftValues(rule *yaml.Node, findings []Finding) {
	var fields, values []Finding
	for _, f := range findings {
		if f.Column == "" {
			values = append(values, f)
		} else {
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 {
		set(rule, "fields", draftActions(fields))
	}
	if len(values) > 0 {
		set(rule, "value", draftAction(values))
	}
}

func draftActions(findings []Finding) *yaml.Node {
	byColumn := map[string][]Finding{}
	for _, f := range findings {
		byColumn[f.Column] = append(byColumn[f.Column], f)
	}
	actions := mapping()
	for _, column := range sortedKeys(byColumn) {
		set(actions, column, draftAction(byColumn[column]))
	}
	return actions
}

// draftAction is one kind, or those of the paths of a document.
func draftAction(findings []Finding) *yaml.Node {
	if findings[0].Path == "" {
		return scalar(string(findings[0].Kind), findings[0].Why)
	}
	paths := mapping()
	slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range findings {
		set(paths, f.Path, scalar(string(f.Kind), f.Why))
	}
	action := mapping()
	set(action, string(JSON), paths)
	return action
}

// The rest are pieces of YAML.

func mapping() *yaml.Node  { return &yaml.Node{Kind: yaml.MappingNode} }
func sequence() *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode} }

func scalar(value, comment string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(value)
	node.LineComment = comment
	return node
}

func set(mapping *yaml.Node, name string, value *yaml.Node) {
	mapping.Content = append(mapping.Content, scalar(name, ""), value)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
