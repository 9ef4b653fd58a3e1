package hostname

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/cluster/hostname/route53"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
)

// world is a management cluster with cluster blue, whose hostnames are in a
// public zone, a private one of the same name, and one for production.
type world struct {
	*Reconciler
	t                   *testing.T
	aws                 *awstest.AWS
	public, inside, own string
	now                 time.Time
}

func newWorld(t *testing.T, wildcard bool, envs ...*v1alpha1.Environment) *world {
	t.Helper()
	w := &world{t: t, aws: awstest.Start(t, awstest.Options{}), now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	w.public, w.inside, w.own = w.aws.DNS.CreateZone("example.org"), w.aws.DNS.CreateZone("example.org"), w.aws.DNS.CreateZone("live.example.org")
	blue := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "blue"}}
	blue.Spec.Routing = &v1alpha1.Routing{Domain: "example.org", IngressClassName: "nginx", DNS: &v1alpha1.DNS{
		Wildcard: wildcard, TTL: metav1.Duration{Duration: time.Minute},
		Zones: []v1alpha1.HostedZone{
			{HostedZoneID: w.public, Alias: &v1alpha1.Route53Alias{DNSName: "lb.elb.amazonaws.com.", HostedZoneID: "ZELB"}},
			{HostedZoneID: w.inside, Records: []string{"10.0.0.1"}},
			{HostedZoneID: w.own, Records: []string{"192.0.2.1"}},
		},
	}}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{blue}
	for _, env := range envs {
		objects = append(objects, env)
	}
	account := route53.New(w.aws.Config(), awsaccount.Explain)
	w.Reconciler = New(Options{
		Client:   fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Environment{}).Build(),
		Open:     func(context.Context, string) (hostname.Client, error) { return account, nil },
		Recorder: events.NewFakeRecorder(100), Clock: func() time.Time { return w.now },
	})
	return w
}

func environment(name string, urls ...string) *v1alpha1.Environment {
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	env.Status.Cluster = "blue"
	for _, u := range urls {
		component, _, _ := strings.Cut(strings.TrimPrefix(u, "http://"), ".")
		env.Status.URLs = append(env.Status.URLs, v1alpha1.URL{Component: component, URL: u})
	}
	return env
}

// look reconciles when it is time again.
func (w *world) look() error {
	w.t.Helper()
	w.now = w.now.Add(gather)
	_, err := w.Reconcile(w.t.Context(), ctrl.Request{})
	return err
}

func (w *world) has(zone, name string) bool { return len(w.aws.DNS.Sets(zone, name)) > 0 }

func (w *world) condition(name string) metav1.Condition {
	w.t.Helper()
	env := &v1alpha1.Environment{}
	if err := w.Client.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, env); err != nil {
		w.t.Fatal(err)
	}
	c := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ConditionHostnames)
	if c == nil {
		return metav1.Condition{}
	}
	return *c
}

// TestLifeOfHostnames: they come with an environment into the zones that they
// belong in, and go with it.
func TestLifeOfHostnames(t *testing.T) {
	staging := environment("staging", "http://web.staging.example.org:8080")
	staging.Spec.Aliases = []string{"www.staging.example.org"}
	w := newWorld(t, false, staging, environment("prod", "https://web.prod.live.example.org", "https://api.prod.live.example.org"))
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	for _, zone := range []string{w.public, w.inside} {
		for _, name := range []string{"web.staging.example.org", "staging.example.org", "www.staging.example.org"} {
			if !w.has(zone, name) {
				t.Errorf("zone %s has no %s", zone, name)
			}
		}
		if w.has(zone, "web.prod.live.example.org") {
			t.Error("a hostname is in the zone with the shorter name, too")
		}
	}
	if !w.has(w.own, "web.prod.live.example.org") || !w.has(w.own, "api.prod.live.example.org") || w.has(w.own, "prod.live.example.org") {
		t.Errorf("production has %v", w.aws.DNS.All(w.own))
	}
	if c := w.condition("staging"); c.Status != metav1.ConditionTrue {
		t.Errorf("the condition is %+v", c)
	}
	changes := w.aws.Requests("ChangeResourceRecordSets")
	if err := w.look(); err != nil || w.aws.Requests("ChangeResourceRecordSets") != changes {
		t.Errorf("a look that finds nothing changes something (%v)", err)
	}
	if err := w.Client.Delete(t.Context(), staging); err != nil {
		t.Fatal(err)
	}
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	if left := w.aws.DNS.All(w.public); len(left) > 0 || !w.has(w.own, "web.prod.live.example.org") {
		t.Errorf("left: %v", left)
	}
}

func TestLooksAreGathered(t *testing.T) {
	w := newWorld(t, false)
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	reads := w.aws.Requests("ListResourceRecordSets")
	if result, err := w.Reconcile(t.Context(), ctrl.Request{}); err != nil || result.RequeueAfter != gather || w.aws.Requests("ListResourceRecordSets") != reads {
		t.Errorf("the next look comes at once: %+v, %v", result, err)
	}
}

func TestExpiringEnvironmentsShareAWildcard(t *testing.T) {
	preview := environment("pr-1", "http://web.pr-1.example.org")
	preview.Spec.TTL = &metav1.Duration{Duration: time.Hour}
	w := newWorld(t, true, preview, environment("staging", "http://web.staging.example.org"))
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	if !w.has(w.public, "*.example.org") || w.has(w.public, "web.pr-1.example.org") || !w.has(w.public, "web.staging.example.org") {
		t.Errorf("the zone has %v", w.aws.DNS.All(w.public))
	}
}

// TestErrorsTakeNothingAway: a zone that cannot be read is left alone, and so
// are those that depend on it.
func TestErrorsTakeNothingAway(t *testing.T) {
	staging := environment("staging", "http://web.staging.example.org")
	w := newWorld(t, false, staging)
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Delete(t.Context(), staging); err != nil {
		t.Fatal(err)
	}
	other := environment("other", "http://web.other.example.org")
	if err := w.Client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	before := len(w.aws.DNS.All(w.public))
	w.aws.Deny()
	if err := w.look(); err == nil {
		t.Error("a zone that cannot be read is no error")
	}
	if c := w.condition("other"); c.Status != metav1.ConditionUnknown || strings.Contains(c.Message, "RequestID") {
		t.Errorf("the condition is %+v", c)
	}
	w.aws.Restore()
	if after := len(w.aws.DNS.All(w.public)); after != before {
		t.Errorf("%d records became %d", before, after)
	}
}

func TestRecordsOfOthersAreNamed(t *testing.T) {
	w := newWorld(t, false, environment("staging", "http://web.staging.example.org"))
	w.aws.DNS.Simple(w.public, "web.staging.example.org", "A", 60, "203.0.113.1")
	w.aws.DNS.Simple(w.public, "a-web.staging.example.org", "TXT", 300, `"heritage=external-dns,external-dns/owner=edns,external-dns/resource=ingress/shop/web"`)
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	if c := w.condition("staging"); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "it belongs to edns (ingress/shop/web)") {
		t.Errorf("the condition is %+v", c)
	}
	if got := w.aws.DNS.Sets(w.public, "web.staging.example.org")[0].Values()[0]; got != "203.0.113.1" || !w.has(w.inside, "web.staging.example.org") {
		t.Errorf("it leads to %s", got)
	}
}

// TestMovesAreLeftToMigrations: an environment on two clusters keeps its records
// until the move is finished.
func TestMovesAreLeftToMigrations(t *testing.T) {
	staging := environment("staging", "http://web.staging.example.org")
	w := newWorld(t, false, staging)
	if err := w.look(); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Get(t.Context(), client.ObjectKeyFromObject(staging), staging); err != nil {
		t.Fatal(err)
	}
	staging.Status.Cluster, staging.Status.Left = "green", &v1alpha1.LeftBehind{Cluster: "blue", Namespace: "staging"}
	if err := w.Client.Status().Update(t.Context(), staging); err != nil {
		t.Fatal(err)
	}
	if err := w.look(); err != nil || !w.has(w.public, "web.staging.example.org") {
		t.Errorf("its hostname is gone (%v)", err)
	}
	staging.Status.Left = nil
	if err := w.Client.Status().Update(t.Context(), staging); err != nil {
		t.Fatal(err)
	}
	if err := w.look(); err != nil || w.has(w.public, "web.staging.example.org") {
		t.Errorf("its hostname on the old cluster is still there (%v)", err)
	}
}
