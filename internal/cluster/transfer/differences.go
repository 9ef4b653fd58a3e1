package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Difference is one field that is not the same on both sides.
type Difference struct {
	// Path for people and for rules: spec.template.spec.containers[web].image.
	Path string `json:"path"`
	// From and To are the values; nil where the field is not there.
	From any `json:"from,omitempty"`
	To   any `json:"to,omitempty"`
}

// String reads "spec.replicas: 2, there 3".
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s, there %s", d.Path, shown(d.From), shown(d.To))
}

// shown is a value in a few characters.
func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 60
	if s := []rune(string(text)); len(s) > most {
		return string(s[:most]) + "…"
	}
	return string(text)
}

// Differences compares two portable objects by meaning: quantities by value,
// lists whose order says nothing by their keys. What every cluster fills in
// itself does not count.
func Differences(from, to *unstructured.Unstructured) []Difference {
	var d differ
	d.values("", from.Object, to.Object)
	return d.found
}

type differ struct{ found []Difference }

// fills are fields that something in each cluster fills in.
var fills = []string{
	"metadata.annotations." + From, "metadata.annotations." + Suspended,
	"webhooks[].clientConfig.caBundle", "spec.conversion.webhook.clientConfig.caBundle", "spec.caBundle",
	"metadata.ownerReferences",
}

func (d *differ) values(path string, a, b any) {
	if slices.Contains(fills, general(path)) {
		return
	}
	switch from := a.(type) {
	case map[string]any:
		if to, ok := b.(map[string]any); ok {
			d.maps(path, from, to)
			return
		}
	case []any:
		if to, ok := b.([]any); ok {
			d.lists(path, from, to)
			return
		}
	}
	if !reflect.DeepEqual(a, b) && !sameQuantity(path, a, b) && !(empty(a) && empty(b)) {
		d.found = append(d.found, Difference{Path: path, From: a, To: b})
	}
}

func (d *differ) maps(path string, a, b map[string]any) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		next := name
		if path != "" {
			next = path + "." + name
		}
		d.values(next, a[name], b[name])
	}
}

// keys of lists whose items have a name of their own.
var keys = []string{"name", "containerPort", "port", "mountPath", "devicePath", "ip", "topologyKey", "key", "uid"}

// lists compares by keys where all items have one and it is unique; else in
// order, but for lists of texts that are sets.
func (d *differ) lists(path string, a, b []any) {
	for _, key := range keys {
		from, to := keyed(a, key), keyed(b, key)
		if from == nil || to == nil {
			continue
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(from)), maps.Keys(to))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			d.values(path+"["+name+"]", from[name], to[name])
		}
		return
	}
	if unordered(path) {
		a, b = sorted(a), sorted(b)
	}
	for i := range max(len(a), len(b)) {
		var x, y any
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		d.values(fmt.Sprintf("%s[%d]", path, i), x, y)
	}
}

// keyed gives the items by the value of a key; nil if one has none or two have
// the same.
func keyed(list []any, key string) map[string]any {
	byKey := make(map[string]any, len(list))
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok || m[key] == nil {
			return nil
		}
		name := fmt.Sprint(m[key])
		if _, twice := byKey[name]; twice {
			return nil
		}
		byKey[name] = item
	}
	return byKey
}

// unordered lists, by the ends of their paths.
func unordered(path string) bool {
	switch path[strings.LastIndex(path, ".")+1:] {
	case "metrics", "finalizers", "accessModes", "verbs", "resources", "apiGroups", "resourceNames", "nonResourceURLs", "subjects", "policyTypes", "imagePullSecrets", "shortNames", "categories", "ports":
		return true
	}
	return false
}

// sorted orders items by their text.
func sorted(list []any) []any {
	text := func(v any) string {
		b, _ := json.Marshal(v) // objects came as JSON
		return string(b)
	}
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(text(a), text(b)) })
}

// sameQuantity compares amounts by value: 100m and 0.1, 1Gi and 1024Mi.
func sameQuantity(path string, a, b any) bool {
	if !strings.Contains(path, "requests.") && !strings.Contains(path, "limits.") && !strings.Contains(path, "hard.") && !strings.Contains(path, "capacity.") &&
		!strings.Contains(path, "target.") && !strings.Contains(path, "default") && !strings.Contains(path, "min.") && !strings.Contains(path, "max.") && !strings.HasSuffix(path, "sizeLimit") && !strings.HasSuffix(path, "divisor") {
		return false
	}
	x, err1 := resource.ParseQuantity(fmt.Sprint(a))
	y, err2 := resource.ParseQuantity(fmt.Sprint(b))
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
}

// empty: an absent list is the same as one with nothing in it, and as null. An
// absent map is not the same as an empty one: presence may mean something
// (emptyDir: {}).
func empty(v any) bool {
	switch value := v.(type) {
	case nil:
		return true
	case []any:
		return len(value) == 0
	}
	return false
}

// general is a path without what stands in brackets.
func general(path string) string {
	var b strings.Builder
	inside := false
	for _, r := range path {
		switch r {
		case '[':
			inside = true
			b.WriteString("[]")
		case ']':
			inside = false
		default:
			if !inside {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}
