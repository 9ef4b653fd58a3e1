package environment

import (
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (w *world) moveTo(cluster string) {
	w.t.Helper()
	w.edit(func(env *v1alpha1.Environment) { env.Spec.Cluster = cluster })
}

func (w *world) finishMove(forced bool) {
	w.t.Helper()
	w.edit(func(env *v1alpha1.Environment) {
		if err := environment.Finish(env, forced); err != nil {
			w.t.Fatal(err)
		}
	})
}

// withSchedule gives the shop a component that runs every night.
func (w *world) withSchedule() {
	w.t.Helper()
	bp := blueprint("1")
	if err := w.api.Get(w.t.Context(), staging, bp); err == nil {
		w.t.Fatal("the blueprint is named otherwise")
	}
	bp.Spec.Components = append(bp.Spec.Components, v1alpha1.Component{Name: "report", Image: "shop/web:1", Schedule: "0 3 * * *"})
	w.delete(&v1alpha1.Blueprint{}, "team", "shop")
	w.create(bp)
}

// A move there and to its end, told step by step: the old side is not touched
// before, Jobs do not run twice, CronJobs run on one side only, and digests stay
// although the tag was pushed anew.
func TestStoryOfAMove(t *testing.T) {
	w := newWorld(t)
	w.withSchedule()
	w.createStaging()
	w.run()
	w.narrate("created")

	w.registry["shop/web:1"] = "sha256:pushed-anew"
	w.moveTo("green")
	w.run()
	w.narrate("moved to green")

	w.moveTo("local")
	w.run()
	w.narrate("moved back")

	w.moveTo("green")
	w.run()
	w.narrate("moved to green again")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2"} })
	w.run()
	w.narrate("deployed there")

	w.moveTo("alias")
	w.run()
	w.narrate("a third cluster is refused")

	w.moveTo("green")
	w.cluster.failing = kubeTimeout{}
	w.finishMove(false)
	w.run()
	w.narrate("finishing while the old cluster does not answer")

	w.cluster.failing = nil
	w.now = w.now.Add(retrySoon)
	w.run()
	w.narrate("it answers")
	if left := w.cluster.state(); left != "" {
		t.Errorf("left on the old cluster:\n%s", left)
	}
	golden.Assert(t, w.story.String(), "move.golden")
}

// A dead cluster can be left for good.
func TestFinishForced(t *testing.T) {
	w := newWorld(t)
	w.withSchedule()
	w.createStaging()
	w.run()
	w.moveTo("green")
	w.run()
	w.cluster.failing = kubeTimeout{}
	w.finishMove(true)
	w.run()
	env := w.environment()
	if env.Status.Left != nil || env.Status.Phase != v1alpha1.PhaseReady {
		t.Errorf("phase %s, left %v", env.Status.Phase, env.Status.Left)
	}
	if state := w.green.state(); strings.Contains(state, "suspended") {
		t.Errorf("nobody runs the CronJobs:\n%s", state)
	}
}

// Nothing moves to where it would be removed from at the end, to a cluster that
// does not exist, or away from a release under way; it runs on where it is.
func TestMovesThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, to, why string }{
		{"the same cluster", "alias", "the same cluster"},
		{"no such cluster", "nowhere", "does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.createStaging()
			w.run()
			before := w.cluster.state()
			w.moveTo(tt.to)
			w.run()
			env := w.environment()
			stalled := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionStalled)
			if stalled.Reason != v1alpha1.ReasonMoveRefused || !strings.Contains(stalled.Message, tt.why) {
				t.Errorf("%s: %s", stalled.Reason, stalled.Message)
			}
			if env.Status.Cluster != "local" || env.Status.Left != nil || w.cluster.state() != before {
				t.Errorf("runs on %s, left %v:\n%s", env.Status.Cluster, env.Status.Left, w.cluster.state())
			}
		})
	}
}

// A move that cannot make its release there leaves all as it is, applies and
// heals nothing, and is turned back as if it had never been.
func TestMoveThatCannotArrive(t *testing.T) {
	w := newWorld(t)
	w.createStaging()
	w.edit(func(env *v1alpha1.Environment) { env.Spec.Drift = "Heal" })
	w.run()
	before := w.environment()
	w.delete(&corev1.Secret{}, "team", "landfall-mysql")
	w.moveTo("green")
	w.run()
	env := w.environment()
	if len(w.green.objects) > 0 || env.Status.Left == nil {
		t.Errorf("left %v, on green:\n%s", env.Status.Left, w.green.state())
	}
	w.moveTo("local")
	w.run()
	env = w.environment()
	if env.Status.Left != nil || env.Status.Release != before.Status.Release || env.Status.Cluster != "local" || len(env.Status.Inventory) != len(before.Status.Inventory) {
		t.Errorf("after turning back: %+v", env.Status)
	}
}

// A server whose name only the management cluster knows is named at once: an
// application would look for it until somebody read its log.
func TestMoveAwayFromAServer(t *testing.T) {
	for _, tt := range []struct {
		address string
		refused bool
	}{
		{"mysql://root@db.team.svc:3306", true},
		{"mysql://root@db.team.svc.cluster.local:3306", true},
		{"mysql://root@10.0.0.11:30036", false},
	} {
		t.Run(tt.address, func(t *testing.T) {
			w := newWorld(t)
			w.delete(&corev1.Secret{}, "team", "landfall-mysql")
			w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "landfall-mysql"}, Data: map[string][]byte{"url": []byte(tt.address)}})
			w.delete(&v1alpha1.Cluster{}, "", "green")
			w.create(&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}, Spec: v1alpha1.ClusterSpec{KubeconfigSecret: &v1alpha1.SecretKeyRef{Namespace: "landfall-system", Name: "green"}}})
			w.createStaging()
			w.run()
			if env := w.environment(); env.Status.Phase != v1alpha1.PhaseReady {
				t.Fatalf("on the management cluster: %s", env.Status.Phase)
			}
			w.moveTo("green")
			w.run()
			ready := meta.FindStatusCondition(w.environment().Status.Conditions, v1alpha1.ConditionReady)
			if refused := ready.Reason == v1alpha1.ReasonStoreNotReady && strings.Contains(ready.Message, "cannot be reached from cluster green"); refused != tt.refused {
				t.Errorf("%s: %s", ready.Reason, ready.Message)
			}
			if applied := len(w.green.objects) > 0; applied == tt.refused {
				t.Errorf("on green:\n%s", w.green.state())
			}
		})
	}
}
