package environment

import (
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
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
	golden(t, "life.golden", w.story.String())
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
	golden(t, "bad-deploy.golden", w.story.String())
}

// kubeTimeout is an error of a cluster that does not answer.
type kubeTimeout struct{}

func (kubeTimeout) Error() string   { return "dial tcp 10.0.0.1:6443: i/o timeout" }
func (kubeTimeout) Timeout() bool   { return true }
func (kubeTimeout) Temporary() bool { return true }
