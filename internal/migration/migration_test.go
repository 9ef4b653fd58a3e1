package migration

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

func TestDefinition(t *testing.T) {
	m := shop()
	m.Spec.OnFailure, m.Spec.OnForeignChange = "pause", "restore"
	m.Spec.Interval = metav1.Duration{Duration: time.Second}
	m.Spec.DeadMan = &metav1.Duration{Duration: time.Minute}
	m.Spec.Steps = []v1alpha1.MigrationStep{{Weight: 5, Hold: metav1.Duration{Duration: time.Minute}, Approval: true}, {Weight: 100}}
	m.Spec.Guards[0].UnknownFor = &metav1.Duration{Duration: -1}
	m.Spec.Contacts = []v1alpha1.MigrationContact{{Name: "Aiko", Role: "operator", Address: "#ops"}}
	want := traffic.Definition{
		Name: "shop", Hostname: "shop.example", From: traffic.Backend{Name: "ec2"}, To: traffic.Backend{Name: "kubernetes"},
		Steps:     []traffic.Step{{Weight: 5, Hold: time.Minute, Approval: true}, {Weight: 100}},
		Guards:    []traffic.GuardRule{{Name: "errors", Failures: 1, Idle: true, UnknownFor: -1}},
		OnFailure: traffic.Pause, OnForeignChange: traffic.Restore, Interval: time.Second, DeadMan: time.Minute,
		Contacts: []traffic.Contact{{Name: "Aiko", Role: "operator", Address: "#ops"}},
	}
	if diff := cmp.Diff(want, Definition(m)); diff != "" {
		t.Error(diff)
	}
	if err := Definition(m).Validate(); err != nil {
		t.Error(err)
	}
}

func TestConflict(t *testing.T) {
	begun := func(m *v1alpha1.Migration, phase traffic.Phase) {
		if err := SetProgress(m, traffic.Progress{Phase: phase}, "me"); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name     string
		other    func(*v1alpha1.Migration)
		conflict bool
	}{
		{"is the same", func(o *v1alpha1.Migration) { o.UID = "1"; begun(o, traffic.Holding) }, false},
		{"is under way", func(o *v1alpha1.Migration) { begun(o, traffic.Holding) }, true},
		{"keeps its way back", func(o *v1alpha1.Migration) { begun(o, traffic.Completed) }, true},
		{"was let go", func(o *v1alpha1.Migration) { begun(o, traffic.Finished) }, false},
		{"is at another backend", func(o *v1alpha1.Migration) { begun(o, traffic.Holding); o.Spec.Router.HAProxy.Backend = "api" }, false},
		{"is older and has not begun", func(o *v1alpha1.Migration) { o.CreationTimestamp = metav1.NewTime(noon) }, true},
		{"is younger and has not begun", func(o *v1alpha1.Migration) { o.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) }, false},
	} {
		m, other := shop(), shop()
		m.CreationTimestamp = metav1.NewTime(noon.Add(time.Minute))
		other.UID = "2"
		test.other(other)
		if got := Conflict(m, other); (got != "") != test.conflict {
			t.Errorf("the other one %s: conflict %q", test.name, got)
		}
	}
}

func TestWeight(t *testing.T) {
	for want, instances := range map[string][]traffic.Instance{
		"unknown": {{Old: 0, New: 0}},
		"25 %":    {{Old: 75, New: 25}, {Old: 3, New: 1}},
		"0–25 %":  {{Old: 75, New: 25}, {Old: 100}},
	} {
		if got := Weight(traffic.State{Instances: instances}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	half := []traffic.Instance{{Old: 100}, {Err: http.ErrServerClosed}}
	if got := Weight(traffic.State{Instances: half}); got != "unknown" {
		t.Errorf("half an answer is %s", got)
	}
}

// sides is a binder over an API server with a baseline of checks, and a side
// that answers for a hostname.
func sides(t *testing.T, objects ...*v1alpha1.Environment) (Binder, *v1alpha1.Migration, *bool) {
	t.Helper()
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken || r.Host != "shop.example" {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.Close)
	m := shop()
	m.Spec.To.URL = server.URL
	a := newAPI(t, m)
	for _, o := range objects {
		if err := a.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return Binder{Reader: a, Clock: time.Now}, m, &broken
}

func normal() *v1alpha1.Baseline {
	return &v1alpha1.Baseline{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "normal"},
		Spec: v1alpha1.BaselineSpec{Checks: &runtime.RawExtension{
			Raw: []byte(`{"version": "landfall.dev/checks/v1", "checks": [{"name": "home", "request": {"path": "/"}}]}`),
		}},
	}
}

func guardOf(t *testing.T, b Binder, m *v1alpha1.Migration, spec v1alpha1.MigrationGuard) traffic.Guard {
	t.Helper()
	spec.Name = "it"
	m.Spec.Guards = []v1alpha1.MigrationGuard{spec}
	guards, done := b.Guards(t.Context(), m, nil)
	t.Cleanup(done)
	return guards[0]
}

func TestChecksAskASideByTheMigrationsName(t *testing.T) {
	b, m, broken := sides(t)
	g := guardOf(t, b, m, v1alpha1.MigrationGuard{Checks: &v1alpha1.ChecksGuard{Baseline: "normal"}})
	if got := g.Read(t.Context(), noon); got.Answer != result.Unknown || !strings.Contains(got.Reason, "baseline normal does not exist") {
		t.Errorf("without the baseline: %+v", got)
	}
	if err := b.Reader.(*api).Create(t.Context(), normal()); err != nil {
		t.Fatal(err)
	}
	if got := g.Read(t.Context(), noon.Add(makeEvery)); got.Answer != result.Holds {
		t.Errorf("with the baseline: %+v", got)
	}
	*broken = true
	if got := g.Read(t.Context(), noon.Add(2*makeEvery)); got.Answer != result.Fails || got.FirstBad.IsZero() {
		t.Errorf("with a broken side: %+v", got)
	}
}

func TestABudgetIsOneThatIsKnownAndLeft(t *testing.T) {
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "prod"}}
	env.Status.Baseline = &v1alpha1.BaselineStatus{
		Name: "normal", CheckedAt: &metav1.Time{Time: noon},
		Objectives: []v1alpha1.ObjectiveStatus{{Name: "available", BudgetLeft: "12.5"}},
	}
	b, m, _ := sides(t, env)
	for _, test := range []struct {
		spec v1alpha1.ObjectiveGuard
		at   time.Time
		want result.Answer
	}{
		{v1alpha1.ObjectiveGuard{Environment: "prod", Objective: "available"}, noon, result.Holds},
		{v1alpha1.ObjectiveGuard{Environment: "prod", Objective: "available", MinBudgetLeft: "50"}, noon, result.Fails},
		{v1alpha1.ObjectiveGuard{Environment: "prod", Objective: "fast"}, noon, result.Unknown},
		{v1alpha1.ObjectiveGuard{Environment: "gone", Objective: "available"}, noon, result.Unknown},
		{v1alpha1.ObjectiveGuard{Environment: "prod", Objective: "available"}, noon.Add(time.Hour), result.Unknown},
	} {
		g := guardOf(t, b, m, v1alpha1.MigrationGuard{Objective: &test.spec})
		if got := g.Read(t.Context(), test.at); got.Answer != test.want {
			t.Errorf("%+v at %s: %+v, want %s", test.spec, test.at, got, test.want)
		}
	}
}
