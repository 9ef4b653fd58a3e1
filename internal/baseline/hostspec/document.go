package hostspec

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Version of the document's format.
const Version = "landfall.dev/hostspec/v1"

// MaxDocument bounds a document in bytes; a capture of a whole host is below
// 2 MB.
const MaxDocument = 32 << 20

// Encode writes the document as YAML: kinds and items in order, an item on one
// line. The same Spec gives the same bytes. The items must be sorted.
func (s *Spec) Encode(w io.Writer) error {
	root := mapping()
	put(root, "version", text(Version))
	put(root, "host", text(s.Host))
	put(root, "salt", text(s.Salt))
	if err := putAny(root, "rules", s.Rules, len(s.Rules)); err != nil {
		return err
	}
	if err := putAny(root, "decisions", s.Decisions, len(s.Decisions)); err != nil {
		return err
	}
	if err := putAny(root, "unknown", s.Unknown, len(s.Unknown)); err != nil {
		return err
	}
	put(root, "items", s.itemsNode())
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Errorf("writing host spec %s: %w", s.Host, err)
	}
	return encoder.Close()
}

func (s *Spec) itemsNode() *yaml.Node {
	items := mapping()
	var section *yaml.Node
	var kind Kind
	for _, item := range s.Items {
		if section == nil || item.Kind != kind {
			kind, section = item.Kind, mapping()
			put(items, string(kind), section)
		}
		put(section, item.Name, itemNode(item))
	}
	return items
}

func itemNode(item Item) *yaml.Node {
	if item.Absent {
		return valueNode(Expect(Exists, false))
	}
	if len(item.Attributes) == 1 && item.Attributes[0].Name == ValueAttribute {
		return valueNode(item.Attributes[0].Value)
	}
	node := mapping()
	node.Style = yaml.FlowStyle
	for _, a := range item.Attributes {
		put(node, a.Name, valueNode(a.Value))
	}
	return node
}

func valueNode(v Value) *yaml.Node {
	if v.op != "" {
		node := mapping()
		node.Style = yaml.FlowStyle
		put(node, string(v.op), literalNode(v.Literal()))
		return node
	}
	return literalNode(v.Literal())
}

func literalNode(literal any) *yaml.Node {
	switch l := literal.(type) {
	case int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(l, 10)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(l)}
	case []string:
		node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range l {
			node.Content = append(node.Content, text(s))
		}
		return node
	case Value:
		return valueNode(l)
	}
	return text(literal.(string))
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func put(node *yaml.Node, key string, value *yaml.Node) {
	node.Content = append(node.Content, text(key), value)
}

func putAny(node *yaml.Node, key string, value any, entries int) error {
	if entries == 0 {
		return nil
	}
	child := &yaml.Node{}
	if err := child.Encode(value); err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	put(node, key, child)
	return nil
}

// Decode reads a document; source names it in errors, which say the line. The
// result is sorted.
func Decode(data []byte, source string) (*Spec, error) {
	spec, err := decode(data)
	if err != nil {
		return nil, fault.New(fault.Invalid, "`landfall spec capture TARGET -o FILE` writes such a document; docs/spec/v1alpha1/hostspec.md describes it.",
			"reading host spec %s: %w", source, err)
	}
	return spec, nil
}

type document struct {
	Version   string          `yaml:"version"`
	Host      string          `yaml:"host"`
	Salt      string          `yaml:"salt"`
	Rules     []Rule          `yaml:"rules"`
	Decisions []Decision      `yaml:"decisions"`
	Unknown   map[Kind]string `yaml:"unknown"`
	Items     yaml.Node       `yaml:"items"`
}

func decode(data []byte) (*Spec, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("%d bytes are more than the %d that a document may have", len(data), MaxDocument)
	}
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Version != Version {
		return nil, fmt.Errorf("version is %q, want %q", doc.Version, Version)
	}
	spec := &Spec{Host: doc.Host, Salt: doc.Salt, Rules: doc.Rules, Decisions: doc.Decisions, Unknown: doc.Unknown}
	if err := readItems(spec, &doc.Items); err != nil {
		return nil, err
	}
	spec.Sort()
	return spec, nil
}

func readItems(spec *Spec, node *yaml.Node) error {
	return eachPair(node, "items", func(kind string, section *yaml.Node) error {
		return eachPair(section, kind, func(name string, node *yaml.Node) error {
			item, err := readItem(Key{Kind(kind), name}, node)
			spec.Items = append(spec.Items, item)
			return err
		})
	})
}

func readItem(key Key, node *yaml.Node) (Item, error) {
	item := Item{Key: key}
	value, isValue, err := readValue(key.String(), node)
	switch {
	case err != nil:
		return item, err
	case isValue && value.op == Exists:
		exists, ok := value.literal.(bool)
		item.Absent = ok && !exists
		return item, nil
	case isValue:
		item.Attributes = []Attribute{{ValueAttribute, value}}
		return item, nil
	}
	err = eachPair(node, key.String(), func(name string, node *yaml.Node) error {
		value, isValue, err := readValue(key.String()+"#"+name, node)
		if err == nil && !isValue {
			err = fmt.Errorf("line %d: %s#%s: want a value or one of the operators %v", node.Line, key, name, Operators)
		}
		item.Attributes = append(item.Attributes, Attribute{name, value})
		return err
	})
	return item, err
}

// readValue says by its second result whether the node is a value at all; a
// mapping with other keys than an operator is not.
func readValue(where string, node *yaml.Node) (Value, bool, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		literal, err := readScalar(where, node)
		return Value{literal: literal}, true, err
	case yaml.SequenceNode:
		list, err := readList(where, node)
		return Value{literal: list}, true, err
	case yaml.MappingNode:
		if len(node.Content) != 2 || !isOperator(node.Content[0].Value) {
			return Value{}, false, nil
		}
		value, err := readOperator(where, Operator(node.Content[0].Value), node.Content[1])
		return value, true, err
	}
	return Value{}, true, fmt.Errorf("line %d: %s: aliases are not allowed here", node.Line, where)
}

func readOperator(where string, op Operator, node *yaml.Node) (Value, error) {
	argument, isValue, err := readValue(where, node)
	if err != nil {
		return Value{}, err
	}
	if !isValue {
		return Value{}, fmt.Errorf("line %d: %s: %s takes a value", node.Line, where, op)
	}
	value := Value{op: op, literal: argument.literal}
	if op == Not {
		value.literal = argument
	} else if argument.op != "" {
		return Value{}, fmt.Errorf("line %d: %s: only %q takes another operator", node.Line, where, Not)
	}
	if err := value.valid(); err != nil {
		return Value{}, fmt.Errorf("line %d: %s: %w", node.Line, where, err)
	}
	return value, nil
}

func isOperator(name string) bool {
	for _, op := range Operators {
		if string(op) == name {
			return true
		}
	}
	return false
}

func readScalar(where string, node *yaml.Node) (any, error) {
	switch node.ShortTag() {
	case "!!str":
		return Clean(node.Value), nil
	case "!!bool":
		var b bool
		err := node.Decode(&b)
		return b, err
	case "!!int":
		var n int64
		if err := node.Decode(&n); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", node.Line, where, err)
		}
		return n, nil
	case "!!float", "!!timestamp":
		return nil, fmt.Errorf("line %d: %s: write %s in quotes: it is compared as text", node.Line, where, Clean(node.Value))
	}
	return nil, fmt.Errorf("line %d: %s: has no value", node.Line, where)
}

func readList(where string, node *yaml.Node) ([]string, error) {
	list := make([]string, 0, len(node.Content))
	for _, child := range node.Content {
		if child.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s: a list holds plain texts", child.Line, where)
		}
		list = append(list, Clean(child.Value))
	}
	return list, nil
}

func eachPair(node *yaml.Node, where string, visit func(name string, value *yaml.Node) error) error {
	if node.Kind == 0 || node.ShortTag() == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s: want a mapping", node.Line, where)
	}
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := Clean(node.Content[i].Value)
		if name == "" || seen[name] {
			return fmt.Errorf("line %d: %s: the name %q is empty or given twice", node.Content[i].Line, where, name)
		}
		seen[name] = true
		if err := visit(name, node.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}
