package parity

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/cluster/transfer/corpus"
)

// place is a field of an object.
type place []any

// String is the place with items of lists as [].
func (p place) String() string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case string:
			if strings.ContainsAny(s, "./") {
				fmt.Fprintf(&b, "[%s]", s)
			} else {
				b.WriteString("." + s)
			}
		default:
			b.WriteString("[]")
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

// places are all fields below a value, and items of lists.
func places(at place, v any) []place {
	var all []place
	add := func(step, next any) {
		here := append(slices.Clone(at), step)
		all = append(append(all, here), places(here, next)...)
	}
	switch value := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			add(name, value[name])
		}
	case []any:
		for i, item := range value {
			add(i, item)
		}
	}
	return all
}

// changed is a copy of the object with another value at a place: a text with
// something behind it, a number one more, the other truth; what has fields or
// items loses them all and itself.
func changed(u *unstructured.Unstructured, at place) *unstructured.Unstructured {
	c := u.DeepCopy()
	var parent any = c.Object
	for _, step := range at[:len(at)-1] {
		parent = child(parent, step)
	}
	var next any
	switch v := child(parent, at[len(at)-1]).(type) {
	case string:
		next = v + "x"
	case int64:
		next = v + 1
	case float64:
		next = v + 1
	case bool:
		next = !v
	}
	switch m := parent.(type) {
	case map[string]any:
		if next == nil {
			delete(m, at[len(at)-1].(string))
		} else {
			m[at[len(at)-1].(string)] = next
		}
	case []any:
		m[at[len(at)-1].(int)] = next
	}
	return c
}

func child(v, step any) any {
	switch m := v.(type) {
	case map[string]any:
		return m[step.(string)]
	case []any:
		return m[step.(int)]
	}
	return nil
}

// compared is the comparison of two sides that have these objects alone.
func compared(o Options, from, to *unstructured.Unstructured) *Report {
	rules, err := compile(o.Ignore)
	if err != nil {
		panic(err)
	}
	c := newComparison(&transfer.Cluster{Name: "blue"}, &transfer.Cluster{Name: "green"}, o, rules)
	if from != nil {
		c.meet(c.from, from)
	}
	if to != nil {
		c.meet(c.to, to)
	}
	c.settle()
	return c.report()
}

// TestEveryFieldCounts changes every field of every object of the corpus, one
// at a time, and expects to be told of just that. The fields of which nothing is
// told are in a golden file, for people to agree with.
func TestEveryFieldCounts(t *testing.T) {
	objects, err := corpus.Objects("corpus")
	if err != nil {
		t.Fatal(err)
	}
	blind := map[string]bool{}
	told := 0
	for _, u := range objects {
		if transfer.Portable(u, transfer.Options{KeepCronJobs: true}).Object == nil {
			continue
		}
		if r := compared(Options{}, u, u.DeepCopy()); len(r.Objects) > 0 {
			t.Errorf("%s differs from itself: %s", transfer.KeyOf(u), r.Objects[0].String("green"))
		}
		for _, at := range places(nil, u.Object) {
			switch at.String() {
			case "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace":
				continue // another object
			case "spec.manualSelector":
				continue // it decides whether the selector is portable
			}
			other := changed(u, at)
			if reflect.DeepEqual(u.Object, other.Object) {
				continue // null
			}
			r := compared(Options{}, u, other)
			if len(r.Objects) == 0 {
				blind[u.GetKind()+" "+at.String()] = true
				continue
			}
			told++
			for _, d := range r.Objects[0].Differences {
				if !within(d.Path, at) {
					t.Errorf("%s: changed %s, told of %s", transfer.KeyOf(u), at, Text(d))
				}
			}
		}
	}
	if told < 900 {
		t.Errorf("only %d fields count", told)
	}
	golden.Assert(t, strings.Join(slices.Sorted(maps.Keys(blind)), "\n")+"\n", "blind.golden")
}

// within tells whether a path of a difference is at the place that was changed,
// below it, or the list or map that holds it.
func within(path string, at place) bool {
	var wanted []string
	for _, step := range at {
		switch s := step.(type) {
		case string:
			wanted = append(wanted, s)
		case int:
			wanted = append(wanted, strconv.Itoa(s))
		}
	}
	got := tokens(path)
	for i := range min(len(got), len(wanted)) {
		if _, item := at[i].(int); !item && got[i] != wanted[i] {
			return false
		}
	}
	return len(got) >= len(wanted)-1
}
