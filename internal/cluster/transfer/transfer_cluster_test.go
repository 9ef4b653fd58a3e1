package transfer

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// scene is a namespace of a real cluster that is transferred into another one of
// the same cluster: what differs between two clusters is tested end to end.
type scene struct {
	t        *testing.T
	c        client.Client
	cluster  *Cluster
	from, to string
}

func newScene(t *testing.T, objects string) scene {
	t.Helper()
	cluster, err := Connect("blue", kubetest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	s := scene{t: t, c: kubetest.Client(t, "kubectl"), cluster: cluster, from: kubetest.Namespace(t), to: kubetest.Name(t)}
	kubetest.RemoveNamespace(t, s.to)
	for _, u := range kubetest.Objects(t, objects) {
		u.SetNamespace(s.from)
		if err := s.c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s scene) plan() *Plan {
	s.t.Helper()
	p, err := Make(s.t.Context(), s.cluster, s.cluster, Selection{Namespaces: []string{s.from}}, Options{Namespaces: map[string]string{s.from: s.to}}, progress.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s scene) execute(e Execution) (*Result, error) {
	s.t.Helper()
	return s.plan().Execute(s.t.Context(), e, progress.Discard)
}

func (s scene) get(kind, version, name string) *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetKind(kind)
	u.SetAPIVersion(version)
	if err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: s.to, Name: name}, u); err != nil {
		s.t.Fatal(err)
	}
	return u
}

const shop = kubetest.Shop + `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {}}
`

func TestTransferAndAgain(t *testing.T) {
	s := newScene(t, shop)
	result, err := s.execute(Execution{})
	if err != nil {
		t.Fatalf("%v: %+v", err, result)
	}
	if price, _, _ := unstructured.NestedString(s.get("ConfigMap", "v1", "settings").Object, "data", "price"); price != "3" {
		t.Errorf("the price is %q", price)
	}
	if suspended, _, _ := unstructured.NestedBool(s.get("CronJob", "batch/v1", "nightly").Object, "spec", "suspend"); !suspended {
		t.Error("the CronJob runs on both sides")
	}
	if address, _, _ := unstructured.NestedString(s.get("Service", "v1", "web").Object, "spec", "clusterIP"); address == "" {
		t.Error("the Service got no address")
	}
	again := s.plan()
	for _, item := range again.Items {
		if item.Action != Unchanged && item.Action != Stay {
			t.Errorf("a second time: %s %s %s", item.Action, item.Key, item.Reason)
		}
	}
}

func TestTransferFollowsTheSource(t *testing.T) {
	s := newScene(t, shop)
	if _, err := s.execute(Execution{}); err != nil {
		t.Fatal(err)
	}
	source := &unstructured.Unstructured{}
	source.SetKind("ConfigMap")
	source.SetAPIVersion("v1")
	if err := s.c.Get(t.Context(), client.ObjectKey{Namespace: s.from, Name: "settings"}, source); err != nil {
		t.Fatal(err)
	}
	_ = unstructured.SetNestedField(source.Object, "4", "data", "price")
	if err := s.c.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	p := s.plan()
	if p.Count(Update) != 1 || p.Count(Create) != 0 {
		t.Errorf("%d updates and %d creations, want one update", p.Count(Update), p.Count(Create))
	}
	if _, err := p.Execute(t.Context(), Execution{}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if price, _, _ := unstructured.NestedString(s.get("ConfigMap", "v1", "settings").Object, "data", "price"); price != "4" {
		t.Errorf("the price is %q, want 4", price)
	}
}

// What somebody else has there is not overwritten unless told.
func TestTransferRefusesConflicts(t *testing.T) {
	s := newScene(t, shop)
	for _, text := range []string{
		"{apiVersion: v1, kind: Namespace, metadata: {name: " + s.to + "}}",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: " + s.to + "}, data: {price: '9'}}",
	} {
		if err := s.c.Create(t.Context(), kubetest.Object(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.execute(Execution{}); fault.ClassOf(err) != fault.Refused {
		t.Fatalf("got %v, want a refusal", err)
	}
	if price, _, _ := unstructured.NestedString(s.get("ConfigMap", "v1", "settings").Object, "data", "price"); price != "9" {
		t.Errorf("the price is %q: it was overwritten", price)
	}
	if _, err := s.execute(Execution{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if price, _, _ := unstructured.NestedString(s.get("ConfigMap", "v1", "settings").Object, "data", "price"); price != "3" {
		t.Errorf("the price is %q, want 3", price)
	}
}

// A conflict of Secrets says where they differ, and not what they hold.
func TestSecretsAreNotShown(t *testing.T) {
	s := newScene(t, "{apiVersion: v1, kind: Secret, metadata: {name: login}, stringData: {password: one-secret}}")
	for _, text := range []string{
		"{apiVersion: v1, kind: Namespace, metadata: {name: " + s.to + "}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: " + s.to + "}, stringData: {password: another}}",
	} {
		if err := s.c.Create(t.Context(), kubetest.Object(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, item := range s.plan().Items {
		if item.Action == Conflict && item.Key.Kind == secretKind {
			if item.Reason != "is there already, and differs: data.password" {
				t.Errorf("it %s", item.Reason)
			}
			return
		}
	}
	t.Error("there is no conflict")
}

// What the target refuses is named, and nothing else is written.
func TestARefusedObjectStopsAllWriting(t *testing.T) {
	s := newScene(t, shop)
	for _, text := range []string{
		"{apiVersion: v1, kind: Namespace, metadata: {name: " + s.to + "}}",
		"{apiVersion: v1, kind: ResourceQuota, metadata: {name: none, namespace: " + s.to + "}, spec: {hard: {count/cronjobs.batch: '0'}}}",
	} {
		if err := s.c.Create(t.Context(), kubetest.Object(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	kubetest.Eventually(t, func() string { // a quota counts once its status is there
		if used, _, _ := unstructured.NestedMap(s.get("ResourceQuota", "v1", "none").Object, "status", "hard"); len(used) == 0 {
			return "the quota is not in force"
		}
		return ""
	})
	result, err := s.execute(Execution{})
	if fault.ClassOf(err) != fault.Failed || result == nil {
		t.Fatalf("got %v, want a failure", err)
	}
	failed := result.Failed()
	if len(failed) != 1 || failed[0].Key.Name != "nightly" || !strings.Contains(failed[0].Reason, "exceeded quota") || result.Done() > 0 {
		t.Errorf("%d were written; failed: %+v", result.Done(), failed)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	s := newScene(t, shop)
	result, err := s.execute(Execution{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if result.Unchecked == 0 {
		t.Error("objects of a namespace that is not there count as checked")
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetKind("Namespace")
	namespace.SetAPIVersion("v1")
	if err := s.c.Get(t.Context(), client.ObjectKey{Name: s.to}, namespace); err == nil {
		t.Error("the namespace was made")
	}
}

// Owners have other UIDs in the target, and a transfer that was broken off in
// between still sets them.
func TestOwnersAreFound(t *testing.T) {
	s := newScene(t, shop)
	owner := &unstructured.Unstructured{}
	owner.SetKind("ConfigMap")
	owner.SetAPIVersion("v1")
	if err := s.c.Get(t.Context(), client.ObjectKey{Namespace: s.from, Name: "settings"}, owner); err != nil {
		t.Fatal(err)
	}
	owned := kubetest.Object(t, "{apiVersion: v1, kind: Secret, metadata: {name: derived, namespace: "+s.from+
		", ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: settings, uid: "+string(owner.GetUID())+"}]}}")
	if err := s.c.Create(t.Context(), owned); err != nil {
		t.Fatal(err)
	}
	if _, err := s.execute(Execution{}); err != nil {
		t.Fatal(err)
	}
	there := s.get("Secret", "v1", "derived")
	references := there.GetOwnerReferences()
	if len(references) != 1 || references[0].UID != s.get("ConfigMap", "v1", "settings").GetUID() {
		t.Fatalf("the owners are %+v", references)
	}
	if err := s.c.Get(t.Context(), client.ObjectKeyFromObject(owned), owned); err != nil {
		t.Fatal(err)
	}
	owned.SetLabels(map[string]string{"changed": "yes"})
	if err := s.c.Update(t.Context(), owned); err != nil {
		t.Fatal(err)
	}
	if _, err := s.execute(Execution{}); err != nil {
		t.Fatal(err)
	}
	there = s.get("Secret", "v1", "derived")
	if len(there.GetOwnerReferences()) != 1 || there.GetLabels()["changed"] != "yes" {
		t.Fatalf("after an update the owners are %+v, the labels %v", there.GetOwnerReferences(), there.GetLabels())
	}
	there.SetOwnerReferences(nil) // as if it had been broken off before
	if err := s.c.Update(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	if _, err := s.execute(Execution{}); err != nil {
		t.Fatal(err)
	}
	if references = s.get("Secret", "v1", "derived").GetOwnerReferences(); len(references) != 1 {
		t.Errorf("after a transfer that was broken off the owners are %+v", references)
	}
}

// An update leaves what the target's own control plane wrote: addresses, selectors
// of Jobs.
func TestAnUpdateKeepsWhatIsTheTargets(t *testing.T) {
	s := newScene(t, shop+`---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {suspend: true, parallelism: 1, template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a}]}}}
`)
	if _, err := s.execute(Execution{}); err != nil {
		t.Fatal(err)
	}
	address, _, _ := unstructured.NestedString(s.get("Service", "v1", "web").Object, "spec", "clusterIP")
	for kind, change := range map[string]func(*unstructured.Unstructured) error{
		"v1 Service web": func(u *unstructured.Unstructured) error {
			return unstructured.SetNestedField(u.Object, "ClientIP", "spec", "sessionAffinity")
		},
		"batch/v1 Job once": func(u *unstructured.Unstructured) error {
			return unstructured.SetNestedField(u.Object, int64(2), "spec", "parallelism")
		},
		"apps/v1 Deployment web": func(u *unstructured.Unstructured) error {
			return unstructured.SetNestedField(u.Object, int64(5), "spec", "minReadySeconds")
		},
	} {
		words := strings.Fields(kind)
		u := &unstructured.Unstructured{}
		u.SetAPIVersion(words[0])
		u.SetKind(words[1])
		if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			if err := s.c.Get(t.Context(), client.ObjectKey{Namespace: s.from, Name: words[2]}, u); err != nil {
				return err
			}
			if err := change(u); err != nil {
				return err
			}
			return s.c.Update(t.Context(), u)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if p := s.plan(); p.Count(Update) != 3 {
		t.Errorf("%d updates, want 3", p.Count(Update))
	}
	if result, err := s.execute(Execution{}); err != nil {
		t.Fatalf("%v\n%+v", err, result.Failed())
	}
	if now, _, _ := unstructured.NestedString(s.get("Service", "v1", "web").Object, "spec", "clusterIP"); now != address {
		t.Errorf("the address was %s and is %s", address, now)
	}
	if p := s.plan(); p.Writes() > 0 {
		t.Errorf("%d writes are left", p.Writes())
	}
}

func TestATransferOfManyObjects(t *testing.T) {
	s := newScene(t, "")
	for i := range 300 {
		u := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c"+time.Duration(i).String()+", namespace: "+s.from+"}, data: {a: b}}")
		if err := s.c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	result, err := s.execute(Execution{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objects in %s", len(result.Outcomes), result.Took)
}
