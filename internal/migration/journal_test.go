package migration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456000, time.UTC)

// shop is a migration that nobody has worked on yet.
func shop() *v1alpha1.Migration {
	return &v1alpha1.Migration{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop", UID: "1", Generation: 1},
		Spec: v1alpha1.MigrationSpec{
			Hostname: "shop.example", Attempt: 1,
			Router: v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"unix:///run/a.sock"}, Backend: "shop"}},
			From:   v1alpha1.MigrationSide{Name: "ec2", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"a"}}},
			To:     v1alpha1.MigrationSide{Name: "kubernetes", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"b"}}},
			Steps:  []v1alpha1.MigrationStep{{Weight: 5}, {Weight: 100}},
			Guards: []v1alpha1.MigrationGuard{{Name: "errors", Router: &v1alpha1.RouterGuard{MaxErrorRate: "1"}}},
		},
	}
}

// api is an API server that may fail.
type api struct {
	client.WithWatch
	// afterUpdate may lose the answer of an update that happened.
	afterUpdate func() error
}

func newAPI(t *testing.T, objects ...client.Object) *api {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	a := &api{afterUpdate: func() error { return nil }}
	a.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Migration{}).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
				if err := c.SubResource(sub).Update(ctx, o, opts...); err != nil {
					return err
				}
				return a.afterUpdate()
			},
		}).Build()
	return a
}

func (a *api) migration(t *testing.T) *v1alpha1.Migration {
	t.Helper()
	m := &v1alpha1.Migration{}
	if err := a.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop"}, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (a *api) journal(t *testing.T, worker string) (*Journal, traffic.Progress) {
	t.Helper()
	j := NewJournal(a, a, a.migration(t), worker)
	p, err := j.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return j, p.TakeOver()
}

func save(t *testing.T, j *Journal, p traffic.Progress) {
	t.Helper()
	if err := j.Save(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherProcessGoesOnWhereTheFirstStopped(t *testing.T) {
	a := newAPI(t, shop())
	first, p := a.journal(t, "first")
	p.Phase, p.Wanted, p.WantedAt, p.HeldFor, p.Reason = traffic.Holding, 5, noon, 3*time.Second, "holding 5 %"
	p.Guards = map[string]traffic.GuardProgress{"errors": {Last: traffic.Reading{Guard: "errors", At: noon, Answer: result.Fails, Value: "3 %"}, Bad: 2}}
	save(t, first, p)
	read, err := Progress(a.migration(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, read); diff != "" {
		t.Errorf("the journal changed on its way (-written +read):\n%s", diff)
	}
	status := a.migration(t).Status
	if status.Phase != v1alpha1.MigrationHolding || status.Progress != "1 of 2" || status.Guards[0].Answer != v1alpha1.AnswerFails {
		t.Errorf("people read %+v", status)
	}

	second, theirs := a.journal(t, "second")
	save(t, second, theirs)
	if err := first.Save(t.Context(), p); !errors.Is(err, traffic.ErrTakenOver) {
		t.Errorf("the first process may still write: %v", err)
	}
	if err := first.Confirm(t.Context()); !errors.Is(err, traffic.ErrTakenOver) {
		t.Errorf("the first process is told that it is still its own: %v", err)
	}
	save(t, second, theirs)
}

// Two processes that read the same journal cannot both have it, though they
// would have the same epoch.
func TestOnlyOneTakesOver(t *testing.T) {
	a := newAPI(t, shop())
	first, p := a.journal(t, "first")
	second, q := a.journal(t, "second")
	save(t, first, p)
	if err := second.Save(t.Context(), q); !errors.Is(err, traffic.ErrTakenOver) {
		t.Errorf("both took over: %v", err)
	}
}

func TestWordsInBetweenAreHeardAndNoConflict(t *testing.T) {
	a := newAPI(t, shop())
	j, p := a.journal(t, "first")
	save(t, j, p)
	m := a.migration(t)
	Say(m, traffic.Word{Verb: traffic.SayPause, By: "aiko", At: noon, Why: "lunch"})
	if err := a.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	save(t, j, p)
	stale := shop()
	stale.UID = m.UID
	j.Observe(a.migration(t))
	j.Observe(stale) // comes late
	words, err := j.Words(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []traffic.Word{{Serial: 1, Verb: traffic.SayPause, Step: 0, By: "aiko", At: noon.Truncate(time.Second), Why: "lunch"}}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Error(diff)
	}
	if words, _ := j.Words(t.Context(), 1); len(words) > 0 {
		t.Errorf("heard again: %v", words)
	}
}

func TestASaveWhoseAnswerWasLostIsNobodyElses(t *testing.T) {
	a := newAPI(t, shop())
	j, p := a.journal(t, "first")
	save(t, j, p)
	a.afterUpdate = func() error { return errors.New("connection reset") }
	p.Phase = traffic.Preparing
	if err := j.Save(t.Context(), p); err == nil || errors.Is(err, traffic.ErrTakenOver) {
		t.Fatalf("got %v", err)
	}
	a.afterUpdate = func() error { return nil }
	p.Phase = traffic.Shifting
	save(t, j, p)
	if got := a.migration(t).Status.Phase; got != v1alpha1.MigrationShifting {
		t.Errorf("it says %s", got)
	}
}

func TestANewAttemptStartsAnewAndEndsTheOldOne(t *testing.T) {
	a := newAPI(t, shop())
	j, p := a.journal(t, "first")
	p.Phase, p.HeardWords = traffic.Reverted, 1
	save(t, j, p)
	m := a.migration(t)
	Say(m, traffic.Word{Verb: traffic.SayAbort, By: "aiko", At: noon})
	m.Spec.Attempt = 2
	if err := a.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := j.Save(t.Context(), p); !errors.Is(err, traffic.ErrTakenOver) {
		t.Errorf("the old attempt goes on: %v", err)
	}
	again, fresh := a.journal(t, "second")
	if fresh.Phase != "" || fresh.Epoch <= p.Epoch {
		t.Errorf("the new attempt begins with %+v", fresh)
	}
	if words, _ := again.Words(t.Context(), 0); len(words) > 0 {
		t.Errorf("it hears the old one's words: %v", words)
	}
}

func TestADeletedMigrationIsNotOurs(t *testing.T) {
	a := newAPI(t, shop())
	j, p := a.journal(t, "first")
	if err := a.Delete(t.Context(), a.migration(t)); err != nil {
		t.Fatal(err)
	}
	if err := j.Save(t.Context(), p); !errors.Is(err, traffic.ErrTakenOver) {
		t.Errorf("got %v", err)
	}
}
