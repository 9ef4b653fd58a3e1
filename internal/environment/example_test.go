package environment_test

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pack"
)

// TestShopRenders: the blueprint that newcomers are shown is a good one.
func TestShopRenders(t *testing.T) {
	const dir = "../../examples/shop"
	file, err := os.Open(dir + "/blueprint.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	objects, err := environment.ParseObjects(file)
	if err != nil {
		t.Fatal(err)
	}
	bp, ok := objects[0].(*v1alpha1.Blueprint)
	if !ok {
		t.Fatalf("the first object is a %T", objects[0])
	}
	if err := pack.Blueprint(bp, dir); err != nil {
		t.Fatal(err)
	}
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "default"}}
	in := environment.Input{Blueprint: bp, Environment: env,
		Images: map[string]environment.Image{}, Charts: map[string]environment.Chart{}, Stores: map[string]map[string]string{}}
	fetch(t, &in)
	d, err := environment.Render(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Components) != len(bp.Spec.Components) {
		t.Errorf("%d components, want %d", len(d.Components), len(bp.Spec.Components))
	}
}
