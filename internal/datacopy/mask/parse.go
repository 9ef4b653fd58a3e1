package mask

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/theory/jsonpath"
	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Limits of a document; no person writes more.
const (
	maxDocument = 1 << 20
	maxDays     = 36500
)

// Parse reads rules, YAML or JSON, strictly: what is not understood is an
// error that says where, for a rule that does not work leaks data. Errors are
// fault.Invalid.
func Parse(r io.Reader) (*Rules, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading mask rules: %w", err)
	}
	if len(text) > maxDocument {
		return nil, fault.New(fault.Invalid, "", "reading mask rules: they are larger than %d KiB", maxDocument>>10)
	}
	rules, err := decode(text)
	if err == nil {
		err = rules.validate()
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading mask rules: %w", err), "docs/spec/v1alpha1/mask.md lists the fields.")
	}
	return rules, nil
}

// decode is guarded: the library may panic on what no person writes.
func decode(text []byte) (rules *Rules, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("this is not YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	rules = &Rules{}
	if err := decoder.Decode(rules); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, err
	}
	if more := decoder.Decode(new(yaml.Node)); !errors.Is(more, io.EOF) {
		return nil, errors.New("there is more than one document")
	}
	return rules, nil
}

// UnmarshalYAML reads a mapping of names to actions.
func (a *Actions) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want NAME: KIND", node.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, line := node.Content[i].Value, node.Content[i].Line
		folded := strings.ToLower(name)
		if name == "" || seen[folded] {
			return fmt.Errorf("line %d: the name %q is empty or comes twice", line, name)
		}
		seen[folded] = true
		var named NamedAction
		if err := named.nameAs(name, line); err != nil {
			return err
		}
		// Not Decode: that passes over null, which is a kind.
		if err := named.Action.UnmarshalYAML(node.Content[i+1]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*a = append(*a, named)
	}
	a.sort()
	return nil
}

// nameAs takes a name for what it looks like: a JSONPath begins with $.
func (n *NamedAction) nameAs(name string, line int) (err error) {
	if !strings.HasPrefix(name, "$") {
		return n.Name.compile(name, line)
	}
	n.Name.text = name
	if n.path, err = jsonpath.Parse(name); err != nil {
		return fmt.Errorf("line %d: %s is no JSONPath: %w", line, name, err)
	}
	return nil
}

// plain are the kinds that are written without anything more.
var plain = []Kind{Pseudonym, Email, Phone, Card, Date, Name, FirstName, LastName, Empty, Null, Hash, Keep}

// UnmarshalYAML reads "KIND", or "{KIND: …}" with what the kind takes.
func (a *Action) UnmarshalYAML(node *yaml.Node) error {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode {
		*a = Action{Kind: Kind(node.Value)}
		if node.Tag == "!!null" { // null, as YAML has it, is the kind too
			a.Kind = Null
		}
		if a.Kind == Date {
			a.Days = DefaultDays
		}
		if !slices.Contains(plain, a.Kind) {
			return fmt.Errorf("line %d: there is no kind %q; want one of %v, {fixed: TEXT}, {date: {…}} or {json: {…}}", node.Line, node.Value, plain)
		}
		return nil
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 {
		return fmt.Errorf("line %d: want a kind, or one kind with what it takes, as in {fixed: TEXT}", node.Line)
	}
	return a.unmarshalKind(Kind(node.Content[0].Value), node.Content[1])
}

func (a *Action) unmarshalKind(kind Kind, node *yaml.Node) error {
	*a = Action{Kind: kind}
	switch kind {
	case Fixed:
		if node.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: fixed takes a text", node.Line)
		}
		a.Text = node.Value
		return nil
	case JSON:
		if err := node.Decode(&a.Paths); err != nil {
			return err
		}
		return a.validPaths(node.Line)
	case Date:
		return a.unmarshalDate(node)
	}
	return fmt.Errorf("line %d: %q takes nothing, or is no kind", node.Line, kind)
}

func (a *Action) unmarshalDate(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: date takes days and person", node.Line)
	}
	a.Days = DefaultDays
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		var err error
		switch name {
		case "days":
			err = value.Decode(&a.Days)
		case "person":
			err = value.Decode(&a.Person)
		default:
			err = fmt.Errorf("there is no field %q, only days and person", name)
		}
		if err == nil && (a.Days < 1 || a.Days > maxDays) {
			err = fmt.Errorf("days must be 1 to %d", maxDays)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", value.Line, err)
		}
	}
	return nil
}

// validPaths refuses paths that do not parse, and what makes no sense in a
// document.
func (a *Action) validPaths(line int) error {
	if len(a.Paths) == 0 {
		return fmt.Errorf("line %d: json takes paths", line)
	}
	for _, path := range a.Paths {
		if path.path == nil {
			return fmt.Errorf("line %d: %s is no JSONPath: those begin with $", line, path.Name)
		}
		if path.Action.Kind == JSON {
			return fmt.Errorf("line %d: %s: json inside json", line, path.Name)
		}
		if path.Action.Person != "" {
			return fmt.Errorf("line %d: %s: a date inside a document knows no person", line, path.Name)
		}
	}
	return nil
}

// validate says what is wrong with rules that could be read.
func (r *Rules) validate() error {
	var problems []error
	if r.Version != Version {
		problems = append(problems, fmt.Errorf("version is %q, not %q", r.Version, Version))
	}
	for i, rule := range r.Rules {
		if err := rule.validate(); err != nil {
			problems = append(problems, fmt.Errorf("rule %d: %w", i+1, err))
		}
	}
	return errors.Join(problems...)
}

func (r Rule) validate() error {
	named := 0
	for _, pattern := range []Pattern{r.Table, r.Key, r.Object} {
		if !pattern.IsZero() {
			named++
		}
	}
	switch {
	case named != 1:
		return errors.New("want one of table, key and object")
	case r.Table.IsZero() && (len(r.Columns) > 0 || r.Where != ""):
		return errors.New("columns and where are of tables")
	case r.Key.IsZero() && len(r.Fields) > 0:
		return errors.New("fields are of keys")
	case !r.Table.IsZero() && len(r.Names) > 0:
		return errors.New("names are of keys and objects")
	case !r.Table.IsZero() && r.Value != nil:
		return errors.New("value is of keys and objects")
	case !r.Table.IsZero() && len(r.Columns) == 0 && r.Where == "":
		return errors.New("want columns or where")
	case r.Table.IsZero() && len(r.Fields) == 0 && r.Value == nil && len(r.Names) == 0:
		return errors.New("want what to do: names, fields or value")
	}
	if _, err := newNameMask(&r); err != nil {
		return err
	}
	return r.validKinds()
}

// validKinds refuses what tables, keys and objects cannot be given.
func (r Rule) validKinds() error {
	for _, named := range slices.Concat(r.Columns, r.Fields) {
		if named.path != nil {
			return fmt.Errorf("%s: paths belong into {json: …}", named.Name)
		}
	}
	for _, named := range append(slices.Clone(r.Fields), NamedAction{Name: Pattern{text: "value"}, Action: r.valueAction()}) {
		if named.Action.Kind == Null {
			return fmt.Errorf("%s: null is for columns and documents; use empty", named.Name)
		}
		if named.Action.Person != "" {
			return fmt.Errorf("%s: person is for columns", named.Name)
		}
	}
	return nil
}

func (r Rule) valueAction() Action {
	if r.Value == nil {
		return Action{Kind: Keep}
	}
	return *r.Value
}
