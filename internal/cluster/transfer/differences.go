package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Difference is one field that is not the same on both sides.
type Difference struct {
	// Path for people and for rules: fields by name, items of lists and keys with
	// dots or slashes in brackets, as in
	// spec.template.spec.containers[web].image.
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
// lists whose order says nothing without it. What every cluster fills in itself
// does not count.
func Differences(from, to *unstructured.Unstructured) []Difference {
	return slices.DeleteFunc(AllDifferences(from, to), func(d Difference) bool { return FilledIn(d.Path) != "" })
}

// AllDifferences are also those that FilledIn explains.
func AllDifferences(from, to *unstructured.Unstructured) []Difference {
	d := differ{builtIn: builtIn(from) && builtIn(to)}
	d.values(path{}, from.Object, to.Object)
	return d.found
}

// FilledIn says what of each cluster fills in a field; empty where nothing does.
func FilledIn(path string) string {
	of := general(path)
	for start, why := range fills {
		if path == start || of == start || strings.HasPrefix(of, start+".") {
			return why
		}
	}
	return ""
}

// fills are fields that something in each cluster fills in, by the beginning of
// their path.
var fills = map[string]string{
	"metadata.annotations[" + From + "]":            "a transfer says where it took the object from",
	"metadata.annotations[" + Suspended + "]":       "a transfer says that it suspended the schedule",
	"metadata.labels[velero.io/backup-name]":        "Velero says from which backup it restored the object",
	"metadata.labels[velero.io/restore-name]":       "Velero says by which restore it made the object",
	"webhooks[].clientConfig.caBundle":              "the authority of the cluster's own certificate",
	"spec.conversion.webhook.clientConfig.caBundle": "the authority of the cluster's own certificate",
	"spec.caBundle":                  "the authority of the cluster's own certificate",
	"metadata.ownerReferences[].uid": "each cluster gives its own UIDs",
}

// builtIn tells kinds of Kubernetes from custom ones, of whose lists nobody
// knows what their order says.
func builtIn(u *unstructured.Unstructured) bool {
	group := u.GroupVersionKind().Group
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// path is where a value is, for people, and as rules about any item read it.
type path struct{ text, general string }

// field is a field of the map at the path. Names that could be mistaken for
// more than one field are put in brackets.
func (p path) field(name string) path {
	switch {
	case strings.ContainsAny(name, "./[]") || name == "":
		return p.item(name)
	case p.text == "":
		return path{name, name}
	}
	return path{p.text + "." + name, p.general + "." + name}
}

// item is an item of the list at the path.
func (p path) item(name string) path { return path{p.text + "[" + name + "]", p.general + "[]"} }

// last is the name of the field at the path, and parent that of the one above.
func (p path) last() (last, parent string) {
	fields := strings.Split(strings.ReplaceAll(p.general, "[]", ""), ".")
	last = fields[len(fields)-1]
	if strings.HasSuffix(p.general, "[]") {
		return "", last
	}
	if len(fields) > 1 {
		parent = fields[len(fields)-2]
	}
	return last, parent
}

type differ struct {
	builtIn bool
	found   []Difference
}

func (d *differ) values(at path, a, b any) {
	from, isList := a.([]any)
	to, areLists := b.([]any)
	if (isList || a == nil) && (areLists || b == nil) && (isList || areLists) {
		// A list that is not there is one with nothing in it.
		d.lists(at, from, to)
		return
	}
	source, isMap := a.(map[string]any)
	target, areMaps := b.(map[string]any)
	if isMap && areMaps || (isMap && b == nil || areMaps && a == nil) && entries(at) {
		d.maps(at, source, target)
		return
	}
	if !reflect.DeepEqual(a, b) && !d.sameQuantity(at, a, b) {
		d.add(at, a, b)
	}
}

func (d *differ) add(at path, a, b any) {
	d.found = append(d.found, Difference{Path: at.text, From: a, To: b})
}

// entries tells maps of which one that is not there is one with nothing in it.
// Elsewhere presence may mean something (emptyDir: {}).
func entries(at path) bool {
	last, parent := at.last()
	switch last {
	case "labels", "annotations":
		return parent == "metadata"
	case "data", "binaryData", "stringData":
		return parent == ""
	}
	return false
}

func (d *differ) maps(at path, a, b map[string]any) {
	for _, name := range union(a, b) {
		d.values(at.field(name), a[name], b[name])
	}
}

// union is the keys of both, sorted.
func union(a, b map[string]any) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// lists compares items by what names them, or else as a set or by position.
func (d *differ) lists(at path, a, b []any) {
	free := d.unordered(at)
	if key := keyOf(a, b); key != "" {
		d.named(at, key, a, b, free)
		return
	}
	if free {
		d.sets(at, a, b)
		return
	}
	for i := range max(len(a), len(b)) {
		d.values(at.item(strconv.Itoa(i)), itemAt(a, i), itemAt(b, i))
	}
}

func itemAt(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// Keys are fields that name the items of a list, the first that all have counts.
var Keys = []string{"name", "containerPort", "port", "mountPath", "devicePath", "ip", "topologyKey", "key"}

// keyOf is the field that names the items of both lists; empty if there is none.
func keyOf(a, b []any) string {
	if len(a)+len(b) == 0 {
		return ""
	}
	for _, key := range Keys {
		if unique(a, key) && unique(b, key) {
			return key
		}
	}
	return ""
}

// unique tells whether every item has the key, each with another value.
func unique(list []any, key string) bool {
	seen := make(map[string]bool, len(list))
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok || m[key] == nil || seen[fmt.Sprint(m[key])] {
			return false
		}
		seen[fmt.Sprint(m[key])] = true
	}
	return true
}

// named compares items of the same name, and their order where it says
// something.
func (d *differ) named(at path, key string, a, b []any, free bool) {
	byName := func(list []any) (items map[string]any, names []string) {
		items = make(map[string]any, len(list))
		for _, item := range list {
			name := fmt.Sprint(item.(map[string]any)[key]) // unique saw to it
			items[name] = item
			names = append(names, name)
		}
		return items, names
	}
	from, before := byName(a)
	to, after := byName(b)
	for _, name := range union(from, to) {
		d.values(at.item(name), from[name], to[name])
	}
	if free {
		return
	}
	before = slices.DeleteFunc(before, func(name string) bool { return to[name] == nil })
	after = slices.DeleteFunc(after, func(name string) bool { return from[name] == nil })
	if !slices.Equal(before, after) {
		d.add(at, before, after)
	}
}

// sets compares lists without order: what is on both sides goes, and what is
// left is compared in pairs.
func (d *differ) sets(at path, a, b []any) {
	left := make(map[string]int, len(b))
	for _, item := range b {
		left[text(item)]++
	}
	var from, to []any
	for _, item := range a {
		if t := text(item); left[t] > 0 {
			left[t]--
		} else {
			from = append(from, item)
		}
	}
	for _, item := range slices.Backward(b) {
		if t := text(item); left[t] > 0 {
			left[t]--
			to = append(to, item)
		}
	}
	slices.Reverse(to)
	for _, item := range scalars(&from) {
		d.add(at.item(fmt.Sprint(item)), item, nil)
	}
	for _, item := range scalars(&to) {
		d.add(at.item(fmt.Sprint(item)), nil, item)
	}
	for i := range max(len(from), len(to)) {
		d.values(at.item(strconv.Itoa(i)), itemAt(from, i), itemAt(to, i))
	}
}

// scalars takes what is neither list nor map out of a list.
func scalars(list *[]any) (found []any) {
	*list = slices.DeleteFunc(*list, func(item any) bool {
		switch item.(type) {
		case map[string]any, []any:
			return false
		}
		found = append(found, item)
		return true
	})
	return found
}

// text of a value, the same for the same value.
func text(v any) string {
	b, _ := json.Marshal(v) // objects came as JSON
	return string(b)
}

// orderless are lists of built-in kinds whose order says nothing. That of
// initContainers, commands, arguments and rules does.
var orderless = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(`
		containers ephemeralContainers env volumes volumeMounts volumeDevices ports hostAliases imagePullSecrets secrets tolerations
		topologySpreadConstraints metrics subjects webhooks ownerReferences finalizers accessModes
		verbs resources apiGroups resourceNames nonResourceURLs policyTypes shortNames categories`) {
		names[name] = true
	}
	return names
}()

func (d *differ) unordered(at path) bool {
	last, parent := at.last()
	return orderless[last] && (d.builtIn || parent == "metadata")
}

// amounts are maps of quantities.
var amounts = []string{"requests", "limits", "hard", "capacity", "default", "defaultRequest", "min", "max", "maxLimitRequestRatio", "podFixed"}

// sameQuantity compares amounts by value: 100m and 0.1, 1Gi and 1024Mi.
func (d *differ) sameQuantity(at path, a, b any) bool {
	last, parent := at.last()
	amount := parent == "requests" || parent == "limits"
	if d.builtIn {
		amount = slices.Contains(amounts, parent) || last == "sizeLimit" || last == "divisor" || last == "averageValue" || last == "value" && parent == "target"
	}
	if !amount || strings.HasPrefix(at.text, "data") || strings.HasPrefix(at.text, "metadata") {
		return false
	}
	x, err1 := resource.ParseQuantity(fmt.Sprint(a))
	y, err2 := resource.ParseQuantity(fmt.Sprint(b))
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
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
