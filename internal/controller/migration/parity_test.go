package migration

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// twins are a namespace of the same name on two real clusters.
type twins struct {
	*testing.T
	configs   map[string]*rest.Config
	clients   map[string]client.Client
	namespace string
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	w := &twins{T: t, clients: map[string]client.Client{}, namespace: kubetest.Name(t), configs: map[string]*rest.Config{
		"blue": kubetest.Config(t), "green": kubetest.SecondConfig(t),
	}}
	for name, config := range w.configs {
		config.WarningHandler = rest.NoWarnings{}
		c, err := client.New(config, client.Options{Scheme: scheme.Scheme})
		if err != nil {
			t.Fatal(err)
		}
		w.clients[name] = c
		w.put(name, "{apiVersion: v1, kind: Namespace, metadata: {name: "+w.namespace+"}}")
		t.Cleanup(func() {
			_ = c.Delete(context.Background(), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+w.namespace+"}}"))
		})
	}
	return w
}

// put creates or replaces an object.
func (w *twins) put(cluster, text string) {
	w.Helper()
	u := kubetest.Object(w, text)
	if err := w.clients[cluster].Apply(w.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kubectl"), client.ForceOwnership); err != nil {
		w.Fatal(err)
	}
}

// price puts the settings.
func (w *twins) price(cluster, price string) {
	w.Helper()
	w.put(cluster, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: "+w.namespace+"}, data: {price: '"+price+"'}}")
}

func (w *twins) config(_ context.Context, cluster string) (*rest.Config, error) {
	return w.configs[cluster], nil
}

// guarded is a migration that two clusters must be equal for.
func (w *twins) guarded(name string) *v1alpha1.Migration {
	m := named(name)
	m.Spec.Steps = []v1alpha1.MigrationStep{{Weight: 10, Approval: true}, {Weight: 100}}
	m.Spec.Guards = []v1alpha1.MigrationGuard{{
		Name: "parity", Every: &metav1.Duration{Duration: 300 * time.Millisecond},
		Parity: &v1alpha1.ParityGuard{From: "blue", To: "green", Namespaces: []string{w.namespace}},
	}}
	return m
}

// says tells whether the migration's reason has the words.
func says(words string) func(*v1alpha1.Migration) bool {
	return func(m *v1alpha1.Migration) bool { return m != nil && strings.Contains(m.Status.Reason, words) }
}

// TestTheNewSideGetsNothingUntilItIsEqual: no weight above 0 while anything
// differs, on when it is repaired, and back when something differs in mid-shift.
func TestTheNewSideGetsNothingUntilItIsEqual(t *testing.T) {
	w := newTwins(t)
	w.price("blue", "3")
	w.price("green", "4")
	s := newScene(t, w.guarded("shop"))
	s.binder = &migration.Binder{Reader: s.api, Clock: time.Now, Parity: migration.NewComparer(w.config)}

	s.until("shop", "kept from raising", says(`data.price: "3" → "4"`))
	if weight := s.router.weight.Load(); weight != 0 {
		t.Fatalf("the new side gets %d %%", weight)
	}
	w.price("green", "3")
	s.until("shop", "raised", in(traffic.AwaitingApproval))
	if weight := s.router.weight.Load(); weight != 10 {
		t.Fatalf("the new side gets %d %%, want 10", weight)
	}
	w.price("green", "5")
	m := s.until("shop", "reverted", in(traffic.Reverted))
	if weight := s.router.weight.Load(); weight != 0 {
		t.Errorf("after the return the new side gets %d %%", weight)
	}
	if p, err := migration.Progress(m); err != nil || !strings.Contains(p.Cause, "price") {
		t.Errorf("the cause does not say what differs: %q, %v", p.Cause, err)
	}
}

// TestUnknownIsNotEqual: a cluster that cannot be asked keeps the weight at 0.
func TestUnknownIsNotEqual(t *testing.T) {
	w := newTwins(t)
	w.configs["green"] = &rest.Config{Host: "https://127.0.0.1:1"}
	s := newScene(t, w.guarded("shop"))
	s.binder = &migration.Binder{Reader: s.api, Clock: time.Now, Parity: migration.NewComparer(w.config)}
	s.until("shop", "kept from raising", says("guard parity is unknown"))
	if weight := s.router.weight.Load(); weight != 0 {
		t.Errorf("the new side gets %d %%", weight)
	}
}
