package check

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Encode writes the document as YAML, as people would.
func (d *Document) Encode(w io.Writer) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(d); err != nil {
		return fmt.Errorf("writing checks: %w", err)
	}
	return encoder.Close()
}

// UnmarshalYAML reads the short form, GET /path, too.
func (r *Request) UnmarshalYAML(node *yaml.Node) error {
	if node = resolve(node); node.Kind != yaml.ScalarNode {
		return node.Decode((*plainRequest)(r))
	}
	method, target, ok := strings.Cut(strings.TrimSpace(node.Value), " ")
	target = strings.TrimSpace(target)
	if !ok || target == "" {
		return fmt.Errorf("line %d: a request is METHOD PATH or a mapping, not %q", node.Line, node.Value)
	}
	r.Method = method
	if strings.HasPrefix(target, "/") {
		r.Path = target
	} else {
		r.URL = target
	}
	return nil
}

// MarshalYAML writes the short form where it says all.
func (r Request) MarshalYAML() (any, error) {
	short := Request{Method: r.Method, Path: r.Path}
	if r.Path != "" && !strings.ContainsFunc(r.Path, unicode.IsSpace) && reflect.DeepEqual(r, short) {
		return r.method() + " " + r.Path, nil
	}
	return plainRequest(r), nil
}

// plainRequest is a Request without its short form.
type plainRequest Request

// UnmarshalYAML reads the short form, a bare text, too.
func (c *Condition) UnmarshalYAML(node *yaml.Node) error {
	if node = resolve(node); node.Kind != yaml.ScalarNode {
		return node.Decode((*plainCondition)(c))
	}
	c.Equals = &node.Value
	return nil
}

// MarshalYAML writes the short form where it says all.
func (c Condition) MarshalYAML() (any, error) {
	if c.Equals != nil && reflect.DeepEqual(c, Condition{Equals: c.Equals}) {
		return *c.Equals, nil
	}
	return plainCondition(c), nil
}

// plainCondition is a Condition without its short form.
type plainCondition Condition

// plainBodyCondition is a BodyCondition whose parts have no methods, so that
// they can be inlined.
type plainBodyCondition struct {
	Selector       `yaml:",inline"`
	plainCondition `yaml:",inline"`
	Count          Range `yaml:"count,omitempty"`
}

// UnmarshalYAML is part of yaml.Unmarshaler.
func (b *BodyCondition) UnmarshalYAML(node *yaml.Node) error {
	var read plainBodyCondition
	if err := node.Decode(&read); err != nil {
		return err
	}
	*b = BodyCondition{read.Selector, Condition(read.plainCondition), read.Count}
	return nil
}

// MarshalYAML is part of yaml.Marshaler.
func (b BodyCondition) MarshalYAML() (any, error) {
	return plainBodyCondition{b.Selector, plainCondition(b.Condition), b.Count}, nil
}

// MarshalYAML writes a single code as a number.
func (s Status) MarshalYAML() (any, error) { return numberOr(string(s)), nil }

// MarshalYAML writes a single number as one.
func (r Range) MarshalYAML() (any, error) { return numberOr(string(r)), nil }

func numberOr(text string) any {
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
		return n
	}
	return text
}
