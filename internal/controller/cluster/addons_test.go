package cluster

import (
	"errors"
	"testing"
	"time"

	"context"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// Add-ons run as an environment for as long as the cluster wants them, whether or
// not it answers just now.
func TestAddonsAreAnEnvironment(t *testing.T) {
	w := newWorld(t, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}, Spec: v1alpha1.ClusterSpec{
		Addons: &v1alpha1.Addons{Project: "platform", Blueprint: "basics"},
	}})
	w.reconcile()
	want := []string{"platform/addons-green: basics on green, in addons"}
	if diff := cmp.Diff(want, w.environments()); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}

	w.answer = errors.New("no route to host")
	w.edit(func(c *v1alpha1.Cluster) { c.Spec.Addons.Blueprint = "more" })
	w.reconcile()
	if diff := cmp.Diff([]string{"platform/addons-green: more on green, in addons"}, w.environments()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}

	w.edit(func(c *v1alpha1.Cluster) { c.Spec.Addons.Project = "other" })
	w.reconcile()
	w.reconcile()
	if diff := cmp.Diff([]string{"other/addons-green: more on green, in addons"}, w.environments()); diff != "" {
		t.Errorf("in another project (-want +got):\n%s", diff)
	}

	w.edit(func(c *v1alpha1.Cluster) { c.Spec.Addons = nil })
	w.reconcile()
	if left := w.environments(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A namesake that somebody made is neither taken over nor deleted.
func TestAddonsLeaveNamesakesAlone(t *testing.T) {
	w := newWorld(t, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}, Spec: v1alpha1.ClusterSpec{
		Addons: &v1alpha1.Addons{Project: "platform", Blueprint: "basics"},
	}}, &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "addons-green"}, Spec: v1alpha1.EnvironmentSpec{Blueprint: "theirs", Cluster: "local"}})
	if _, err := w.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "green"}}); err == nil {
		t.Error("took it over")
	}
	w.edit(func(c *v1alpha1.Cluster) { c.Spec.Addons = nil })
	w.reconcile()
	if diff := cmp.Diff([]string{"platform/addons-green: theirs on local, in "}, w.environments()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// world is a management cluster with one Cluster.
type world struct {
	t      *testing.T
	api    client.Client
	answer error
	r      *Reconciler
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, api: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Cluster{}).Build()}
	w.r = New(Options{
		Client: w.api, Ask: func(context.Context, string) (Facts, error) { return Facts{Version: "v1.34.4", Nodes: 1}, w.answer },
		Drop: func(string) {}, Recorder: events.NewFakeRecorder(100), Clock: time.Now,
	})
	return w
}

func (w *world) reconcile() {
	w.t.Helper()
	if _, err := w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "green"}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) edit(change func(*v1alpha1.Cluster)) {
	w.t.Helper()
	cluster := &v1alpha1.Cluster{}
	if err := w.api.Get(w.t.Context(), types.NamespacedName{Name: "green"}, cluster); err != nil {
		w.t.Fatal(err)
	}
	change(cluster)
	if err := w.api.Update(w.t.Context(), cluster); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) environments() []string {
	w.t.Helper()
	var all v1alpha1.EnvironmentList
	if err := w.api.List(w.t.Context(), &all); err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, env := range all.Items {
		lines = append(lines, env.Namespace+"/"+env.Name+": "+env.Spec.Blueprint+" on "+env.Spec.Cluster+", in "+env.Spec.Namespace)
	}
	return lines
}
