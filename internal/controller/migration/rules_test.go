package migration_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// plain is a migration that the API server takes, and nobody works on.
func plain(namespace string) *v1alpha1.Migration {
	return &v1alpha1.Migration{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"},
		Spec: v1alpha1.MigrationSpec{
			Hostname: "shop.example",
			Router:   v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"unix:///run/a.sock"}, Backend: "shop"}},
			From:     v1alpha1.MigrationSide{Name: "old", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"a"}}},
			To:       v1alpha1.MigrationSide{Name: "new", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"b"}}},
			Steps:    []v1alpha1.MigrationStep{{Weight: 10, Hold: metav1.Duration{Duration: time.Minute}}, {Weight: 100}},
			Guards:   []v1alpha1.MigrationGuard{{Name: "errors", Router: &v1alpha1.RouterGuard{MaxErrorRate: "1"}}},
		},
	}
}

func TestTheAPIServerRefusesWhatCannotBeRight(t *testing.T) {
	t.Parallel()
	c, namespace := project(t)
	for _, test := range []struct {
		name, want string
		change     func(*v1alpha1.MigrationSpec)
	}{
		{"no last step", "the last step is 100", func(s *v1alpha1.MigrationSpec) { s.Steps = s.Steps[:1] }},
		{"steps backwards", "the weights of steps go up", func(s *v1alpha1.MigrationSpec) {
			s.Steps = []v1alpha1.MigrationStep{{Weight: 50}, {Weight: 10}, {Weight: 100}}
		}},
		{"a weight twice", "the weights of steps go up", func(s *v1alpha1.MigrationSpec) {
			s.Steps = []v1alpha1.MigrationStep{{Weight: 50}, {Weight: 50}, {Weight: 100}}
		}},
		{"a hostile hostname", "spec.hostname", func(s *v1alpha1.MigrationSpec) { s.Hostname = "shop.example; set server" }},
		{"a hostile server", "servers", func(s *v1alpha1.MigrationSpec) { s.To.HAProxy.Servers = []string{"b weight 100\n"} }},
		{"two routers", "at most 1", func(s *v1alpha1.MigrationSpec) {
			s.Router.ALB = &v1alpha1.ALBRouter{RuleARN: "arn:aws:elasticloadbalancing:x"}
		}},
		{"sides of another router", "both sides need", func(s *v1alpha1.MigrationSpec) { s.To.HAProxy = nil }},
		{"one name for both sides", "different names", func(s *v1alpha1.MigrationSpec) { s.To.Name = "old" }},
		{"a guard of nothing", "a guard is exactly one of", func(s *v1alpha1.MigrationSpec) { s.Guards[0].Router = nil }},
		{"a guard of two things", "a guard is exactly one of", func(s *v1alpha1.MigrationSpec) {
			s.Guards[0].Checks = &v1alpha1.ChecksGuard{Baseline: "normal"}
		}},
		{"a metric without bounds", "give max, min or both", func(s *v1alpha1.MigrationSpec) {
			s.Guards[0] = v1alpha1.MigrationGuard{Name: "x", Prometheus: &v1alpha1.PrometheusGuard{URL: "http://p", Query: "up"}}
		}},
	} {
		m := plain(namespace)
		test.change(&m.Spec)
		err := c.Create(t.Context(), m)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if err == nil {
			_ = c.Delete(t.Context(), m)
		}
	}
}

func TestWhatIsUnderWayStaysAsItIs(t *testing.T) {
	t.Parallel()
	c, namespace := project(t)
	m := plain(namespace)
	if err := c.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	patched := func(what, refusal string, change func(*v1alpha1.Migration)) {
		t.Helper()
		before := m.DeepCopy()
		now := m.DeepCopy()
		change(now)
		err := c.Patch(t.Context(), now, client.MergeFrom(before))
		switch {
		case refusal == "" && err != nil:
			t.Errorf("%s is refused: %v", what, err)
		case refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal)):
			t.Errorf("%s: got %v, want %q", what, err, refusal)
		case err == nil:
			m = now
		}
	}
	const stays = "stay as they are while a migration runs"
	patched("a step less", stays, func(m *v1alpha1.Migration) { m.Spec.Steps = m.Spec.Steps[1:] })
	patched("another router", stays, func(m *v1alpha1.Migration) { m.Spec.Router.HAProxy.Backend = "other" })
	patched("no guards", stays, func(m *v1alpha1.Migration) { m.Spec.Guards = nil })
	patched("another interval", stays, func(m *v1alpha1.Migration) { m.Spec.Interval.Duration = time.Minute })
	patched("the same interval in other words", "", func(m *v1alpha1.Migration) { m.Spec.Interval.Duration = 5 * time.Second })
	patched("a contact", "", func(m *v1alpha1.Migration) { m.Spec.Contacts = []v1alpha1.MigrationContact{{Name: "Aiko"}} })
	patched("a word", "", func(m *v1alpha1.Migration) {
		migration.Say(m, traffic.Word{Verb: traffic.SayPause, By: "aiko", At: time.Now()})
	})
	patched("another word in its place", "what was said stays", func(m *v1alpha1.Migration) { m.Spec.Words[0].By = "somebody else" })
	patched("no words", "what was said stays", func(m *v1alpha1.Migration) { m.Spec.Words = nil })
	patched("a new attempt with other steps", "", func(m *v1alpha1.Migration) {
		m.Spec.Attempt, m.Spec.Steps = 2, []v1alpha1.MigrationStep{{Weight: 100}}
	})
	patched("the old attempt again", "an attempt cannot be taken back", func(m *v1alpha1.Migration) { m.Spec.Attempt = 1 })
	patched("old words gone", "", func(m *v1alpha1.Migration) { m.Spec.Words = nil })
}
