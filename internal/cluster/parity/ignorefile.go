package parity

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// maxIgnoreFile bounds a file of rules in bytes.
const maxIgnoreFile = 1 << 20

// ReadIgnore reads rules from YAML: a list of what ParityIgnore has, each with
// its reason. Unknown fields, a rule without a reason and one that would ignore
// everything are errors that say the line. Errors are fault.Invalid.
func ReadIgnore(r io.Reader) ([]v1alpha1.ParityIgnore, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIgnoreFile+1))
	if err == nil && len(text) > maxIgnoreFile {
		err = fmt.Errorf("the file is larger than %d KiB", maxIgnoreFile>>10)
	}
	var rules []v1alpha1.ParityIgnore
	if err == nil {
		rules, err = parseIgnore(text)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading ignore rules: %w", err), "docs/parity.md shows how they are written.")
	}
	return rules, nil
}

// parseIgnore reads the list. The YAML library may panic on what no person
// writes; that is an error too.
func parseIgnore(text []byte) (rules []v1alpha1.ParityIgnore, err error) {
	defer func() {
		if r := recover(); r != nil {
			rules, err = nil, fmt.Errorf("it is no YAML: %v", r)
		}
	}()
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document")
	}
	list := document.Content[0]
	if list.Kind == yaml.ScalarNode && list.Tag == "!!null" {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: a list of rules is wanted", list.Line)
	}
	for _, item := range list.Content {
		rule, err := parseRule(item)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// parseRule reads one rule.
func parseRule(node *yaml.Node) (v1alpha1.ParityIgnore, error) {
	var rule v1alpha1.ParityIgnore
	if node.Kind != yaml.MappingNode {
		return rule, fmt.Errorf("line %d: a rule has fields: kind, namespace, name, path, manager, reason", node.Line)
	}
	to := map[string]*string{
		"kind": &rule.Kind, "namespace": &rule.Namespace, "name": &rule.Name, "path": &rule.Path, "manager": &rule.Manager, "reason": &rule.Reason,
	}
	var seen []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		field, value := node.Content[i], node.Content[i+1]
		target, known := to[field.Value]
		switch {
		case !known:
			return rule, fmt.Errorf("line %d: a rule has no field %q, but kind, namespace, name, path, manager and reason", field.Line, field.Value)
		case slices.Contains(seen, field.Value):
			return rule, fmt.Errorf("line %d: %s is given twice", field.Line, field.Value)
		case value.Kind != yaml.ScalarNode:
			return rule, fmt.Errorf("line %d: %s is a text", value.Line, field.Value)
		}
		*target = value.Value
		seen = append(seen, field.Value)
	}
	if _, err := compile([]v1alpha1.ParityIgnore{rule}); err != nil {
		_, why, _ := strings.Cut(err.Error(), "ignore rule 1 ")
		return rule, fmt.Errorf("line %d: the rule %s: %s", node.Line, why, fault.HintOf(err))
	}
	return rule, nil
}

// RuleText is a rule in a line: "kind Ingress, path spec.ingressClassName".
func RuleText(rule v1alpha1.ParityIgnore) string {
	var parts []string
	for _, part := range [][2]string{{"kind", rule.Kind}, {"namespace", rule.Namespace}, {"name", rule.Name}, {"path", rule.Path}, {"manager", rule.Manager}} {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+part[1])
		}
	}
	return strings.Join(parts, ", ")
}
