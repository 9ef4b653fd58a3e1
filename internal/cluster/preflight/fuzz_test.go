package preflight

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// FuzzObjects lets both sides hold an object that may be anything: it is
// unreadable at worst, and never the end of the program.
func FuzzObjects(f *testing.F) {
	for _, object := range examples(f) {
		text, err := json.Marshal(object)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a"},"spec":{"volumeClaimTemplates":[3],"template":[]}}`)
	f.Add(`{"apiVersion":"v1","kind":"Secret","metadata":{"labels":7},"data":{"a":"%"}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		object := map[string]any{}
		if json.Unmarshal([]byte(text), &object) == nil {
			onBothSides(object)
		}
	})
}

// onBothSides judges a world in which both sides hold the object.
func onBothSides(object map[string]any) *Report {
	u := &unstructured.Unstructured{Object: object}
	w := &world{from: newSnapshot("blue"), to: newSnapshot("green"), in: newIncoming()}
	w.from.version, w.to.version = "v1.23.0", "v1.34.1"
	w.from.take(u.DeepCopy())
	w.to.take(u.DeepCopy())
	w.in.known = w.from.addresses()
	w.in.take(u.DeepCopy(), transfer.Options{})
	w.in.finish()
	return w.judge(nil)
}

// Each field of each object of the example is something else once.
func TestOddFields(t *testing.T) {
	odd := []any{nil, int64(-3), "", "9x", []any{}, []any{int64(3)}, []any{nil}, map[string]any{}, map[string]any{"a": nil}, true}
	runs := 0
	for _, object := range examples(t) {
		paths(object, func(set func(value any) (old any)) {
			for _, value := range odd {
				old := set(value)
				onBothSides(object)
				set(old)
				runs++
			}
		})
	}
	if runs < 1000 {
		t.Errorf("only %d objects were tried", runs)
	}
}

// examples are the objects of both sides of the example.
func examples(t testing.TB) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, file := range []string{"testdata/blue.yaml", "testdata/green.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range kubetest.Objects(t, string(text)) {
			all = append(all, u.Object)
		}
	}
	return all
}

// paths visits every field and item below a value, the innermost first.
func paths(value any, visit func(set func(any) any)) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			paths(v[key], visit)
			visit(func(value any) (old any) { old, v[key] = v[key], value; return old })
		}
	case []any:
		for i := range v {
			paths(v[i], visit)
			visit(func(value any) (old any) { old, v[i] = v[i], value; return old })
		}
	}
}
