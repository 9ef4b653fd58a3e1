// Package goss writes host specs as files for goss
// (https://github.com/goss-org/goss) and reads such files. It follows the
// format of goss 0.4, and links nothing of it: the real goss runs in the tests.
//
// Start at Export and Import.
package goss

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is an attribute of a goss resource. The value is a string, int64, bool,
// []string, or matchers as nested maps and lists of any.
type field struct {
	name  string
	value any
}

// file is a goss file under construction: resources by type, in the order in
// which they were put in.
type file struct {
	root  *yaml.Node
	types map[string]*yaml.Node
}

func newFile() *file {
	return &file{root: &yaml.Node{Kind: yaml.MappingNode}, types: map[string]*yaml.Node{}}
}

// put adds a resource.
func (f *file) put(resource, name string, fields []field) error {
	section := f.types[resource]
	if section == nil {
		section = &yaml.Node{Kind: yaml.MappingNode}
		f.types[resource] = section
		f.root.Content = append(f.root.Content, text(resource), section)
	}
	body := &yaml.Node{Kind: yaml.MappingNode}
	for _, field := range fields {
		value := &yaml.Node{}
		if err := value.Encode(field.value); err != nil {
			return err
		}
		body.Content = append(body.Content, text(field.name), value)
	}
	section.Content = append(section.Content, text(name), body)
	return nil
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// encode gives the file's text. goss runs its files through Go's templates, so
// that braces of ours have to come out of one.
func (f *file) encode() ([]byte, error) {
	if len(f.root.Content) == 0 {
		return []byte("{}\n"), nil
	}
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(f.root); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(out.String(), "{{", "{{`{{`}}")), nil
}
