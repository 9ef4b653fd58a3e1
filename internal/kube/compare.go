package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// maxValue is how much of a value a difference shows, in bytes.
const maxValue = 120

// hidden stands for a value that is not shown.
const hidden = "(hidden)"

// comparison collects the differences of one object.
type comparison struct {
	object  v1alpha1.ObjectRef
	entries []managed
	live    map[string]any
	secret  bool

	differences []v1alpha1.Difference
	paths       []fieldpath.Path
}

// comparable gives what of an object can differ: everything but its status and
// the metadata that only the server writes.
func comparable(obj *unstructured.Unstructured) map[string]any {
	content := maps.Clone(obj.Object)
	delete(content, "status")
	metadata := map[string]any{}
	for _, name := range []string{"labels", "annotations"} {
		if value, found, _ := unstructured.NestedFieldNoCopy(obj.Object, "metadata", name); found {
			metadata[name] = value
		}
	}
	content["metadata"] = metadata
	return content
}

// walk compares what an object would be after an apply with what it is.
func (c *comparison) walk(would, is any, path fieldpath.Path) {
	if equality.Semantic.DeepEqual(would, is) {
		return
	}
	if would, ok := would.(map[string]any); ok {
		if is, ok := is.(map[string]any); ok {
			c.walkMap(would, is, path)
			return
		}
	}
	if would, ok := would.([]any); ok {
		if is, ok := is.([]any); ok {
			if keys := listKeys(c.entries, path); len(keys) > 0 {
				c.walkList(would, is, keys, path)
				return
			}
		}
	}
	c.record(v1alpha1.DifferenceChanged, path, would, is, author(c.entries, path))
}

func (c *comparison) walkMap(would, is map[string]any, path fieldpath.Path) {
	names := map[string]any{}
	maps.Copy(names, would)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		expected, wanted := would[name]
		actual, there := is[name]
		c.pair(expected, wanted, actual, there, append(path[:len(path):len(path)], fieldpath.PathElement{FieldName: &name}))
	}
}

func (c *comparison) walkList(would, is []any, keys []string, path fieldpath.Path) {
	var elements []fieldpath.PathElement
	seen := map[string]bool{}
	for _, item := range slices.Concat(would, is) {
		if element, ok := keyOf(item, keys); ok && !seen[element.String()] {
			seen[element.String()] = true
			elements = append(elements, element)
		}
	}
	for _, element := range elements {
		expected, wanted := childAt(would, element)
		actual, there := childAt(is, element)
		c.pair(expected, wanted, actual, there, append(path[:len(path):len(path)], element))
	}
}

// pair compares two values either of which may be absent.
func (c *comparison) pair(expected any, wanted bool, actual any, there bool, path fieldpath.Path) {
	switch {
	case wanted && there:
		c.walk(expected, actual, path)
	case isEntries(path):
		// Their entries are judged one by one.
		had, _ := expected.(map[string]any)
		has, _ := actual.(map[string]any)
		c.walkMap(had, has, path)
	case legitimate(path):
	case wanted:
		c.record(v1alpha1.DifferenceRemoved, path, expected, nil, remover(c.entries))
	default:
		c.record(v1alpha1.DifferenceAdded, path, nil, actual, author(c.entries, path))
	}
}

// isEntries tells whether a path is that of the labels or annotations.
func isEntries(path fieldpath.Path) bool {
	return len(path) == 2 && nameAt(path, 0) == "metadata"
}

// keyOf tells an element of a list by its key fields.
func keyOf(item any, keys []string) (fieldpath.PathElement, bool) {
	fields, ok := item.(map[string]any)
	if !ok {
		return fieldpath.PathElement{}, false
	}
	key := make(value.FieldList, 0, len(keys))
	for _, name := range keys {
		key = append(key, value.Field{Name: name, Value: value.NewValueInterface(fields[name])})
	}
	return fieldpath.PathElement{Key: &key}, true
}

func (c *comparison) record(kind v1alpha1.DifferenceKind, path fieldpath.Path, expected, actual any, by *managed) {
	difference := v1alpha1.Difference{
		Kind: kind, Object: c.object, Path: show(path),
		Expected: c.shown(path, expected), Actual: c.shown(path, actual),
	}
	if by != nil {
		difference.Manager, difference.Time = by.Manager, by.Time
	}
	c.differences = append(c.differences, difference)
	c.paths = append(c.paths, path)
}

// reported tells whether a difference at the path or above it is recorded.
func (c *comparison) reported(path fieldpath.Path) bool {
	return slices.ContainsFunc(c.paths, func(known fieldpath.Path) bool {
		return len(known) <= len(path) && known.Equals(path[:len(known)])
	})
}

// secretive matches names of settings whose values are nobody's business.
var secretive = regexp.MustCompile(`(?i)passw|secret|token|credential|api_?key|private_?key|_url|_dsn`)

// shown shortens a value for display. Values of Secrets, and of variables that
// are named like secrets, are hidden.
func (c *comparison) shown(path fieldpath.Path, v any) string {
	switch {
	case v == nil:
		return ""
	case c.secret && nameAt(path, 0) != "metadata" && nameAt(path, 0) != "type":
		return hidden
	case secretive.MatchString(show(path)) && !isReference(v):
		return hidden
	}
	if s, ok := v.(string); ok {
		return clip(s, maxValue)
	}
	raw, err := json.Marshal(masked(v))
	if err != nil {
		return clip(fmt.Sprint(v), maxValue)
	}
	return clip(string(raw), maxValue)
}

// isReference tells a reference to a Secret from a secret.
func isReference(v any) bool {
	m, ok := v.(map[string]any)
	return ok && m["value"] == nil
}

// masked hides the values of variables named like secrets inside a larger
// value.
func masked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		name, _ := v["name"].(string)
		for key, child := range v {
			text, isText := child.(string)
			if isText && text != "" && (key == "value" && secretive.MatchString(name) || key != "name" && secretive.MatchString(key)) {
				out[key] = hidden
				continue
			}
			out[key] = masked(child)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = masked(child)
		}
		return out
	}
	return v
}

// openMaps are maps of people's own names, where each entry stands for itself.
var openMaps = []string{"labels", "annotations", "data", "binaryData", "nodeSelector", "matchLabels", "limits", "requests"}

// rootOf gives the topmost place that is an addition as a whole: where what we
// want has nothing and all below is in the added fields.
func rootOf(path fieldpath.Path, added *fieldpath.Set, desired map[string]any) fieldpath.Path {
	for i := 1; i < len(path); i++ {
		root := path[:i]
		last := root[i-1].FieldName
		if last != nil && slices.Contains(openMaps, *last) {
			continue
		}
		if _, wanted := valueAt(desired, root); !wanted && (added.Has(root) || root[i-1].Key != nil) {
			return root
		}
	}
	return path
}
