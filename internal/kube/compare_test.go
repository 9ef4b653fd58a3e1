package kube

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func TestShowWritesPathsAsPeopleDo(t *testing.T) {
	name, number := "a.b/c", 3
	path := fieldpath.MakePathOrDie("metadata", "annotations")
	path = append(path, fieldpath.PathElement{FieldName: &name})
	if got := show(path); got != ".metadata.annotations[a.b/c]" {
		t.Errorf("got %s", got)
	}
	path = fieldpath.MakePathOrDie("spec", "ports", fieldpath.KeyByFields("port", 80, "protocol", "TCP"), "name")
	if got := show(path); got != ".spec.ports[port=80,protocol=TCP].name" {
		t.Errorf("got %s", got)
	}
	if got := show(append(fieldpath.MakePathOrDie("args"), fieldpath.PathElement{Index: &number})); got != ".args[3]" {
		t.Errorf("got %s", got)
	}
}

func TestMaskedHidesSecretsInsideLargerValues(t *testing.T) {
	value := map[string]any{"env": []any{
		map[string]any{"name": "DB_PASSWORD", "value": "hunter2"},
		map[string]any{"name": "COLOR", "value": "blue"},
		map[string]any{"name": "TOKEN", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "keys", "key": "token"}}},
	}, "apiToken": "abc"}
	raw, err := json.Marshal(masked(value))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiToken":"(hidden)","env":[{"name":"DB_PASSWORD","value":"(hidden)"},{"name":"COLOR","value":"blue"},` +
		`{"name":"TOKEN","valueFrom":{"secretKeyRef":{"key":"token","name":"keys"}}}]}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

// FuzzComparison has odd objects compared: whatever a cluster holds, a look at
// it never panics.
func FuzzComparison(f *testing.F) {
	f.Add(`{"kind":"A","metadata":{"labels":{"a":"b"}},"spec":{"l":[{"name":"x","v":1}]}}`,
		`{"kind":"A","metadata":{"labels":null},"spec":{"l":[{"name":"y"},null,3]}}`,
		`{"f:spec":{"f:l":{"k:{\"name\":\"y\"}":{".":{},"f:v":{}}}},"f:metadata":{"f:labels":{"f:z":{}}}}`)
	f.Add(`{"kind":"A","data":{"k":"v"}}`, `{"kind":"A","data":[1]}`, `{"f:data":{"v:1":{},"i:3":{}}}`)
	f.Fuzz(func(t *testing.T, wanted, found, fields string) {
		var would, live unstructured.Unstructured
		if json.Unmarshal([]byte(wanted), &would.Object) != nil || json.Unmarshal([]byte(found), &live.Object) != nil ||
			would.Object == nil || live.Object == nil {
			t.Skip()
		}
		entries, err := managedOf(&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "somebody", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
		}}})
		if err != nil {
			t.Skip()
		}
		c := comparison{entries: entries, live: live.Object}
		c.walk(comparable(&would), comparable(&live), nil)
		c.added(&entries[0], intruded(entries[0]), would.Object)
	})
}
