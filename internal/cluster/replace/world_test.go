package replace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/preflight"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world has two clusters, blue with a shop on it and green, and controllers that
// do at once what takes real ones their time.
type world struct {
	t   *testing.T
	api client.Client
	// objects beside environments, by side.
	objects map[string][]string
	// schedules run on this side.
	schedules string
	// blocker is what the preflight finds; differs what parity does.
	blocker, differs string
	// reverts: migrations do not come through.
	reverts bool
	answers bool
	crashAt string
	passed  []string
	log     []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, objects: map[string][]string{"blue": {"Secret tools/key", "CronJob tools/nightly"}, "green": nil}, schedules: "blue"}
	reachable := []metav1.Condition{{Type: v1alpha1.ConditionReachable, Status: metav1.ConditionTrue, Reason: "Reachable", LastTransitionTime: metav1.NewTime(noon)}}
	routing := &v1alpha1.Routing{Domain: "example.org", IngressClassName: "landfall"}
	addons := &v1alpha1.Addons{Project: "platform", Blueprint: "basics"}
	blue := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "blue"}, Spec: v1alpha1.ClusterSpec{Routing: routing, Addons: addons, Terraform: &v1alpha1.Terraform{Module: "local"}}, Status: v1alpha1.ClusterStatus{Conditions: reachable}}
	green := blue.DeepCopy()
	green.Name, green.Spec.Addons = "green", nil
	shop := ready(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop"}, Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "blue", Hostname: "shop.example"}})
	shop.Status.URLs = []v1alpha1.URL{{Component: "web", URL: "http://shop.example:8080"}}
	basics := ready(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "addons-blue"}, Spec: v1alpha1.EnvironmentSpec{Blueprint: "basics", Cluster: "blue"}})
	other := ready(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "elsewhere"}, Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local"}})
	w.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(blue, green, shop, basics, other).
		WithStatusSubresource(&v1alpha1.Cluster{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: w.created, Patch: w.patched}).Build()
	return w
}

func ready(env *v1alpha1.Environment) *v1alpha1.Environment {
	env.Status.Cluster, env.Status.Namespace, env.Status.Phase = env.Spec.Cluster, env.Name, v1alpha1.PhaseReady
	env.Status.Release = env.Name + "-1"
	env.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReleased, Message: "runs", LastTransitionTime: metav1.NewTime(noon)}}
	return env
}

func (w *world) tell(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) created(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
	if m, ok := o.(*v1alpha1.Migration); ok {
		w.tell("migration %s begins", m.Name)
		w.steer(m)
	}
	return c.Create(ctx, o, opts...)
}

// patched is where controllers answer to what people change.
func (w *world) patched(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if err := c.Patch(ctx, o, patch, opts...); err != nil {
		return err
	}
	before := o.DeepCopyObject().(client.Object)
	switch o := o.(type) {
	case *v1alpha1.Migration:
		w.steer(o)
	case *v1alpha1.Environment:
		w.settle(o)
	case *v1alpha1.Cluster:
		return w.addons(ctx, c, o)
	}
	return c.Patch(ctx, o, client.MergeFrom(before))
}

func (w *world) steer(m *v1alpha1.Migration) {
	phase := v1alpha1.MigrationCompleted
	if w.reverts {
		phase = v1alpha1.MigrationReverted
	}
	for _, word := range m.Spec.Words {
		switch {
		case word.Attempt != m.Spec.Attempt:
		case word.Verb == "abort":
			phase = v1alpha1.MigrationReverted
		case word.Verb == "finish":
			phase = v1alpha1.MigrationFinished
		}
	}
	if m.Status.Phase != phase {
		w.tell("migration %s: %s", m.Name, phase)
	}
	m.Status.Phase = phase
}

func (w *world) settle(env *v1alpha1.Environment) {
	status := &env.Status
	switch {
	case env.Spec.Cluster != status.Cluster:
		w.tell("environment %s runs on %s, too", env.Name, env.Spec.Cluster)
		status.Left = &v1alpha1.LeftBehind{Cluster: status.Cluster, Namespace: env.Name, Release: status.Release, MovedAt: metav1.NewTime(noon)}
		status.Cluster, status.Release = env.Spec.Cluster, fmt.Sprintf("%s-%d", env.Name, len(w.log)+1)
	case status.Left != nil && env.Annotations[v1alpha1.AnnotationFinishRequested] != "":
		w.tell("environment %s is gone from %s", env.Name, status.Left.Cluster)
		status.Left = nil
	}
}

func (w *world) addons(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster) error {
	if cluster.Spec.Addons == nil {
		return nil
	}
	w.tell("%s gets its add-ons", cluster.Name)
	return client.IgnoreAlreadyExists(c.Create(ctx, ready(&v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Spec.Addons.Project, Name: "addons-" + cluster.Name},
		Spec:       v1alpha1.EnvironmentSpec{Blueprint: cluster.Spec.Addons.Blueprint, Cluster: cluster.Name},
	})))
}

type killed struct{ step string }

// replacer is a process of its own.
func (w *world) replacer() *Replacer {
	return New(Options{
		Client: w.api, Clock: func() time.Time { return noon }, Every: time.Millisecond,
		Connect: func(_ context.Context, from, to string) (Sides, error) { return &fakeSides{w, from, to}, nil },
		Say: func(m *v1alpha1.Migration, verb string, step int32) {
			m.Spec.Words = append(m.Spec.Words, v1alpha1.MigrationWord{Serial: int64(len(m.Spec.Words) + 1), Attempt: m.Spec.Attempt, Verb: verb, Step: step, By: "test", At: metav1.NewTime(noon)})
		},
		FinishMove: func(env *v1alpha1.Environment) error {
			metav1.SetMetaDataAnnotation(&env.ObjectMeta, v1alpha1.AnnotationFinishRequested, "now")
			return nil
		},
		Destroy: func(ctx context.Context, name string, _ progress.Reporter) error {
			w.tell("%s is destroyed", name)
			w.objects[name] = nil
			return client.IgnoreNotFound(w.api.Delete(ctx, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}))
		},
		Confirm: func(context.Context, string) bool { return w.answers },
		Reached: func(step string) {
			w.passed = append(w.passed, step)
			if w.crashAt == step {
				w.crashAt = ""
				panic(killed{step})
			}
		},
	})
}

// run replaces blue by green; a kill is followed by another process.
func (w *world) run(wishes Wishes) (report *Report, err error) {
	defer func() {
		if died, ok := recover().(killed); ok {
			w.tell("KILLED in %s", died.step)
			report, err = w.run(wishes)
		}
	}()
	return w.replacer().Run(w.t.Context(), "blue", "green", wishes, progress.Discard)
}

// state is what must be the same however often the process died.
func (w *world) state() string {
	w.t.Helper()
	var lines []string
	var envs v1alpha1.EnvironmentList
	var clusters v1alpha1.ClusterList
	var migrations v1alpha1.MigrationList
	for _, list := range []client.ObjectList{&envs, &clusters, &migrations} {
		if err := w.api.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, env := range envs.Items {
		left := "nothing"
		if env.Status.Left != nil {
			left = env.Status.Left.Cluster
		}
		lines = append(lines, fmt.Sprintf("environment %s on %s, left: %s", env.Name, env.Status.Cluster, left))
	}
	for _, c := range clusters.Items {
		lines = append(lines, fmt.Sprintf("cluster %s: %s", c.Name, strings.Join(w.objects[c.Name], ", ")))
	}
	for _, m := range migrations.Items {
		lines = append(lines, fmt.Sprintf("migration %s: %s", m.Name, m.Status.Phase))
	}
	lines = append(lines, "schedules run on "+w.schedules)
	return strings.Join(lines, "\n")
}

// fakeSides are the two clusters of a world.
type fakeSides struct {
	*world
	from, to string
}

func (f *fakeSides) Same(context.Context) (bool, error) { return f.from == f.to, nil }

func (f *fakeSides) Preflight(_ context.Context, o preflight.Options) (*preflight.Report, error) {
	if f.blocker != "" && !slices.Contains(o.Skip, f.blocker) {
		return &preflight.Report{Answer: result.Fails, From: f.from, To: f.to, Findings: []preflight.Finding{{Check: f.blocker, Severity: preflight.Block, What: "it breaks", Remedy: "Mend it."}}}, nil
	}
	return &preflight.Report{Answer: result.Holds, From: f.from, To: f.to}, nil
}

func (f *fakeSides) Copy(_ context.Context, s transfer.Selection, e transfer.Execution, _ progress.Reporter) (Copied, error) {
	if len(s.Namespaces) > 0 {
		return Copied{Namespaces: s.Namespaces}, nil // nothing beside the environments
	}
	copied := Copied{Namespaces: []string{"tools"}}
	for _, o := range f.objects[f.from] {
		if slices.Contains(f.objects[f.to], o) {
			copied.There++
			continue
		}
		copied.Written++
		if !e.DryRun {
			f.tell("copied %s", o)
			f.objects[f.to] = append(f.objects[f.to], o)
		}
	}
	return copied, nil
}

func (f *fakeSides) Compare(_ context.Context, o parity.Options, _ progress.Reporter) (*parity.Report, error) {
	f.tell("compared %s", strings.Join(o.Namespaces, " and "))
	if f.differs != "" {
		return nil, errors.New(f.differs)
	}
	return &parity.Report{Answer: result.Holds}, nil
}

func (f *fakeSides) HandOver(context.Context, progress.Reporter) (int, error) {
	if f.schedules == f.to {
		return 0, nil
	}
	f.tell("schedules go from %s to %s", f.schedules, f.to)
	f.schedules = f.to
	return 1, nil
}
