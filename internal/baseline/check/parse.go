package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// maxDocument bounds a document in bytes.
	maxDocument = 4 << 20
	// maxMaxBody bounds what a document may ask to read of a body.
	maxMaxBody = 64 << 20
	// maxAliases bounds how far aliases are followed.
	maxAliases = 50
)

// Parse reads one document, YAML or JSON, and checks it: unknown fields, wrong
// types, patterns that cannot be compiled and names that nothing gives a value
// to are errors, each saying where. Errors are fault.Invalid.
func Parse(r io.Reader) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading checks: %w", err)
	}
	if len(text) > maxDocument {
		return nil, fault.New(fault.Invalid, "Split it.", "reading checks: the document is larger than %d MiB", maxDocument>>20)
	}
	doc, err := decode(text)
	if err == nil {
		err = doc.Validate()
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading checks: %w", err), "docs/spec/v1alpha1/checks.md lists the fields.")
	}
	return doc, nil
}

// decode reads the document strictly. The YAML library may panic on what no
// person writes; that is an error too.
func decode(text []byte) (doc *Document, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is not YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, err
	}
	if more := decoder.Decode(new(yaml.Node)); !errors.Is(more, io.EOF) {
		return nil, errors.New("the file holds more than one document")
	}
	doc = new(Document)
	if err := root.Decode(doc); err != nil {
		return nil, err
	}
	fields := fieldChecker{seen: map[fieldKey]bool{}}
	fields.check(&root, reflect.TypeFor[Document]())
	return doc, errors.Join(fields.problems...)
}

// resolve follows aliases to the node that is meant.
func resolve(node *yaml.Node) *yaml.Node {
	for range maxAliases {
		if node.Kind != yaml.AliasNode {
			break
		}
		node = node.Alias
	}
	return node
}

// fieldChecker finds fields that no type has: decoders made by UnmarshalYAML
// do not.
type fieldChecker struct {
	problems []error
	seen     map[fieldKey]bool
}

type fieldKey struct {
	node *yaml.Node
	kind reflect.Type
}

func (f *fieldChecker) check(node *yaml.Node, t reflect.Type) {
	if node = resolve(node); f.seen[fieldKey{node, t}] {
		return
	}
	f.seen[fieldKey{node, t}] = true
	switch {
	case node.Kind == yaml.DocumentNode:
		f.check(node.Content[0], t)
	case t.Kind() == reflect.Pointer:
		f.check(node, t.Elem())
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			f.check(item, t.Elem())
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			f.check(node.Content[i], t.Elem())
		}
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		f.fields(node, t)
	}
}

func (f *fieldChecker) fields(node *yaml.Node, t reflect.Type) {
	known := fieldsOf(t)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if field, ok := known[key.Value]; ok {
			f.check(node.Content[i+1], field)
		} else if key.Value != "<<" {
			f.problems = append(f.problems, fmt.Errorf("line %d: there is no field %q here, only %s", key.Line, key.Value, sortedNames(known)))
		}
	}
}

// fieldsOf gives the types of a struct's fields by name, inlined ones too.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if options == "inline" {
			for name, inlined := range fieldsOf(field.Type) {
				fields[name] = inlined
			}
			continue
		}
		fields[name] = field.Type
	}
	return fields
}

func sortedNames[V any](byName map[string]V) string {
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
