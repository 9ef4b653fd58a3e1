package baseline

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube"
)

// world is a project with one environment whose component web answers.
type world struct {
	t *testing.T
	client.Client
	*Reconciler
	now     time.Time
	broken  bool // orders do not work
	visits  int
	visitor string // the host that was asked for last
}

const checks = `{"version": "landfall.dev/checks/v1", "secrets": {"token": {"env": "TOKEN"}}, "checks": [
	{"name": "home", "request": "GET /"},
	{"name": "orders", "request": {"path": "/orders", "headers": {"Authorization": "${token}"}}}]}`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(http.HandlerFunc(w.answer))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-of-" + name), Generation: 1}
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w.Client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Environment{}).WithObjects(
		&v1alpha1.Blueprint{ObjectMeta: meta("shop"), Spec: v1alpha1.BlueprintSpec{Baseline: "normal"}},
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}},
		&v1alpha1.Baseline{ObjectMeta: meta("normal"), Spec: v1alpha1.BaselineSpec{
			Checks:     &runtime.RawExtension{Raw: []byte(checks)},
			Objectives: []v1alpha1.Objective{{Name: "available", Target: "90", Window: metav1.Duration{Duration: time.Hour}}},
			SecretName: "tokens",
		}},
		&corev1.Secret{ObjectMeta: meta("tokens"), Data: map[string][]byte{"TOKEN": []byte("hunter2")}},
		&v1alpha1.Environment{
			ObjectMeta: meta("staging"), Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local"},
			Status: v1alpha1.EnvironmentStatus{
				Phase: v1alpha1.PhaseReady, Release: "staging-1", Namespace: "staging",
				URLs: []v1alpha1.URL{{Component: "web", URL: "http://web.staging.localhost:8080"}},
			},
		},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "staging", Name: "web"},
			Spec:       corev1.ServiceSpec{ClusterIP: "127.0.0.1", Ports: []corev1.ServicePort{{Name: "http", Port: int32(number)}}},
		},
	).Build()
	w.Reconciler = New(Options{
		Client: w.Client, Clock: func() time.Time { return w.now },
		Target: func(context.Context, string) (*kube.Target, error) { return &kube.Target{Client: w.Client}, nil },
	})
	return w
}

func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	w.visits++
	w.visitor = r.Host
	switch {
	case r.URL.Path != "/orders":
	case r.Header.Get("Authorization") != "hunter2":
		rw.WriteHeader(http.StatusUnauthorized)
	case w.broken:
		http.Error(rw, "broken, said hunter2", http.StatusInternalServerError)
	}
}

// looks reconciles and gives what is known then.
func (w *world) looks() (*v1alpha1.BaselineStatus, time.Duration) {
	w.t.Helper()
	result, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "staging"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.env().Status.Baseline, result.RequeueAfter
}

func (w *world) env() *v1alpha1.Environment {
	w.t.Helper()
	env := &v1alpha1.Environment{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: "staging"}, env); err != nil {
		w.t.Fatal(err)
	}
	return env
}

func (w *world) phase(phase v1alpha1.Phase) {
	w.t.Helper()
	env := w.env()
	env.Status.Phase = phase
	if err := w.Status().Update(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnEnvironmentShowsWhetherItsBaselineHolds(t *testing.T) {
	w := newWorld(t)
	status, again := w.looks()
	if status == nil || status.Answer != v1alpha1.AnswerHolds || status.Parts[0].Holds != 2 || again != time.Minute {
		t.Fatalf("%+v, again in %s", status, again)
	}
	if w.visitor != "web.staging.localhost:8080" {
		t.Errorf("it asked for %s", w.visitor)
	}

	w.broken = true
	if status, again = w.looks(); status.Answer != v1alpha1.AnswerHolds || w.visits != 2 || again != time.Minute {
		t.Errorf("before it is time: %+v after %d visits", status, w.visits)
	}
	w.now = w.now.Add(time.Minute)
	status, _ = w.looks()
	if status.Answer != v1alpha1.AnswerFails || len(status.Findings) != 1 || !strings.HasPrefix(status.Findings[0].Name, "orders") {
		t.Errorf("with broken orders: %+v", status)
	}
	if text := fmt.Sprint(status.Findings); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is shown: %s", text)
	}
	if o := status.Objectives[0]; o.Good != 3 || o.Total != 4 || o.Answer != v1alpha1.AnswerFails {
		t.Errorf("objective: %+v", o)
	}
}

func TestWhatCannotBeLookedAtIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.looks()
	w.phase(v1alpha1.PhaseDeploying)
	w.now = w.now.Add(time.Hour)
	if status, again := w.looks(); status.Answer != v1alpha1.AnswerHolds || again != settleFor {
		t.Errorf("while deploying it keeps what it knew: %+v", status)
	}
	w.phase(v1alpha1.PhaseAsleep)
	if status, again := w.looks(); status.Answer != v1alpha1.AnswerUnknown || status.Reason != "the environment is asleep" || again != 0 || status.Objectives[0].Total != 2 {
		t.Errorf("asleep: %+v", status)
	}
	w.phase(v1alpha1.PhaseReady)
	if status, _ := w.looks(); status.Answer != v1alpha1.AnswerHolds {
		t.Errorf("awake again: %+v", status)
	}
	if err := w.Delete(t.Context(), &v1alpha1.Baseline{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "normal"}}); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.looks(); status.Answer != v1alpha1.AnswerUnknown || !strings.Contains(status.Reason, "does not exist") {
		t.Errorf("without the baseline: %+v", status)
	}
}

func TestWithoutABaselineNothingIsShown(t *testing.T) {
	w := newWorld(t)
	w.looks()
	bp := &v1alpha1.Blueprint{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop"}, bp); err != nil {
		t.Fatal(err)
	}
	bp.Spec.Baseline = ""
	if err := w.Update(t.Context(), bp); err != nil {
		t.Fatal(err)
	}
	if status, again := w.looks(); status != nil || again != 0 {
		t.Errorf("%+v, again in %s", status, again)
	}
}
