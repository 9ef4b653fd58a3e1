package environment

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func TestPruneVerdict(t *testing.T) {
	for _, tt := range []struct {
		name              string
		inventory, doomed int
		approved          string
		refused           bool
	}{
		{"small environments may change altogether", 10, 10, "", false},
		{"half may go", 20, 10, "", false},
		{"more than half may not", 20, 11, "", true},
		{"unless approved for these inputs", 20, 20, "hash", false},
		{"approval of other inputs does not count", 20, 20, "other", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationPruneApproved: tt.approved}}}
			err := pruneVerdict(env, tt.inventory, refs(tt.doomed), "hash")
			var p *problem
			if refused := errors.As(err, &p); refused != tt.refused {
				t.Fatalf("got %v", err)
			}
			if tt.refused && (p.reason != v1alpha1.ReasonPruneRefused || !p.stalled || !strings.Contains(err.Error(), "ConfigMap staging/c0")) {
				t.Errorf("refusal %+v does not name what would go", p)
			}
		})
	}
}

func TestSurplusKeepsWhatIsNeeded(t *testing.T) {
	env := &v1alpha1.Environment{}
	env.Spec.HistoryLimit, env.Spec.RollbackTo = 2, "shop-1"
	env.Status.Release, env.Status.LastSuccessful = "shop-7", "shop-3"
	var releases []v1alpha1.Release
	for n := 1; n <= 7; n++ {
		rel := v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("shop-%d", n)}}
		rel.Status.Phase = v1alpha1.ReleaseFailed
		releases = append(releases, rel)
	}
	releases[6].Status.Phase = v1alpha1.ReleaseProgress
	want := map[string]bool{"shop-2": true, "shop-4": true}
	if diff := cmp.Diff(want, surplus(releases, env)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInventoryArithmetic(t *testing.T) {
	all := refs(4)
	newer := all[1]
	newer.APIVersion = "v2" // the same object under a newer version of its API
	joined := union(all[:3], []v1alpha1.ObjectRef{newer, all[3]})
	want := []v1alpha1.ObjectRef{all[0], newer, all[2], all[3]}
	if diff := cmp.Diff(want, joined); diff != "" {
		t.Errorf("union (-want +got):\n%s", diff)
	}
	left := minus(joined, all[:1], all[1:3])
	if diff := cmp.Diff(all[3:], left); diff != "" {
		t.Errorf("minus (-want +got):\n%s", diff)
	}
}

func TestOnlyImmutableConfigurationIsKept(t *testing.T) {
	for _, tt := range []struct {
		kind      string
		immutable any
		want      bool
	}{
		{"ConfigMap", true, true}, {"Secret", true, true}, {"ConfigMap", nil, false}, {"Secret", false, false}, {"Deployment", true, false},
	} {
		o := &unstructured.Unstructured{Object: map[string]any{"kind": tt.kind, "immutable": tt.immutable}}
		if got := isImmutableConfig(o); got != tt.want {
			t.Errorf("%s with immutable %v: kept %v, want %v", tt.kind, tt.immutable, got, tt.want)
		}
	}
}

func refs(n int) []v1alpha1.ObjectRef {
	all := make([]v1alpha1.ObjectRef, n)
	for i := range all {
		all[i] = v1alpha1.ObjectRef{APIVersion: "v1", Kind: "ConfigMap", Namespace: "staging", Name: fmt.Sprintf("c%d", i)}
	}
	return all
}

// A blueprint that suddenly lacks most of its components changes nothing until
// somebody says that it is meant.
func TestTooMuchToDeleteIsRefusedUntilApproved(t *testing.T) {
	w := newWorld(t)
	bp := &v1alpha1.Blueprint{}
	if err := w.api.Get(t.Context(), types.NamespacedName{Namespace: "team", Name: "shop"}, bp); err != nil {
		t.Fatal(err)
	}
	whole := bp.Spec.Components
	for n := range 20 {
		whole = append(whole, v1alpha1.Component{Name: fmt.Sprintf("worker-%d", n), Image: "shop/web:1", Scale: &v1alpha1.Scale{Min: 1}})
	}
	setComponents(w, bp, whole)
	w.createStaging()
	w.run()
	before := w.cluster.state()

	setComponents(w, bp, whole[:2])
	w.run()
	env := w.environment()
	if env.Status.RefusedInputs == "" || !meta.IsStatusConditionTrue(env.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Fatalf("not refused: %+v", env.Status.Conditions)
	}
	if diff := cmp.Diff(before, w.cluster.state()); diff != "" {
		t.Errorf("refused, and yet the cluster changed:\n%s", diff)
	}

	w.edit(func(env *v1alpha1.Environment) {
		env.Annotations[v1alpha1.AnnotationPruneApproved] = env.Status.RefusedInputs
	})
	w.run()
	if env := w.environment(); env.Status.Release != "staging-2" || env.Status.RefusedInputs != "" || strings.Contains(w.cluster.state(), "worker") {
		t.Errorf("approved, but runs %s:\n%s", env.Status.Release, w.cluster.state())
	}
}

func setComponents(w *world, bp *v1alpha1.Blueprint, components []v1alpha1.Component) {
	w.t.Helper()
	bp.Spec.Components = components
	if err := w.api.Update(w.t.Context(), bp); err != nil {
		w.t.Fatal(err)
	}
}
