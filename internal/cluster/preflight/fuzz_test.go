package preflight

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// FuzzObjects lets both sides hold an object that may be anything: it is
// unreadable at worst, and never the end of the program.
func FuzzObjects(f *testing.F) {
	for _, file := range []string{"testdata/blue.yaml", "testdata/green.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			object, err := yaml.YAMLToJSON([]byte(document))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(object))
		}
	}
	f.Add(`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a"},"spec":{"volumeClaimTemplates":[3],"template":[]}}`)
	f.Add(`{"apiVersion":"v1","kind":"Secret","metadata":{"labels":7},"data":{"a":"%"}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		object := map[string]any{}
		if json.Unmarshal([]byte(text), &object) != nil {
			return
		}
		u := &unstructured.Unstructured{Object: object}
		w := &world{from: newSnapshot("blue"), to: newSnapshot("green"), in: newIncoming()}
		w.from.version, w.to.version = "v1.23.0", "v1.34.1"
		w.from.take(u.DeepCopy())
		w.to.take(u.DeepCopy())
		w.in.known = w.from.addresses()
		w.in.take(u.DeepCopy(), transfer.Options{})
		w.in.finish()
		w.judge(nil)
	})
}
