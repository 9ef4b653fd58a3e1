package triage

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

//go:embed rules/*.yaml
var builtIn embed.FS

// Rule says what items mean for Kubernetes.
type Rule struct {
	// Name is unique; a later rule of the same name replaces the earlier one.
	Name string `yaml:"name"`
	// Items are patterns for kind/name; "*" stands for any characters, also
	// slashes, and the kind is written out.
	Items []string `yaml:"items"`
	// Where are conditions on attributes, all of which must hold: a pattern for
	// the value or, between slashes, a regular expression (RE2). Of a list one
	// element must match. A value that is no plain one reads as its operator:
	// "secret", "unknown", "volatile". An attribute that is not there reads as
	// the empty text.
	Where map[string]string `yaml:"where"`
	// Unless are conditions none of which may hold.
	Unless map[string]string `yaml:"unless"`
	Class  Class             `yaml:"class"`
	// Reason and Remedy are for people: why, and what to do.
	Reason string `yaml:"reason"`
	Remedy string `yaml:"remedy"`
	// Source is where the reason can be read up.
	Source string `yaml:"source"`
	// Quiet: nothing to do or to know, so that worksheets only count it.
	Quiet bool `yaml:"quiet"`
	// Whole: what is in a folder goes where the folder goes.
	Whole bool `yaml:"whole"`

	where, unless map[string]condition
}

// Rules in order: the last that matches an item wins. They are safe for
// concurrent use.
type Rules struct {
	list   []*Rule
	byKind map[hostspec.Kind][]*Rule
}

// BuiltIn are the rules that come with Landfall.
func BuiltIn() *Rules {
	rules := &Rules{}
	files, err := fs.Glob(builtIn, "rules/*.yaml")
	if err != nil {
		panic(err) // only a malformed pattern
	}
	for _, file := range files {
		data, err := builtIn.ReadFile(file)
		if err == nil {
			err = rules.add(data)
		}
		if err != nil {
			panic(fmt.Sprintf("reading built-in %s: %v", file, err)) // a test reads them all
		}
	}
	rules.index()
	return rules
}

// With gives these rules and then those of a team's file; source names it in
// errors.
func (r *Rules) With(data []byte, source string) (*Rules, error) {
	extended := &Rules{list: slices.Clone(r.list)}
	if err := extended.add(data); err != nil {
		return nil, fault.New(fault.Invalid, "docs/guides/from-server-to-container.md shows how a rule is written.", "reading rules %s: %w", source, err)
	}
	extended.index()
	return extended, nil
}

func (r *Rules) add(data []byte) error {
	var file struct {
		Rules []*Rule `yaml:"rules"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	seen := map[string]bool{}
	for i, rule := range file.Rules {
		if rule == nil {
			return fmt.Errorf("rule %d is empty", i+1)
		}
		if err := rule.prepare(); err != nil {
			return fmt.Errorf("rule %d (%s): %w", i+1, result.Clean(rule.Name), err)
		}
		if seen[rule.Name] {
			return fmt.Errorf("rule %d: there are two rules called %s", i+1, rule.Name)
		}
		seen[rule.Name] = true
		r.list = slices.DeleteFunc(r.list, func(old *Rule) bool { return old.Name == rule.Name })
		r.list = append(r.list, rule)
	}
	return nil
}

// prepare checks a rule and compiles its conditions.
func (r *Rule) prepare() error {
	switch {
	case r.Name == "":
		return errors.New("it has no name")
	case len(r.Items) == 0:
		return errors.New("it names no items")
	case !r.Class.valid():
		return fmt.Errorf("class is %q, want one of %v", r.Class, Classes)
	case r.Reason == "":
		return errors.New("it gives no reason")
	}
	for _, item := range r.Items {
		if kind, _, ok := strings.Cut(item, "/"); !ok || kind == "" || strings.Contains(kind, "*") {
			return fmt.Errorf("items: %q is not KIND/PATTERN with the kind written out", item)
		}
	}
	var err error
	if r.where, err = compile(r.Where); err != nil {
		return fmt.Errorf("where: %w", err)
	}
	if r.unless, err = compile(r.Unless); err != nil {
		return fmt.Errorf("unless: %w", err)
	}
	return nil
}

// index sorts the rules by kind, the last one first.
func (r *Rules) index() {
	r.byKind = map[hostspec.Kind][]*Rule{}
	for _, rule := range slices.Backward(r.list) {
		seen := map[hostspec.Kind]bool{}
		for _, pattern := range rule.Items {
			kind, _, _ := strings.Cut(pattern, "/")
			if k := hostspec.Kind(kind); !seen[k] {
				seen[k] = true
				r.byKind[k] = append(r.byKind[k], rule)
			}
		}
	}
}

func (r *Rules) classify(item hostspec.Item) Finding {
	name := item.String()
	for _, rule := range r.byKind[item.Kind] {
		if rule.matches(name, item) {
			return Finding{Item: item, Class: rule.Class, Rule: rule.Name, Reason: rule.Reason, Remedy: rule.Remedy, Source: rule.Source, Quiet: rule.Quiet, whole: rule.Whole}
		}
	}
	return Finding{
		Item: item, Class: Decide, Rule: "no-rule",
		Reason: "No rule knows this item.",
		Remedy: "Decide where it goes, or write a rule for it and give it by --rules.",
	}
}

func (r *Rule) matches(name string, item hostspec.Item) bool {
	if !slices.ContainsFunc(r.Items, func(pattern string) bool { return hostspec.Like(pattern, name) }) {
		return false
	}
	for attribute, c := range r.where {
		if !c.holds(item, attribute) {
			return false
		}
	}
	for attribute, c := range r.unless {
		if c.holds(item, attribute) {
			return false
		}
	}
	return true
}

// condition on the text of a value.
type condition struct {
	pattern string
	regexp  *regexp.Regexp
}

func compile(conditions map[string]string) (map[string]condition, error) {
	compiled := make(map[string]condition, len(conditions))
	for attribute, text := range conditions {
		c := condition{pattern: text}
		if len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
			var err error
			if c.regexp, err = regexp.Compile(text[1 : len(text)-1]); err != nil {
				return nil, fmt.Errorf("%s: %w", attribute, err)
			}
		}
		compiled[attribute] = c
	}
	return compiled, nil
}

func (c condition) holds(item hostspec.Item, attribute string) bool {
	value, _ := item.Get(attribute)
	if !value.Plain() {
		return c.holdsFor(string(value.Operator()))
	}
	return slices.ContainsFunc(value.Strings(), c.holdsFor)
}

func (c condition) holdsFor(text string) bool {
	if c.regexp != nil {
		return c.regexp.MatchString(text)
	}
	return hostspec.Like(c.pattern, text)
}
