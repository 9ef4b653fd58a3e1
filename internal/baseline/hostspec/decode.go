package hostspec

import (
	"bytes"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Version of the document's format.
const Version = "landfall.dev/hostspec/v1"

const (
	// MaxDocument bounds a document in bytes; a capture of a whole host is
	// below 2 MB.
	MaxDocument = 32 << 20
	// maxNodes bounds what a document may make of its bytes in memory, some
	// 200 bytes a node.
	maxNodes = 4 << 20
)

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
	if err := affordable(data); err != nil {
		return nil, err
	}
	if spec, ok := decodeLines(data); ok {
		return spec, nil
	}
	return decodeYAML(data)
}

func decodeYAML(data []byte) (*Spec, error) {
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the document is empty")
		}
		return nil, errors.New(result.Clean(err.Error()))
	}
	if !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF) {
		return nil, errors.New("there is more behind the document's end: a file holds one document")
	}
	spec, err := doc.spec()
	if err != nil {
		return nil, err
	}
	if err := readItems(spec, &doc.Items); err != nil {
		return nil, err
	}
	spec.Sort()
	return spec, nil
}

// affordable refuses what would take more memory than a document is worth.
func affordable(data []byte) error {
	if len(data) > MaxDocument {
		return fmt.Errorf("%d bytes are more than the %d that a document may have", len(data), MaxDocument)
	}
	nodes := 0
	for _, c := range data {
		switch c {
		case '\n', ',', ':', '[', '{', '-', '?':
			nodes++
		}
	}
	if nodes > maxNodes {
		return fmt.Errorf("%d values are more than the %d that a document may have", nodes, maxNodes)
	}
	return nil
}

var hexadecimal = regexp.MustCompile(`^[0-9a-f]*$`)

// spec gives the document without its items, checked.
func (d *document) spec() (*Spec, error) {
	if d.Version != Version {
		return nil, fmt.Errorf("version is %q, want %q", result.Clean(d.Version), Version)
	}
	if !hexadecimal.MatchString(d.Salt) {
		return nil, errors.New("salt: want hexadecimal digits")
	}
	for i, rule := range d.Rules {
		if err := rule.valid(); err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	for i, decision := range d.Decisions {
		if _, ok := ParseKey(decision.Item); !ok {
			return nil, fmt.Errorf("decisions[%d]: item is %q, want kind/name with * for any characters", i, decision.Item)
		}
	}
	for kind := range d.Unknown {
		if !kind.valid() {
			return nil, fmt.Errorf("unknown: %q is no kind", result.Clean(string(kind)))
		}
	}
	return &Spec{Host: result.Clean(d.Host), Salt: d.Salt, Rules: d.Rules, Decisions: d.Decisions, Unknown: cleaned(d.Unknown)}, nil
}

func cleaned(reasons map[Kind]string) map[Kind]string {
	for kind, reason := range reasons {
		reasons[kind] = result.Clean(reason)
	}
	return reasons
}

func readItems(spec *Spec, node *yaml.Node) error {
	return eachPair(node, "items", func(kind string, section *yaml.Node) error {
		if !Kind(kind).valid() {
			return fmt.Errorf("line %d: %q is no kind: want small letters, digits and hyphens", section.Line, kind)
		}
		return eachPair(section, kind, func(name string, node *yaml.Node) error {
			item, err := readItem(Key{Kind(kind), name}, node)
			spec.Items = append(spec.Items, item)
			return err
		})
	})
}

func readItem(key Key, node *yaml.Node) (Item, error) {
	item := Item{Key: key}
	value, isValue, err := readValue(key.String(), node, false)
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
	item.Attributes = make([]Attribute, 0, len(node.Content)/2)
	err = eachPair(node, key.String(), func(name string, node *yaml.Node) error {
		value, isValue, err := readValue(key.String()+"#"+name, node, false)
		if err == nil && !isValue {
			err = fmt.Errorf("line %d: %s#%s: want a value or one of the operators %v", node.Line, key, name, Operators)
		}
		item.Attributes = append(item.Attributes, Attribute{name, value})
		return err
	})
	if len(item.Attributes) == 0 {
		item.Attributes = nil
	}
	return item, err
}

// readValue says by its second result whether the node is a value at all; a
// mapping with other keys than an operator is not.
func readValue(where string, node *yaml.Node, negated bool) (Value, bool, error) {
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
		value, err := readOperator(where, Operator(node.Content[0].Value), node.Content[1], negated)
		return value, true, err
	}
	return Value{}, true, fmt.Errorf("line %d: %s: aliases are not allowed here", node.Line, where)
}

func readOperator(where string, op Operator, node *yaml.Node, negated bool) (Value, error) {
	argument, isValue, err := readValue(where, node, op == Not)
	if err != nil {
		return Value{}, err
	}
	if !isValue {
		return Value{}, fmt.Errorf("line %d: %s: %s takes a value", node.Line, where, op)
	}
	value, err := operate(op, argument, negated)
	if err != nil {
		err = fmt.Errorf("line %d: %s: %w", node.Line, where, err)
	}
	return value, err
}

// operate makes a value of an operator and its argument.
func operate(op Operator, argument Value, negated bool) (Value, error) {
	if negated && (op == Not || op == Unknown || op == Volatile) {
		return Value{}, fmt.Errorf("%q cannot be negated", op)
	}
	value := Value{op: op, literal: argument.literal}
	if op == Not {
		value.literal = argument
	} else if argument.op != "" {
		return Value{}, fmt.Errorf("only %q takes another operator", Not)
	}
	return value, value.valid()
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
		return result.Clean(node.Value), nil
	case "!!bool":
		var b bool
		err := node.Decode(&b)
		return b, err
	case "!!int":
		if n, err := strconv.ParseInt(node.Value, 10, 64); err == nil && strconv.FormatInt(n, 10) == node.Value {
			return n, nil
		}
		// 0644 would be 420, and 0x1f 31: whoever wrote it meant the text.
		fallthrough
	case "!!float", "!!timestamp":
		return nil, fmt.Errorf("line %d: %s: write %s in quotes: it is compared as text", node.Line, where, result.Clean(node.Value))
	}
	return nil, fmt.Errorf("line %d: %s: has no value", node.Line, where)
}

func readList(where string, node *yaml.Node) ([]string, error) {
	list := make([]string, 0, len(node.Content))
	for _, child := range node.Content {
		if child.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s: a list holds plain texts", child.Line, where)
		}
		if child.ShortTag() == "!!null" && child.Value != "" {
			return nil, fmt.Errorf("line %d: %s: write %s in quotes", child.Line, where, result.Clean(child.Value))
		}
		list = append(list, result.Clean(child.Value))
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
		if node.Content[i].Kind != yaml.ScalarNode || node.Content[i].ShortTag() == "!!merge" {
			return fmt.Errorf("line %d: %s: a name is a plain text", node.Content[i].Line, where)
		}
		name := result.Clean(node.Content[i].Value)
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
