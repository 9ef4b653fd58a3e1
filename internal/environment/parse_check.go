package environment

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/environment/suggest"
)

// maxProblems are listed of one document.
const maxProblems = 20

// checker compares a document with the Go type it is to be read into. It says
// more than the JSON decoder does: the line, and the field of a value whose
// type reads itself, such as a quantity.
type checker struct {
	problems []error
}

func (c *checker) report(n *yaml.Node, path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf("line %d: %s: %s", n.Line, path, fmt.Sprintf(format, args...)))
	}
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c *checker) check(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	n = resolve(n)
	if n == nil || n.Tag == "!!null" {
		return
	}
	switch reads := reflect.PointerTo(t); {
	case reads.Implements(unmarshaler), reads.Implements(textUnmarshaler):
		c.checkOwnReader(n, t, path)
	case t.Kind() == reflect.Struct:
		c.checkStruct(n, t, path)
	case t.Kind() == reflect.Map:
		c.checkMap(n, t, path)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		c.checkValue(n, t, path, "base64 text")
	case t.Kind() == reflect.Slice:
		c.checkList(n, t, path)
	case t.Kind() == reflect.Interface:
	default:
		c.checkValue(n, t, path, typeNames[t.Kind()])
	}
}

// checkOwnReader lets a type that reads its own JSON (quantities, durations,
// times, a chart's values) read the value.
func (c *checker) checkOwnReader(n *yaml.Node, t reflect.Type, path string) {
	name, known := ownReaders[t.String()]
	if !known {
		name = "a valid value"
	}
	c.checkValue(n, t, path, name)
}

var ownReaders = map[string]string{
	"resource.Quantity":  "a quantity such as 500m, 2 or 128Mi",
	"v1.Duration":        "a duration such as 90s, 8h or 1h30m",
	"v1.Time":            "a time such as 2026-01-31T12:00:00Z",
	"intstr.IntOrString": "a number or text",
	"v1.JSON":            "a mapping",
}

// checkValue tries to read the value by itself.
func (c *checker) checkValue(n *yaml.Node, t reflect.Type, path, expected string) {
	var value any
	if err := n.Decode(&value); err != nil {
		c.report(n, path, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err != nil {
		c.report(n, path, "%s is not %s%s", quoted(n), expected, quotesHint(n, t))
	}
}

// quotesHint is for the commonest mistake: a value that must be text but is
// written as YAML writes numbers and booleans.
func quotesHint(n *yaml.Node, t reflect.Type) string {
	if t.Kind() == reflect.String && n.Kind == yaml.ScalarNode {
		return fmt.Sprintf(`: write it in quotes, "%s"`, shorten(n.Value))
	}
	return ""
}

func quoted(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", shorten(n.Value))
}

var typeNames = map[reflect.Kind]string{
	reflect.String: "text", reflect.Bool: "true or false",
	reflect.Int: "a whole number", reflect.Int32: "a whole number", reflect.Int64: "a whole number",
	reflect.Uint32: "a whole number", reflect.Float64: "a number",
}

func (c *checker) checkStruct(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		c.report(n, orRoot(path), "%s is not a mapping", quoted(n))
		return
	}
	fields := map[string]reflect.Type{}
	addFields(fields, t)
	c.eachEntry(n, path, func(key, value *yaml.Node) {
		field, ok := fields[key.Value]
		if !ok {
			c.report(key, join(path, shorten(key.Value)), "there is no such field%s", suggest.DidYouMean(key.Value, sortedKeys(fields)))
			return
		}
		c.check(value, field, join(path, key.Value))
	})
}

// eachEntry calls do for each entry of a mapping, those merged into it by << as
// well. Repeated keys are reported.
func (c *checker) eachEntry(n *yaml.Node, path string, do func(key, value *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Tag == "!!merge":
			c.eachMerged(value, path, do)
		case key.Kind != yaml.ScalarNode:
			c.report(key, orRoot(path), "a key is not text")
		case seen[key.Value]:
			c.report(key, join(path, shorten(key.Value)), "the field is there twice")
		default:
			do(key, value)
		}
		seen[key.Value] = true
	}
}

func (c *checker) eachMerged(value *yaml.Node, path string, do func(key, value *yaml.Node)) {
	switch merged := resolve(value); {
	case merged == nil:
	case merged.Kind == yaml.MappingNode:
		c.eachEntry(merged, path, do)
	case merged.Kind == yaml.SequenceNode:
		for _, m := range merged.Content {
			if m = resolve(m); m != nil && m.Kind == yaml.MappingNode {
				c.eachEntry(m, path, do)
			}
		}
	}
}

// addFields are a struct's fields by their JSON names, inlined ones included.
func addFields(fields map[string]reflect.Type, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "" || strings.Contains(options, "inline"):
			inlined := f.Type
			if inlined.Kind() == reflect.Pointer {
				inlined = inlined.Elem()
			}
			addFields(fields, inlined)
		case name != "":
			fields[name] = f.Type
		}
	}
}

func (c *checker) checkMap(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		c.report(n, path, "%s is not a mapping", quoted(n))
		return
	}
	c.eachEntry(n, path, func(key, value *yaml.Node) { c.check(value, t.Elem(), join(path, shorten(key.Value))) })
}

func (c *checker) checkList(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.SequenceNode {
		c.report(n, path, "%s is not a list", quoted(n))
		return
	}
	for i, item := range n.Content {
		c.check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orRoot(path string) string {
	if path == "" {
		return "the object"
	}
	return path
}
