package migration

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// router is one in memory that obeys at once.
type router struct{ weight atomic.Int64 }

func (r *router) Describe() traffic.Description { return traffic.Description{Kind: "memory"} }

func (r *router) Prepare(context.Context, traffic.Fence) (traffic.Preparation, error) {
	return traffic.Preparation{Done: true}, nil
}

func (r *router) Read(context.Context) (traffic.State, error) {
	now := int(r.weight.Load())
	return traffic.State{Instances: []traffic.Instance{{Name: "memory", Old: 100 - now, New: now, Settled: true}}}, nil
}

func (r *router) Write(_ context.Context, w traffic.Weight, f traffic.Fence) error {
	if err := f.Check(); err != nil {
		return err
	}
	r.weight.Store(int64(w))
	return nil
}

func (r *router) Health(context.Context, traffic.Side) (traffic.Health, error) {
	return traffic.Health{}, nil
}

func (r *router) Finish(context.Context, traffic.Fence) error { return nil }

// scene is a reconciler that leads, over an API server in memory.
type scene struct {
	*testing.T
	*Reconciler
	api    client.Client
	router *router
	// unbound says why no router can be made.
	unbound error
	// binder makes guards; none without it.
	binder *migration.Binder
}

func (s *scene) Router(context.Context, *v1alpha1.Migration) (traffic.Router, error) {
	return s.router, s.unbound
}

func (s *scene) Guards(ctx context.Context, m *v1alpha1.Migration, router traffic.Router) ([]traffic.Guard, func()) {
	if s.binder == nil {
		return nil, func() {}
	}
	return s.binder.Guards(ctx, m, router)
}

func newScene(t *testing.T, objects ...client.Object) *scene {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &scene{T: t, router: &router{}}
	s.api = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Migration{}).WithObjects(objects...).Build()
	s.Reconciler = New(Options{
		Client: s.api, Live: s.api, Binder: s, Recorder: events.NewFakeRecorder(1000), Clock: time.Now,
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.runs.serve(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return s
}

// named is a migration that completes as soon as it may.
func named(name string) *v1alpha1.Migration {
	return &v1alpha1.Migration{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: 1},
		Spec: v1alpha1.MigrationSpec{
			Hostname: "shop.example", Attempt: 1, Interval: metav1.Duration{Duration: 100 * time.Millisecond},
			Router: v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"unix:///a"}, Backend: "shop"}},
			From:   v1alpha1.MigrationSide{Name: "old", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"a"}}},
			To:     v1alpha1.MigrationSide{Name: "new", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"b"}}},
			Steps:  []v1alpha1.MigrationStep{{Weight: 100}},
		},
	}
}

// until reconciles the migration as its changes would, until it is as wanted;
// nil stands for one that is gone.
func (s *scene) until(name, what string, wanted func(*v1alpha1.Migration) bool) *v1alpha1.Migration {
	s.Helper()
	key := client.ObjectKey{Namespace: "shop", Name: name}
	for range 200 {
		if _, err := s.Reconcile(s.Context(), ctrl.Request{NamespacedName: key}); err != nil && !apierrors.IsConflict(err) && !errors.Is(err, errNotLeading) && !strings.Contains(err.Error(), "object has been modified") {
			s.Fatal(err)
		}
		m := &v1alpha1.Migration{}
		err := s.api.Get(s.Context(), key, m)
		if apierrors.IsNotFound(err) {
			m = nil
		}
		if wanted(m) {
			return m
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.Fatalf("migration %s never was %s", name, what)
	return nil
}

func in(phase traffic.Phase) func(*v1alpha1.Migration) bool {
	return func(m *v1alpha1.Migration) bool { return m != nil && migration.Phase(m) == phase }
}

func gone(m *v1alpha1.Migration) bool { return m == nil }

func condition(kind, reason string) func(*v1alpha1.Migration) bool {
	return func(m *v1alpha1.Migration) bool {
		c := meta.FindStatusCondition(m.Status.Conditions, kind)
		return c != nil && c.Reason == reason
	}
}

func (s *scene) say(name string, verb traffic.Verb) {
	s.Helper()
	s.until(name, "told to "+string(verb), func(m *v1alpha1.Migration) bool {
		migration.Say(m, traffic.Word{Verb: verb, By: "aiko", At: time.Now()})
		return s.api.Update(s.Context(), m) == nil
	})
}

func (s *scene) delete(name string) {
	s.Helper()
	if err := s.api.Delete(s.Context(), named(name)); err != nil {
		s.Fatal(err)
	}
}

func TestAMigrationIsRunToItsEndAndLeavesEvidence(t *testing.T) {
	s := newScene(t, named("shop"))
	s.until("shop", "completed", in(traffic.Completed))
	s.say("shop", traffic.SayFinish)
	m := s.until("shop", "finished", in(traffic.Finished))
	if s.router.weight.Load() != 100 || m.Status.Weight != "100 %" || !condition(v1alpha1.ConditionReady, "Finished")(m) {
		t.Errorf("weight %d, status %+v", s.router.weight.Load(), m.Status)
	}
	s.until("shop", "recorded", func(m *v1alpha1.Migration) bool {
		return s.api.Get(s.Context(), client.ObjectKey{Namespace: "shop", Name: m.Status.Evidence}, &corev1.ConfigMap{}) == nil
	})
	if n := s.runs.count(); n != 0 {
		t.Errorf("%d are still worked on", n)
	}
}

func TestOneThatIsDeletedUnderWayReturnsFirst(t *testing.T) {
	m := named("shop")
	m.Spec.Steps = []v1alpha1.MigrationStep{{Weight: 50, Hold: metav1.Duration{Duration: time.Hour}}, {Weight: 100}}
	s := newScene(t, m)
	s.until("shop", "holding", in(traffic.Holding))
	s.delete("shop")
	s.until("shop", "gone", gone)
	if got := s.router.weight.Load(); got != 0 {
		t.Errorf("it is gone, and %d %% are on the new side", got)
	}
}

func TestOneThatIsCompletedIsNotDeletedUntilAPersonSaysWhichEnd(t *testing.T) {
	for verb, weight := range map[traffic.Verb]int64{traffic.SayFinish: 100, traffic.SayAbort: 0} {
		s := newScene(t, named("shop"))
		s.until("shop", "completed", in(traffic.Completed))
		s.delete("shop")
		for range 5 {
			s.until("shop", "kept", in(traffic.Completed))
		}
		s.say("shop", verb)
		s.until("shop", "gone", gone)
		if got := s.router.weight.Load(); got != weight {
			t.Errorf("after %s %d %% are on the new side, want %d", verb, got, weight)
		}
	}
}

func TestAbandonedGoesAtOnce(t *testing.T) {
	m := named("shop")
	m.Annotations = map[string]string{v1alpha1.AnnotationAbandon: "true"}
	s := newScene(t, m)
	s.until("shop", "completed", in(traffic.Completed))
	s.delete("shop")
	s.until("shop", "gone", gone)
	if got := s.router.weight.Load(); got != 100 {
		t.Errorf("the router was touched: %d %%", got)
	}
}

func TestTheLaterOfTwoOnOneRouterWaits(t *testing.T) {
	first, second := named("first"), named("second")
	first.UID, second.UID = "1", "2"
	first.CreationTimestamp, second.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour)), metav1.Now()
	s := newScene(t, first, second)
	m := s.until("second", "in conflict", condition(v1alpha1.ConditionStalled, v1alpha1.ReasonConflict))
	if !strings.Contains(m.Status.Reason, "shop/first") || m.Status.Journal != nil {
		t.Errorf("it says %q", m.Status.Reason)
	}
	s.until("first", "completed", in(traffic.Completed))
	s.until("second", "still in conflict", condition(v1alpha1.ConditionStalled, v1alpha1.ReasonConflict))
	s.say("first", traffic.SayFinish)
	s.until("first", "finished", in(traffic.Finished))
	s.router.weight.Store(0)
	s.until("second", "completed", in(traffic.Completed))
}

func TestWhatIsInvalidDoesNotBegin(t *testing.T) {
	m := named("shop")
	m.Spec.Steps = []v1alpha1.MigrationStep{{Weight: 50}, {Weight: 20}}
	s := newScene(t, m)
	s.until("shop", "refused", condition(v1alpha1.ConditionStalled, v1alpha1.ReasonInvalid))
	if n := s.runs.count(); n != 0 || s.router.weight.Load() != 0 {
		t.Error("it began")
	}
	s.delete("shop")
	s.until("shop", "gone", gone)
}

func TestARouterThatCannotBeMadeIsExplainedAndTriedAgain(t *testing.T) {
	s := newScene(t)
	s.unbound = errors.New("Secret keys does not exist")
	if err := s.api.Create(t.Context(), named("shop")); err != nil {
		t.Fatal(err)
	}
	s.until("shop", "explained", func(m *v1alpha1.Migration) bool {
		c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Reason == v1alpha1.ReasonCannotRun && strings.Contains(c.Message, "Secret keys")
	})
}
