package environment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lives are what happens to an environment in the crash tests, by name. Each ends
// in a state that must not depend on where the process died in between.
var lives = []struct {
	name string
	live func(*world)
}{
	{"create", nil},
	{"deploy", func(w *world) {
		w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2", "schema": "2"} })
	}},
	{"rollback", func(w *world) {
		w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2", "schema": "2"} })
		w.run()
		w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "staging-1" })
	}},
	{"sleep", func(w *world) {
		w.edit(func(env *v1alpha1.Environment) { env.Spec.Asleep = true })
	}},
	{"sleep and wake", func(w *world) {
		w.edit(func(env *v1alpha1.Environment) { env.Spec.Asleep = true })
		w.run()
		w.edit(func(env *v1alpha1.Environment) { env.Spec.Asleep = false })
	}},
	{"heal", func(w *world) {
		w.cluster.scale(v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "staging", Name: "web"}, new(int32(7)))
		w.edit(func(env *v1alpha1.Environment) { env.Annotations[v1alpha1.AnnotationHealRequested] = "now" })
	}},
	{"move", func(w *world) { w.moveTo("green") }},
	{"move and finish", func(w *world) {
		w.moveTo("green")
		w.run()
		w.finishMove(false)
	}},
	{"move there and back", func(w *world) {
		w.moveTo("green")
		w.run()
		w.moveTo("local")
	}},
	{"delete while moving", func(w *world) {
		w.moveTo("green")
		w.run()
		if err := w.api.Delete(w.t.Context(), w.environment()); err != nil {
			w.t.Fatal(err)
		}
	}},
	{"delete", func(w *world) {
		if err := w.api.Delete(w.t.Context(), w.environment()); err != nil {
			w.t.Fatal(err)
		}
	}},
}

// Killed at any point and started again, it ends where it would have ended.
func TestCrashAnywhereEndsTheSame(t *testing.T) {
	ever := map[string]bool{}
	for _, life := range lives {
		want, points := endOf(t, life.live, "")
		for _, point := range CrashPoints() {
			if !points[point] {
				continue
			}
			ever[point] = true
			t.Run(life.name+" killed at "+point, func(t *testing.T) {
				t.Parallel()
				got, _ := endOf(t, life.live, point)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("other end (-undisturbed +killed):\n%s", diff)
				}
			})
		}
	}
	for _, point := range CrashPoints() {
		if !ever[point] {
			t.Errorf("nothing ever reached the point %q", point)
		}
	}
}

// ending is what must be the same.
type ending struct {
	Cluster   string
	Green     string
	RunsOn    string
	Left      *v1alpha1.LeftBehind
	Gone      bool
	Phase     v1alpha1.Phase
	Release   string
	Outcome   v1alpha1.ReleasePhase
	Drift     v1alpha1.DriftState
	Inventory []v1alpha1.ObjectRef
	Sleep     []v1alpha1.SleepingObject
	Stores    []string
}

// endOf lives a life, killed at a point of it, and gives its end and the points
// that were reached.
func endOf(t *testing.T, live func(*world), crashAt string) (ending, map[string]bool) {
	w := newWorld(t)
	w.createStaging()
	if live != nil {
		w.run()
	}
	w.crashAt, w.passed = crashAt, map[string]bool{}
	if live != nil {
		live(w)
	}
	w.run()
	if crashAt != "" && w.crashAt != "" {
		t.Fatalf("never got to %q", crashAt)
	}
	e := ending{Cluster: w.cluster.state(), Green: w.green.state(), Stores: w.server.names()}
	env := w.environment()
	if env == nil {
		e.Gone = true
		return e, w.passed
	}
	e.Phase, e.Release, e.Sleep = env.Status.Phase, env.Status.Release, env.Status.Sleep
	e.RunsOn, e.Left = env.Status.Cluster, env.Status.Left
	if e.Left != nil {
		e.Left.MovedAt = metav1.Time{} // a crash takes its time
	}
	e.Inventory, e.Drift = env.Status.Inventory, env.Status.Drift.State
	e.Outcome = w.release(int(numberOf(env, env.Status.Release))).Status.Phase
	return e, w.passed
}
