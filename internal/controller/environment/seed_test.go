package environment

import (
	"testing"

	"gotest.tools/v3/golden"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

func (w *world) seed() *v1alpha1.DataCopy {
	w.t.Helper()
	dc := &v1alpha1.DataCopy{}
	if err := w.api.Get(w.t.Context(), types.NamespacedName{Namespace: "team", Name: "staging-seed"}, dc); err != nil {
		w.t.Fatal(err)
	}
	return dc
}

// copied lets the copy be in a phase, as its controller writes it.
func (w *world) copied(phase v1alpha1.DataCopyPhase, message string) {
	w.t.Helper()
	dc := w.seed()
	dc.Status.Phase, dc.Status.Message = phase, message
	if err := w.api.Update(w.t.Context(), dc); err != nil {
		w.t.Fatal(err)
	}
}

// An environment that begins with another one's data runs nothing before that
// is there and proven.
func TestStoryOfASeed(t *testing.T) {
	w := newWorld(t)
	w.create(&v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: staging.Namespace, Name: staging.Name, Generation: 1},
		Spec: v1alpha1.EnvironmentSpec{
			Blueprint: "shop", Cluster: "local", HistoryLimit: 10,
			Seed: &v1alpha1.Seed{From: "live", Mask: &v1alpha1.DataMask{Rules: "rules"}},
		},
	})
	w.run()
	w.narrate("created")
	dc := w.seed()
	if dc.Spec.From.Environment != "live" || dc.Spec.To.Environment != "staging" || dc.Spec.Mask.Rules != "rules" || !metav1.IsControlledBy(dc, w.environment()) {
		t.Errorf("asked for %+v", dc.Spec)
	}

	w.copied(v1alpha1.DataCopyRunning, "db copying")
	w.run()
	w.narrate("the copy is under way")

	w.copied(v1alpha1.DataCopyFailed, "store db: connection lost")
	w.run()
	w.narrate("the copy failed")

	w.copied(v1alpha1.DataCopySucceeded, "live and staging are equal")
	w.now = w.now.Add(2 * retryRare)
	w.run()
	w.narrate("the copy was resumed and is proven")

	if err := w.api.Delete(t.Context(), w.seed()); err != nil {
		t.Fatal(err)
	}
	w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2"} })
	w.run()
	w.narrate("a deploy later: nothing is copied again")
	golden.Assert(t, w.story.String(), "seed.golden")
}

// TestDeletingEndsTheSeed before the stores go that it writes to.
func TestDeletingEndsTheSeed(t *testing.T) {
	w := newWorld(t)
	w.create(&v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: staging.Namespace, Name: staging.Name, Generation: 1},
		Spec:       v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local", Seed: &v1alpha1.Seed{From: "live"}},
	})
	w.run()
	dc := w.seed()
	dc.Finalizers = []string{"foregroundDeletion"} // its Job still runs
	if err := w.api.Update(t.Context(), dc); err != nil {
		t.Fatal(err)
	}
	if err := w.api.Delete(t.Context(), w.environment()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.server.stores) == 0 {
		t.Fatal("the stores were removed while the copy wrote to them")
	}
	dc = w.seed()
	dc.Finalizers = nil
	if err := w.api.Update(t.Context(), dc); err != nil {
		t.Fatal(err)
	}
	w.run()
	if w.environment() != nil || len(w.server.stores) != 0 {
		t.Errorf("left: %v, %d stores", w.environment(), len(w.server.stores))
	}
}
