package environment

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/store"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// world is a project with one environment, its cluster, a registry and a server
// for stores, in which time passes as the test says.
type world struct {
	t       *testing.T
	api     client.Client
	cluster *fakeCluster
	// green is another cluster, to move to.
	green    *fakeCluster
	registry fakeRegistry
	server   *fakeServer
	now      time.Time
	// crashAt is the point at which the next run dies; once.
	crashAt string
	// passed are the points that were reached.
	passed   map[string]bool
	r        *Reconciler
	told     *events.FakeRecorder
	story    strings.Builder
	narrated string // the release whose steps were told
}

var staging = types.NamespacedName{Namespace: "team", Name: "staging"}

var testScheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}()

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		passed: map[string]bool{},
		t:      t, cluster: newFakeCluster("local"), green: newFakeCluster("green"), server: &fakeServer{stores: map[string]store.Settings{}}, now: noon,
		registry: fakeRegistry{"shop/web:1": "sha256:web1", "shop/web:2": "sha256:web2", "shop/schema:1": "sha256:schema1", "shop/schema:2": "sha256:schema2"},
	}
	uid := 0
	w.api = fake.NewClientBuilder().WithScheme(testScheme).
		WithStatusSubresource(&v1alpha1.Environment{}, &v1alpha1.Release{}, &v1alpha1.Cluster{}).
		WithIndex(&v1alpha1.Release{}, indexEnvironment, func(o client.Object) []string { return []string{o.(*v1alpha1.Release).Spec.Environment} }).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				uid++
				o.SetUID(types.UID(fmt.Sprintf("uid-%d", uid)))
				o.SetCreationTimestamp(metav1.NewTime(w.now))
				return c.Create(ctx, o, opts...)
			},
		}).Build()
	w.restart()
	for _, name := range []string{"local", "green", "alias"} {
		w.create(&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "landfall-mysql"}, Data: map[string][]byte{"url": []byte("mysql://root@db")}})
	w.create(blueprint("1"))
	return w
}

// blueprint of the shop: a schema job before the web, which uses a database.
func blueprint(version string) *v1alpha1.Blueprint {
	content := "version " + version
	return &v1alpha1.Blueprint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop"},
		Spec: v1alpha1.BlueprintSpec{
			Components: []v1alpha1.Component{
				{
					Name: "web", Image: "shop/web:" + version, Scale: &v1alpha1.Scale{Min: 3}, Stores: []string{"db"},
					Ports: []v1alpha1.Port{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
					Files: []v1alpha1.File{{Path: "/etc/shop.conf", Content: &content}},
				},
				{Name: "schema", Image: "shop/schema:" + version, RunBefore: []string{"web"}},
			},
			Stores: []v1alpha1.Store{{Name: "db", Type: v1alpha1.StoreMySQL}},
		},
	}
}

// restart is what follows a crash: everything in memory is gone.
func (w *world) restart() {
	w.told = events.NewFakeRecorder(1000)
	w.r = New(Options{
		Client: w.api, Live: w.api,
		Targets:   w.target,
		Resolver:  w.registry,
		APIs:      func(context.Context, string) environment.APIs { return environment.APIs{} },
		OpenStore: func(string) (store.Provisioner, error) { return w.server, nil },
		Recorder:  w.told, Clock: func() time.Time { return w.now },
		Reached: w.reached,
	})
}

// target gives a cluster by the name of its Cluster; alias is local by another.
func (w *world) target(_ context.Context, name string) (Target, error) {
	if name == "green" {
		return w.green, nil
	}
	return w.cluster, nil
}

type crash struct{ point string }

func (w *world) reached(point string) {
	for _, known := range CrashPoints() {
		if point != known && !strings.HasPrefix(point, known+" ") {
			continue
		}
		w.passed[known] = true
		if w.crashAt == known {
			w.crashAt = ""
			panic(crash{point})
		}
	}
}

// run reconciles until nothing is left to be done soon, restarting after a
// crash, and lets the time pass that the reconciler asks for.
func (w *world) run() {
	w.t.Helper()
	for range 60 {
		result, err := w.reconcile()
		if err != nil {
			w.t.Fatalf("reconcile: %v", err)
		}
		if result.RequeueAfter == 0 || result.RequeueAfter > waitRecheck {
			return
		}
		w.now = w.now.Add(result.RequeueAfter)
	}
}

func (w *world) reconcile() (result ctrl.Result, err error) {
	defer func() {
		if died, ok := recover().(crash); ok {
			w.tell("KILLED at %q", died.point)
			w.restart()
			result, err = ctrl.Result{RequeueAfter: time.Second}, nil
		}
	}()
	return w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: staging})
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.api.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(o client.Object, namespace, name string) {
	w.t.Helper()
	o.SetNamespace(namespace)
	o.SetName(name)
	if err := w.api.Delete(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// environment gives the Environment, nil once it is gone.
func (w *world) environment() *v1alpha1.Environment {
	w.t.Helper()
	env := &v1alpha1.Environment{}
	if err := w.api.Get(w.t.Context(), staging, env); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		w.t.Fatal(err)
	}
	return env
}

// edit changes the Environment as a person would.
func (w *world) edit(f func(*v1alpha1.Environment)) {
	w.t.Helper()
	env := w.environment()
	if env.Annotations == nil {
		env.Annotations = map[string]string{}
	}
	f(env)
	env.Generation++
	if err := w.api.Update(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) createStaging() {
	w.t.Helper()
	w.create(&v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: staging.Namespace, Name: staging.Name, Generation: 1},
		Spec:       v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local", HistoryLimit: 10},
	})
}

func (w *world) release(number int) *v1alpha1.Release {
	w.t.Helper()
	rel := &v1alpha1.Release{}
	key := types.NamespacedName{Namespace: "team", Name: fmt.Sprintf("staging-%d", number)}
	if err := w.api.Get(w.t.Context(), key, rel); err != nil {
		w.t.Fatal(err)
	}
	return rel
}

func (w *world) tell(format string, args ...any) { fmt.Fprintf(&w.story, format+"\n", args...) }

// narrate tells what happened to the cluster since, and how the environment is.
func (w *world) narrate(title string) {
	w.t.Helper()
	w.tell("== %s", title)
	for _, line := range w.cluster.log {
		w.tell("  %s", line)
	}
	for _, line := range w.green.log {
		w.tell("  on green: %s", line)
	}
	w.cluster.log, w.green.log = nil, nil
	env := w.environment()
	if env == nil {
		w.tell("  -> the environment is gone; stores left: %d", len(w.server.stores))
		return
	}
	ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady)
	w.tell("  -> %s, Ready=%s (%s): %s", env.Status.Phase, ready.Status, ready.Reason, ready.Message)
	if moving := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionMoving); moving != nil {
		w.tell("     Moving=%s (%s): %s", moving.Status, moving.Reason, moving.Message)
	}
	if env.Status.Release == "" {
		return
	}
	rel := &v1alpha1.Release{}
	if err := w.api.Get(w.t.Context(), types.NamespacedName{Namespace: "team", Name: env.Status.Release}, rel); err != nil {
		w.t.Fatal(err)
	}
	if w.narrated == rel.Name+string(rel.Status.Phase) {
		return
	}
	w.narrated = rel.Name + string(rel.Status.Phase)
	w.tell("  %s (%s): %s", rel.Name, rel.Spec.Cause, rel.Status.Phase)
	for _, s := range rel.Status.Steps {
		w.tell("    %s: %s", s.Name, s.Message)
	}
}
