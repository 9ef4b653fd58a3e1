package environment

import (
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// The life of an environment, told step by step.
func TestStoryOfAnEnvironment(t *testing.T) {
	w := newWorld(t)
	w.createStaging()
	w.run()
	w.narrate("created")

	w.edit(func(env *v1alpha1.Environment) {
		env.Spec.Versions = map[string]string{"web": "2", "schema": "2"}
		env.Annotations[v1alpha1.AnnotationAuthor] = "ada"
	})
	w.run()
	w.narrate("version 2 deployed")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Asleep = true })
	w.run()
	w.narrate("put to sleep")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Asleep = false })
	w.run()
	w.narrate("woken up")

	w.cluster.scale(v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "staging", Name: "web"}, new(int32(7)))
	w.now = w.now.Add(compareEvery)
	w.run()
	w.narrate("somebody scaled the web; drift: " + string(w.environment().Status.Drift.State))

	w.edit(func(env *v1alpha1.Environment) { env.Annotations[v1alpha1.AnnotationHealRequested] = "now" })
	w.run()
	w.narrate("healed; drift: " + string(w.environment().Status.Drift.State))

	w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "staging-1" })
	w.registry = nil // a rollback needs no registry
	w.run()
	w.narrate("rolled back to version 1")

	if err := w.api.Delete(t.Context(), w.environment()); err != nil {
		t.Fatal(err)
	}
	w.cluster.blockers = []kube.Blocker{{Object: refs(1)[0], Message: "waits for finalizer example.com/hold"}}
	w.run()
	w.narrate("deleted")
	golden.Assert(t, w.story.String(), "life.golden")
}

// What goes wrong, and what a person is told.
func TestStoryOfABadDeploy(t *testing.T) {
	w := newWorld(t)
	w.createStaging()
	w.run()
	w.cluster.log = nil

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "3"} })
	w.run()
	w.narrate("a version that does not exist")

	w.registry["shop/web:3"] = "sha256:web3"
	w.now = w.now.Add(2 * retryRare)
	w.cluster.states["Deployment web"] = kube.InProgress
	w.cluster.diagnoses = []kube.Diagnosis{{
		Failure:  v1alpha1.Failure{Object: v1alpha1.ObjectRef{Kind: "Deployment", Namespace: "staging", Name: "web"}, Component: "web", Reason: kube.ReasonCrashLoop, Message: "exit code 1, 3 restarts"},
		Restarts: 3,
	}}
	w.run()
	w.narrate("pushed meanwhile, and it crashes")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "staging-1" })
	w.cluster.states, w.cluster.diagnoses = map[string]kube.State{}, nil
	w.run()
	w.narrate("rolled back")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo, env.Spec.Blueprint = "", "nonexistent" })
	w.run()
	w.narrate("a blueprint that does not exist")

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Blueprint = "shop"; env.Spec.Versions = nil })
	w.cluster.failing = kubeTimeout{}
	w.run()
	w.narrate("the cluster does not answer")

	w.cluster.failing = nil
	w.cluster.states["Deployment web"] = kube.InProgress
	w.now = w.now.Add(time.Minute)
	w.run()
	w.now = w.now.Add(defaultDeployTimeout)
	w.run()
	w.narrate("it answers, but never becomes ready")
	golden.Assert(t, w.story.String(), "bad-deploy.golden")
}

// What keeps pods from running is told while it is waited for, and no longer.
func TestStoryOfAWait(t *testing.T) {
	w := newWorld(t)
	web := v1alpha1.Failure{Object: v1alpha1.ObjectRef{Kind: "Deployment", Namespace: "staging", Name: "web"}, Component: "web"}
	because := func(reason, message string, log ...string) {
		web.Reason, web.Message, web.Log = reason, message, log
		w.cluster.states["Deployment web"] = kube.InProgress
		w.cluster.diagnoses = []kube.Diagnosis{{Failure: web}}
	}
	look := func(title string) {
		t.Helper()
		w.now = w.now.Add(diagnoseEvery)
		for range 2 { // the second look is too early to ask again
			if _, err := w.reconcile(); err != nil {
				t.Fatal(err)
			}
			w.cluster.log = nil
			w.narrate(title)
			for _, c := range w.environment().Status.Components {
				w.tell("     %s %d/%d %s", c.Name, c.Ready, c.Desired, c.Message)
			}
			title = "a moment later"
		}
	}
	w.createStaging()
	because(kube.ReasonUnschedulable, "pod web-1: 0/1 nodes are available: 1 Insufficient memory.")
	look("no room")
	because(kube.ReasonCrashLoop, "pod web-1: container web ended with exit code 1, restarted once", "starting", "no database", " ")
	look("room, but it crashes")
	w.cluster.states, w.cluster.diagnoses = map[string]kube.State{}, nil
	look("the database is there")
	golden.Assert(t, w.story.String(), "wait.golden")
}

// kubeTimeout is an error of a cluster that does not answer.
type kubeTimeout struct{}

func (kubeTimeout) Error() string   { return "dial tcp 10.0.0.1:6443: i/o timeout" }
func (kubeTimeout) Timeout() bool   { return true }
func (kubeTimeout) Temporary() bool { return true }

// Whatever keeps an environment from going on, it tries again by itself.
func TestEveryProblemIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		reason string
		cause  func(*world)
	}{
		{v1alpha1.ReasonClusterUnreachable, func(w *world) { w.cluster.failing = kubeTimeout{} }},
		{v1alpha1.ReasonNotOwned, func(w *world) {
			w.cluster.notOwned = &kube.NotOwnedError{Objects: refs(1), Owners: []string{"team/other"}}
		}},
		{v1alpha1.ReasonVersionNotResolved, func(w *world) { delete(w.registry, "shop/web:1") }},
		{v1alpha1.ReasonStoreNotReady, func(w *world) { w.delete(&corev1.Secret{}, "team", "landfall-mysql") }},
		{v1alpha1.ReasonBlueprintNotFound, func(w *world) { w.delete(&v1alpha1.Blueprint{}, "team", "shop") }},
		{v1alpha1.ReasonClusterNotFound, func(w *world) { w.delete(&v1alpha1.Cluster{}, "", "local") }},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			w := newWorld(t)
			tt.cause(w)
			w.createStaging()
			for range 3 {
				result, err := w.reconcile()
				if err != nil {
					t.Fatal(err)
				}
				ready := meta.FindStatusCondition(w.environment().Status.Conditions, v1alpha1.ConditionReady)
				if ready.Reason != tt.reason {
					t.Errorf("reason %s, want %s", ready.Reason, tt.reason)
				}
				if result.RequeueAfter < time.Second || result.RequeueAfter > 5*time.Minute {
					t.Errorf("looks again in %s", result.RequeueAfter)
				}
				w.now = w.now.Add(time.Second)
			}
		})
	}
}
