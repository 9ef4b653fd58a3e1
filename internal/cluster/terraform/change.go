package terraform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Action is what happens to a resource.
type Action string

// Actions of a plan.
const (
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
	Import  Action = "import"
	Forget  Action = "forget"
)

// Change is what happens to one resource.
type Change struct {
	// Address in the user's module.
	Address string `json:"address"`
	Action  Action `json:"action"`
	// Reason says why, where Terraform does.
	Reason string `json:"reason,omitempty"`
	// Attributes that change, of a resource that is updated or replaced.
	Attributes []Attribute `json:"attributes,omitempty"`
	// Outside says that somebody changed the resource by other means, which is
	// why it is in the plan.
	Outside bool `json:"outside,omitempty"`
}

// Attribute is one value that changes. Values are JSON, or words in brackets
// for what is secret or not known yet.
type Attribute struct {
	Path   string `json:"path"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Replaces says that it is why the resource is replaced.
	Replaces bool `json:"replaces,omitempty"`
}

// Summary is what a plan will do.
type Summary struct {
	Changes []Change `json:"changes"`
	// Add, Change and Destroy count resources; one that is replaced counts as
	// added and destroyed.
	Add     int `json:"add"`
	Change  int `json:"change"`
	Destroy int `json:"destroy"`
	Import  int `json:"import,omitempty"`
	// Outputs says that outputs change.
	Outputs bool `json:"outputs,omitempty"`
}

// Empty says that carrying the plan out would change nothing.
func (s Summary) Empty() bool { return len(s.Changes) == 0 && !s.Outputs }

// Words for values that are not shown.
const (
	sensitive = "(sensitive)"
	unknown   = "(known after apply)"
	absent    = "(none)"
)

// reasons in words. https://developer.hashicorp.com/terraform/internals/json-format
var reasons = map[string]string{
	"replace_because_tainted":           "its creation was not finished",
	"replace_because_cannot_update":     "it cannot be changed in place",
	"replace_by_request":                "asked for",
	"replace_by_triggers":               "what it follows changes",
	"delete_because_no_resource_config": "the module has it no more",
	"delete_because_wrong_repetition":   "the module has it no more",
	"delete_because_count_index":        "the module has fewer",
	"delete_because_each_key":           "the module has it no more",
	"delete_because_no_module":          "the module has it no more",
}

// summarize tells people's changes from Terraform's plan. Secrets are hidden,
// also where a provider forgot that they are.
func summarize(plan *tfjson.Plan, given map[string]string) Summary {
	secrets := slices.Collect(maps.Values(given))
	for _, rc := range plan.ResourceChanges {
		if rc.Change != nil {
			secrets = marked(rc.Change.Before, rc.Change.BeforeSensitive, secrets)
			secrets = marked(rc.Change.After, rc.Change.AfterSensitive, secrets)
		}
	}
	outside := map[string]bool{}
	for _, drift := range plan.ResourceDrift {
		outside[drift.Address] = true
	}
	s := Summary{Changes: []Change{}}
	for _, rc := range plan.ResourceChanges {
		if rc.Change == nil || rc.Mode == tfjson.DataResourceMode {
			continue
		}
		action := actionOf(rc.Change)
		if action == "" {
			continue
		}
		s.count(action)
		change := Change{Address: short(rc.Address), Action: action, Reason: reasons[string(rc.ActionReason)], Outside: outside[rc.Address]}
		if action == Update || action == Replace {
			change.Attributes = attributes(rc.Change, secrets)
		}
		s.Changes = append(s.Changes, change)
	}
	for _, output := range plan.OutputChanges {
		s.Outputs = s.Outputs || output.Actions != nil && !output.Actions.NoOp()
	}
	slices.SortStableFunc(s.Changes, func(a, b Change) int { return strings.Compare(a.Address, b.Address) })
	return s
}

func (s *Summary) count(action Action) {
	switch action {
	case Create:
		s.Add++
	case Update:
		s.Change++
	case Replace:
		s.Add++
		s.Destroy++
	case Delete:
		s.Destroy++
	case Import:
		s.Import++
	}
}

func actionOf(c *tfjson.Change) Action {
	switch {
	case c.Actions.Replace():
		return Replace
	case c.Actions.Create():
		return Create
	case c.Actions.Update():
		return Update
	case c.Actions.Delete():
		return Delete
	case c.Actions.Forget():
		return Forget
	case c.Importing != nil:
		return Import
	}
	return ""
}

// attributes lists the leaves in which before and after differ.
func attributes(c *tfjson.Change, secrets []string) []Attribute {
	causes := map[string]bool{}
	for _, path := range c.ReplacePaths {
		if steps, ok := path.([]any); ok {
			causes[pathOf(steps)] = true
		}
	}
	var found []Attribute
	differ(nil, sides{c.Before, c.After, c.BeforeSensitive, c.AfterSensitive, c.AfterUnknown}, func(path []any, before, after string) {
		found = append(found, Attribute{Path: pathOf(path), Before: hide(before, secrets), After: hide(after, secrets), Replaces: within(path, causes)})
	})
	return found
}

func within(path []any, causes map[string]bool) bool {
	for n := range path {
		if causes[pathOf(path[:n+1])] {
			return true
		}
	}
	return false
}

// sides are a value before and after, and what is secret or unknown of it:
// true, or the same structure with true at leaves.
type sides struct{ before, after, hiddenBefore, hiddenAfter, unknown any }

func differ(path []any, s sides, leaf func(path []any, before, after string)) {
	if hidden := s.hiddenBefore == true || s.hiddenAfter == true; hidden || s.unknown == true {
		if s.unknown == true || !equal(s.before, s.after) {
			leaf(path, show(s.before, hidden, false), show(s.after, hidden, s.unknown == true))
		}
		return
	}
	keys := slices.Concat(keysOf(s.before), keysOf(s.after), keysOf(s.unknown))
	if len(keys) == 0 || !branches(s.before) || !branches(s.after) {
		if !equal(s.before, s.after) || len(keysOf(s.unknown)) > 0 && s.after == nil {
			leaf(path, show(s.before, holdsTrue(s.hiddenBefore), false), show(s.after, holdsTrue(s.hiddenAfter), holdsTrue(s.unknown)))
		}
		return
	}
	slices.SortFunc(keys, compareKeys)
	for _, key := range slices.CompactFunc(keys, func(a, b any) bool { return a == b }) {
		next := sides{at(s.before, key), at(s.after, key), at(s.hiddenBefore, key), at(s.hiddenAfter, key), at(s.unknown, key)}
		differ(append(slices.Clone(path), key), next, leaf)
	}
}

// branches says that a value can be looked into; nothing can, too.
func branches(v any) bool {
	switch v.(type) {
	case nil, map[string]any, []any:
		return true
	}
	return false
}

// keysOf gives the keys of an object, the indexes of a list.
func keysOf(v any) []any {
	var keys []any
	switch v := v.(type) {
	case map[string]any:
		for key := range maps.Keys(v) {
			keys = append(keys, key)
		}
	case []any:
		for i := range v {
			keys = append(keys, i)
		}
	}
	return keys
}

func compareKeys(a, b any) int {
	x, number := a.(int)
	y, other := b.(int)
	if number && other {
		return x - y
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func at(v, key any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return v[name]
		}
	case []any:
		if i, ok := key.(int); ok && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// holdsTrue says whether anything in a structure of marks is marked.
func holdsTrue(marks any) bool {
	if marks == true {
		return true
	}
	return slices.ContainsFunc(keysOf(marks), func(key any) bool { return holdsTrue(at(marks, key)) })
}

func equal(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func show(v any, hidden, notYet bool) string {
	switch {
	case hidden && v != nil:
		return sensitive
	case notYet:
		return unknown
	case v == nil:
		return absent
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// marked adds the strings that are marked as secret.
func marked(value, marks any, secrets []string) []string {
	if text, ok := value.(string); ok && marks == true {
		return append(secrets, text)
	}
	for _, key := range keysOf(value) {
		mark := marks
		if marks != true {
			mark = at(marks, key)
		}
		secrets = marked(at(value, key), mark, secrets)
	}
	return secrets
}

// shortestSecret that is looked for: a shorter one would be found everywhere.
const shortestSecret = 4

// hide takes secrets out of a text, as they are or as JSON has them.
func hide(text string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) < shortestSecret {
			continue
		}
		text = strings.ReplaceAll(text, secret, sensitive)
		if quoted, err := json.Marshal(secret); err == nil {
			text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), sensitive)
		}
	}
	return text
}

// pathOf writes a path as people do: subnets[0].cidr.
func pathOf(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		default:
			fmt.Fprintf(&b, "[%v]", step)
		}
	}
	return b.String()
}
