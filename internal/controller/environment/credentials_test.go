package environment

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pullSecret is the project's Secret for registry.example.
func pullSecret(password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths": {"registry.example": {"username": "ada", "password": %q}}}`, password)},
	}
}

// private lets the shop's images be pulled with Secrets.
func (w *world) private(names ...string) {
	w.t.Helper()
	bp := &v1alpha1.Blueprint{}
	if err := w.api.Get(w.t.Context(), types.NamespacedName{Namespace: "team", Name: "shop"}, bp); err != nil {
		w.t.Fatal(err)
	}
	bp.Spec.ImagePullSecrets = nil
	for _, name := range names {
		bp.Spec.ImagePullSecrets = append(bp.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	if err := w.api.Update(w.t.Context(), bp); err != nil {
		w.t.Fatal(err)
	}
}

// change gives the project's Secret another content.
func (w *world) change(secret *corev1.Secret) {
	w.t.Helper()
	if err := w.api.Update(w.t.Context(), secret); err != nil {
		w.t.Fatal(err)
	}
}

// pullsWith tells what the copy on the cluster holds.
func (w *world) pullsWith(password string) bool {
	for _, o := range w.cluster.objects {
		if o.GetKind() != "Secret" || o.GetName() != "registry" {
			continue
		}
		var secret corev1.Secret
		text, err := json.Marshal(o.Object)
		if err == nil {
			err = json.Unmarshal(text, &secret)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return bytes.Equal(secret.Data[corev1.DockerConfigJsonKey], pullSecret(password).Data[corev1.DockerConfigJsonKey])
	}
	return false
}

// The story of a private registry: what is missing or wrong is said, a rotated
// password needs no release, and a rollback has today's.
func TestStoryOfCredentials(t *testing.T) {
	w := newWorld(t)
	w.private("registry")
	w.createStaging()
	w.run()
	w.narrate("a Secret that does not exist")

	wrong := pullSecret("hunter1")
	wrong.Type = corev1.SecretTypeOpaque
	w.create(wrong)
	w.run()
	w.narrate("made with kubectl create secret generic")

	w.change(pullSecret("hunter2"))
	w.run()
	w.narrate("made as it should be")
	expect(t, "the copy has the password", w.pullsWith("hunter2"))

	w.change(pullSecret("hunter3"))
	w.run()
	w.narrate("another password")
	expect(t, "the copy has the new password", w.pullsWith("hunter3"))

	w.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2"} })
	w.run()
	w.narrate("version 2 deployed")
	w.change(pullSecret("hunter4"))
	w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "staging-1" })
	w.run()
	w.narrate("rolled back, with another password since")
	expect(t, "a rollback pulls with today's password", w.pullsWith("hunter4"))

	w.delete(&corev1.Secret{}, "team", "registry")
	w.run()
	w.narrate("the Secret is gone")
	expect(t, "the copy stays", w.pullsWith("hunter4"))

	w.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "" })
	w.private()
	w.run()
	w.narrate("the registry is public")
	if strings.Contains(w.cluster.state(), "registry") {
		t.Errorf("the copy is still there:\n%s", w.cluster.state())
	}
	w.secretsStay()
	golden.Assert(t, w.story.String(), "credentials.golden")
}

// secretsStay makes sure that no password is told or stored anywhere.
func (w *world) secretsStay() {
	w.t.Helper()
	told := w.story.String()
	for len(w.told.Events) > 0 {
		told += <-w.told.Events
	}
	var envs v1alpha1.EnvironmentList
	var releases v1alpha1.ReleaseList
	for _, list := range []client.ObjectList{&envs, &releases} {
		if err := w.api.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		told += fmt.Sprintf("%+v", list)
	}
	for i := range releases.Items {
		contents, err := w.r.contents.get(w.t.Context(), &releases.Items[i])
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := json.Marshal(contents)
		if err != nil {
			w.t.Fatal(err)
		}
		told += string(text)
	}
	if len(releases.Items) < 3 {
		w.t.Errorf("%d releases, want some to look at", len(releases.Items))
	}
	// As text, and as the beginning of what a Secret holds.
	encoded := base64.StdEncoding.EncodeToString(pullSecret("").Data[corev1.DockerConfigJsonKey])[:32]
	for _, password := range []string{"hunter", encoded} {
		if at := strings.Index(told, password); at >= 0 {
			w.t.Errorf("a password is told or stored: …%s", told[max(at-200, 0):min(at+20, len(told))])
		}
	}
}

// A password that is corrected while pods wait for their image arrives without
// waiting for the release to end.
func TestCredentialsAreCorrectedDuringARelease(t *testing.T) {
	w := newWorld(t)
	w.private("registry")
	w.create(pullSecret("hunter1"))
	w.cluster.states["Deployment web"] = "InProgress"
	w.createStaging()
	w.run()
	expect(t, "the first password is there", w.pullsWith("hunter1"))
	w.change(pullSecret("hunter2"))
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	expect(t, "the corrected password is there", w.pullsWith("hunter2"))
	if phase := w.release(1).Status.Phase; phase != v1alpha1.ReleaseProgress {
		t.Errorf("the release is %s, want it still under way", phase)
	}
	if users := w.r.memory.usersOf(types.NamespacedName{Namespace: "team", Name: "registry"}); len(users) != 1 {
		t.Errorf("a change of the Secret wakes %v", users)
	}
}

// A Secret of a chart that calls itself a copy gets no values of the project.
func TestOnlyOurCopiesAreFilled(t *testing.T) {
	w := newWorld(t)
	w.private("registry")
	w.create(pullSecret("hunter1"))
	w.createStaging()
	w.run()
	s := newScope(w.environment(), w.now)
	if err := w.r.findRelease(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	copies := s.copies()
	if len(copies) != 1 {
		t.Fatalf("%d copies, want one", len(copies))
	}
	forged := copies[0]
	forged.Component = "web"
	s.sources = []*corev1.Secret{pullSecret("hunter1")}
	data := func(o *unstructured.Unstructured) any { return o.Object["data"] }
	if got := s.view(copies[:1]); data(got[0]) == nil {
		t.Error("our copy has no values")
	}
	copies[0] = forged
	if got := s.view(copies[:1]); data(got[0]) != nil {
		t.Error("a component's Secret got the project's values")
	}
}

func expect(t *testing.T, what string, holds bool) {
	t.Helper()
	if !holds {
		t.Errorf("%s: it does not hold", what)
	}
}
