package controller_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/controller"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// project is a team's namespace on a real API server, with the controllers
// running for it alone. Its components have no instances, so that no image is
// pulled: what is tested is what the API server has a say in.
type project struct {
	t      *testing.T
	name   string
	client client.Client
	pool   *kube.Pool
}

func TestMain(m *testing.M) {
	logger := logr.Discard()
	if os.Getenv("LANDFALL_TEST_LOG") != "" {
		logger = logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	os.Exit(m.Run())
}

func newProject(t *testing.T) *project {
	t.Helper()
	return newProjectWith(t, anyImage{})
}

func newProjectWith(t *testing.T, resolver version.Resolver) *project {
	t.Helper()
	restConfig := kubetest.Config(t)
	kubetest.InstallKinds(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	p := &project{t: t, name: kubetest.Namespace(t), client: c}
	p.create(&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: p.name}})
	t.Cleanup(func() {
		c.Delete(context.Background(), &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: p.name}})
	})
	p.serve(scheme, resolver)
	return p
}

// serve runs the controllers for the project until the test ends.
func (p *project) serve(scheme *runtime.Scheme, resolver version.Resolver) {
	skip := true
	manager, err := ctrl.NewManager(kubetest.Config(p.t), ctrl.Options{
		Scheme:     scheme,
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{p.name: {}}},
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: controllerconfig.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.pool = kube.NewPool(kube.PoolOptions{Reader: manager.GetClient(), Local: kubetest.Config(p.t)})
	err = controller.Setup(p.t.Context(), manager, controller.Options{
		Pool: p.pool, Resolver: resolver, Concurrency: 4, Registerer: prometheus.NewRegistry(),
		OpenStore: func(string) (store.Provisioner, error) { return nil, fmt.Errorf("no stores here") },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- manager.Start(ctx) }()
	p.t.Cleanup(func() {
		p.deleteEnvironments()
		stop()
		if err := <-stopped; err != nil {
			p.t.Error(err)
		}
		p.pool.Close()
	})
}

// anyImage finds every image but those tagged "missing".
type anyImage struct{}

func (anyImage) Image(_ context.Context, reference string) (environment.Image, error) {
	repository, tag, _ := strings.Cut(reference, ":")
	if tag == "missing" {
		return environment.Image{}, fault.New(fault.NotFound, "", "image %s does not exist", reference)
	}
	return environment.Image{Repository: repository, Version: tag, Digest: "sha256:" + fmt.Sprintf("%064x", tag)}, nil
}

func (anyImage) With(*pullsecret.Credentials) version.Resolver { return anyImage{} }

func (anyImage) Chart(context.Context, v1alpha1.Chart) (environment.Chart, error) {
	return environment.Chart{}, fmt.Errorf("no charts here")
}

func (p *project) create(o client.Object) {
	p.t.Helper()
	if err := p.client.Create(context.Background(), o); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.name, Name: name}
}

// blueprint of a shop without instances.
func (p *project) blueprint() {
	p.t.Helper()
	content := "color = blue\n"
	p.create(&v1alpha1.Blueprint{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.name, Name: "shop"},
		Spec: v1alpha1.BlueprintSpec{Components: []v1alpha1.Component{
			{
				Name: "web", Image: "shop/web:1", Scale: &v1alpha1.Scale{Min: 0},
				Ports: []v1alpha1.Port{{Name: "http", Port: 80}},
				Files: []v1alpha1.File{{Path: "/etc/shop.conf", Content: &content}},
			},
			{Name: "worker", Image: "shop/worker:1", Scale: &v1alpha1.Scale{Min: 0}},
		}},
	})
}

// environment creates one whose namespace nobody else uses.
func (p *project) environment(change func(*v1alpha1.Environment)) *v1alpha1.Environment {
	p.t.Helper()
	env := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.name, Name: "staging"},
		Spec:       v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: p.name, Namespace: p.name + "-staging"},
	}
	if change != nil {
		change(env)
	}
	p.create(env)
	return env
}

// edit changes the environment as a person would.
func (p *project) edit(change func(*v1alpha1.Environment)) {
	p.t.Helper()
	env := &v1alpha1.Environment{}
	if err := p.client.Get(p.t.Context(), p.key("staging"), env); err != nil {
		p.t.Fatal(err)
	}
	before := env.DeepCopy()
	change(env)
	if err := p.client.Patch(p.t.Context(), env, client.MergeFrom(before)); err != nil {
		p.t.Fatal(err)
	}
}

// settled waits until the environment has seen the newest edit and is in a
// phase, for a reason.
func (p *project) settled(phase v1alpha1.Phase, reason string) *v1alpha1.Environment {
	p.t.Helper()
	env := &v1alpha1.Environment{}
	eventually(p.t, fmt.Sprintf("environment to be %s for %s", phase, reason), func() error {
		if err := p.client.Get(p.t.Context(), p.key("staging"), env); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.ObservedGeneration != env.Generation || env.Status.Phase != phase || ready.Reason != reason {
			return fmt.Errorf("it is %s: %+v", env.Status.Phase, ready)
		}
		return nil
	})
	return env
}

// eventually waits until check succeeds.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	kubetest.Eventually(t, func() string {
		if err := check(); err != nil {
			return fmt.Sprintf("waiting for %s: %v", what, err)
		}
		return ""
	})
}

func (p *project) deployment(name string) *appsv1.Deployment {
	p.t.Helper()
	d := &appsv1.Deployment{}
	if err := p.client.Get(p.t.Context(), types.NamespacedName{Namespace: p.name + "-staging", Name: name}, d); err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *project) deleteEnvironments() {
	ctx := context.Background()
	if err := p.client.DeleteAllOf(ctx, &v1alpha1.Environment{}, client.InNamespace(p.name)); err != nil {
		p.t.Error(err)
	}
	eventually(p.t, "environments to be gone", func() error {
		var envs v1alpha1.EnvironmentList
		if err := p.client.List(ctx, &envs, client.InNamespace(p.name)); err != nil {
			return err
		}
		if len(envs.Items) > 0 {
			return fmt.Errorf("%d left: %+v", len(envs.Items), envs.Items[0].Status.Conditions)
		}
		return nil
	})
}

func TestDeployAndRollback(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.blueprint()
	p.environment(nil)
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
	first := p.deployment("web").Spec.Template.Spec

	p.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2"} })
	env := p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
	if env.Status.Release != "staging-2" || p.deployment("web").Spec.Template.Spec.Containers[0].Image == first.Containers[0].Image {
		t.Fatalf("release %s does not run version 2", env.Status.Release)
	}
	tamper(p)
	p.edit(func(env *v1alpha1.Environment) { env.Spec.RollbackTo = "staging-1" })
	env = p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)

	rel := &v1alpha1.Release{}
	if err := p.client.Get(t.Context(), p.key(env.Status.Release), rel); err != nil {
		t.Fatal(err)
	}
	if rel.Spec.Cause != v1alpha1.CauseRollback || rel.Status.Proof == nil || rel.Status.Proof.State != v1alpha1.DriftClean {
		t.Errorf("release %+v, proof %+v, want a proven rollback", rel.Spec, rel.Status.Proof)
	}
	after := p.deployment("web")
	if got := after.Spec.Template.Spec.Containers[0]; got.Image != first.Containers[0].Image || len(got.Env) != len(first.Containers[0].Env) {
		t.Errorf("runs %s with %v, want what release 1 ran", got.Image, got.Env)
	}
	if _, left := after.Labels["edited"]; left {
		t.Error("the label that somebody added is still there")
	}
}

// tamper edits the web as people do in a hurry.
func tamper(p *project) {
	p.t.Helper()
	d := p.deployment("web")
	d.Labels["edited"] = "yes"
	d.Spec.Template.Spec.Containers[0].Env = append(d.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "DEBUG", Value: "1"})
	if err := p.client.Update(p.t.Context(), d, client.FieldOwner("kubectl-edit")); err != nil {
		p.t.Fatal(err)
	}
}

func TestDriftIsSeenAndHealed(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.blueprint()
	p.environment(nil)
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
	tamper(p)
	drifted(p, v1alpha1.DriftDrifted)
	p.edit(func(env *v1alpha1.Environment) {
		env.Annotations = map[string]string{v1alpha1.AnnotationHealRequested: "now"}
	})
	drifted(p, v1alpha1.DriftClean)
	if _, left := p.deployment("web").Labels["edited"]; left {
		t.Error("healed, but the label that somebody added is still there")
	}
}

func drifted(p *project, want v1alpha1.DriftState) {
	p.t.Helper()
	eventually(p.t, "drift to be "+string(want), func() error {
		env := &v1alpha1.Environment{}
		if err := p.client.Get(p.t.Context(), p.key("staging"), env); err != nil {
			return err
		}
		if env.Status.Drift == nil || env.Status.Drift.State != want {
			return fmt.Errorf("it is %+v", env.Status.Drift)
		}
		return nil
	})
}

func TestWhatIsNotOursIsRefusedUntilAdopted(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.blueprint()
	p.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.name + "-staging"}})
	kubetest.RemoveNamespace(t, p.name+"-staging")
	p.environment(nil)
	env := p.settled(v1alpha1.PhaseFailed, v1alpha1.ReasonNotOwned)
	if message := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, p.name+"-staging") {
		t.Errorf("message %q does not name the namespace", message)
	}
	p.edit(func(env *v1alpha1.Environment) { env.Spec.Adopt = true })
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)

	p.deleteEnvironments()
	if err := p.client.Get(t.Context(), types.NamespacedName{Name: p.name + "-staging"}, &corev1.Namespace{}); err != nil {
		t.Errorf("the namespace that was there before: %v", err)
	}
	err := p.client.Get(t.Context(), types.NamespacedName{Namespace: p.name + "-staging", Name: "web"}, &appsv1.Deployment{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the environment's own deployment is still there: %v", err)
	}
}

func TestProblemsAreNamed(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.environment(nil)
	p.settled(v1alpha1.PhaseFailed, v1alpha1.ReasonBlueprintNotFound)
	p.blueprint()
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
	p.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "missing"} })
	env := p.settled(v1alpha1.PhaseFailed, v1alpha1.ReasonVersionNotResolved)
	if env.Status.Release != "staging-1" {
		t.Errorf("a version that does not exist made release %s", env.Status.Release)
	}
	p.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"nobody": "1"} })
	p.settled(v1alpha1.PhaseFailed, v1alpha1.ReasonInvalid)
	p.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = nil })
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
}

func TestExpiredIsDeleted(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.blueprint()
	p.environment(func(env *v1alpha1.Environment) { env.Spec.TTL = &metav1.Duration{Duration: 5 * time.Second} })
	eventually(t, "environment and its namespace to be gone", func() error {
		err := p.client.Get(t.Context(), types.NamespacedName{Name: p.name + "-staging"}, &corev1.Namespace{})
		if err == nil {
			return fmt.Errorf("the namespace is there")
		}
		if err := p.client.Get(t.Context(), p.key("staging"), &v1alpha1.Environment{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the environment is there: %w", err)
		}
		return client.IgnoreNotFound(err)
	})
}
