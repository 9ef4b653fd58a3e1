package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// sides are two real clusters.
type sides struct {
	*testing.T
	blue, green client.Client
	from, to    *transfer.Cluster
}

func newSides(t *testing.T) *sides {
	t.Helper()
	s := &sides{T: t}
	s.blue, s.from = connect(t, "blue", kubetest.Config(t))
	s.green, s.to = connect(t, "green", kubetest.SecondConfig(t))
	return s
}

func connect(t *testing.T, name string, config *rest.Config) (client.Client, *transfer.Cluster) {
	t.Helper()
	config.WarningHandler = rest.NoWarnings{}
	c, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := transfer.Connect(name, config)
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldOwner(c, "kubectl"), cluster
}

// scene is a namespace of one cluster that was transferred to the other.
type scene struct {
	*sides
	namespace, here string
}

func newScene(t *testing.T, objects string) *scene {
	t.Helper()
	s := &scene{sides: newSides(t), namespace: kubetest.Name(t)}
	s.here = s.namespace + "-there"
	t.Cleanup(func() {
		for name, c := range map[string]client.Client{s.namespace: s.blue, s.here: s.green} {
			_ = c.Delete(context.Background(), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}"))
		}
	})
	s.create("{apiVersion: v1, kind: Namespace, metadata: {name: " + s.namespace + "}}\n---\n" + objects)
	s.transfer()
	return s
}

func (s *scene) create(objects string) {
	s.Helper()
	for _, u := range kubetest.Objects(s, objects) {
		if u.GetKind() != "Namespace" {
			u.SetNamespace(s.namespace)
		}
		if err := s.blue.Create(s.Context(), u); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *scene) rename() map[string]string { return map[string]string{s.namespace: s.here} }

func (s *scene) transfer() {
	s.Helper()
	p, err := transfer.Make(s.Context(), s.from, s.to, transfer.Selection{Namespaces: []string{s.namespace}}, transfer.Options{Namespaces: s.rename()}, progress.Discard)
	if err != nil {
		s.Fatal(err)
	}
	if result, err := p.Execute(s.Context(), transfer.Execution{}, progress.Discard); err != nil {
		s.Fatalf("%v: %+v", err, result)
	}
}

func (s *scene) compare(ignore ...v1alpha1.ParityIgnore) *Report {
	s.Helper()
	r, err := Compare(s.Context(), s.from, s.to, Options{Namespaces: []string{s.namespace}, Rename: s.rename(), Ignore: ignore}, progress.Discard)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// patch changes an object of the target.
func (s *scene) patch(apiVersion, kind, name, patch string) {
	s.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(s.here)
	u.SetName(name)
	if err := s.green.Patch(s.Context(), u, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		s.Fatal(err)
	}
}

const shop = kubetest.Shop + `---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: very-secret}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 5}
`

func TestATransferIsEqual(t *testing.T) {
	s := newScene(t, shop)
	r := s.compare()
	if r.Answer != result.Holds {
		t.Fatalf("%s: %q", r.Summary(), r.First(20))
	}
	if n := r.Count().Equal; n < 7 {
		t.Errorf("%d objects are equal: %+v", n, r.Kinds)
	}
	t.Log(r.Summary(), r.Took, r.Ignored)
}

func TestDifferencesAreFound(t *testing.T) {
	s := newScene(t, shop)
	s.patch("v1", "ConfigMap", "settings", `{"data": {"limits.cpu": "1000m"}}`)
	s.patch("v1", "Secret", "key", `{"data": {"password": "b3RoZXItc2VjcmV0"}}`)
	s.patch("apps/v1", "Deployment", "web", `{"spec": {"replicas": 1}, "metadata": {"annotations": {"example.com/added": "by hand"}}}`)
	s.patch("v1", "Service", "web", `{"spec": {"sessionAffinity": "ClientIP"}}`)
	if err := s.blue.Delete(t.Context(), kubetest.Object(t, "{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly, namespace: "+s.namespace+"}}")); err != nil {
		t.Fatal(err)
	}
	s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: new}}")
	r := s.compare()
	var text bytes.Buffer
	if err := r.Write(&text, WriteOptions{Ignored: true}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"ConfigMap NS/new is missing in green",
		"ConfigMap NS/settings\n  data[limits.cpu]: \"1\" → \"1000m\"\n",
		"CronJob NS/nightly is only in green",
		// An autoscaler sets the replicas.
		"Deployment NS/web\n  metadata.annotations[example.com/added]: nothing → \"by hand\"\n",
		"Secret NS/key\n  data.password: differs (hidden)\n",
		"Service NS/web\n  spec.sessionAffinity: \"None\" → \"ClientIP\"\n",
		"an autoscaler sets it, by the load of each side",
		"different: 4 objects differ, 1 is missing, 1 is only in the target",
	} {
		if !strings.Contains(strings.ReplaceAll(text.String(), s.here, "NS"), line) {
			t.Errorf("nobody tells %q", line)
		}
	}
	document, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := r.Evidence().WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"very-secret", "other-secret", "b3RoZXItc2VjcmV0", "dmVyeS1zZWNyZXQ"} {
		if strings.Contains(text.String()+string(document)+page.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if t.Failed() {
		t.Log(text.String())
	}
}

// What one side keeps from us is unknown, not equal.
func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	s := newScene(t, shop)
	config := kubetest.SecondConfig(t)
	reader := s.namespace + "-reader"
	for _, text := range []string{
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: " + reader + "}, rules: [{apiGroups: [apps, batch, autoscaling], resources: ['*'], verbs: [list]}, {apiGroups: [''], resources: [configmaps, services, namespaces], verbs: [list]}]}",
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: " + reader + "}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: " + reader + "}, subjects: [{kind: User, name: " + reader + "}]}",
	} {
		u := kubetest.Object(t, text)
		if err := s.green.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.green.Delete(context.Background(), u) })
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: reader, Groups: []string{"system:authenticated"}}
	_, s.to = connect(t, "green", config)
	r := s.compare()
	if r.Answer != result.Unknown {
		t.Fatalf("%s: %s", r.Answer, r.Summary())
	}
	if !slices.ContainsFunc(r.Unknown, func(u transfer.Unreadable) bool { return u.What == "Secret of green" }) {
		t.Errorf("the Secrets are not among %v", r.Unknown)
	}
	if err := r.Err(); fault.ExitCode(err) != fault.ExitFailed {
		t.Errorf("%v ends with exit code %d", err, fault.ExitCode(err))
	}
	// A difference is one, whatever is unknown beside it.
	s.patch("v1", "ConfigMap", "settings", `{"data": {"price": "4"}}`)
	if r = s.compare(); r.Answer != result.Fails {
		t.Errorf("with a difference: %s", r.Summary())
	}
}

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {a: {type: string}, size: {type: integer DEFAULT}}}}}}}]
`

// A default that only the target has is no difference of the object, what
// somebody wrote there is.
func TestTheTargetIsAskedWhatItFillsIn(t *testing.T) {
	s := newScene(t, "")
	group := s.namespace + ".example.com"
	for c, fills := range map[client.Client]string{s.blue: "", s.green: ", default: 3"} {
		u := kubetest.Object(t, strings.NewReplacer("GROUP", group, " DEFAULT", fills).Replace(widgets))
		if err := c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), u) })
	}
	for c, namespace := range map[client.Client]string{s.blue: s.namespace, s.green: s.here} {
		for _, name := range []string{"one", "other"} {
			u := kubetest.Object(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: "+name+", namespace: "+namespace+"}, spec: {}}")
			kubetest.Eventually(t, func() string {
				if err := c.Create(t.Context(), u); err != nil {
					return err.Error()
				}
				return ""
			})
		}
	}
	s.patch(group+"/v1", "Widget", "other", `{"spec": {"a": "by hand"}}`)
	r := s.compare()
	got := map[string][]string{}
	for _, o := range r.Objects {
		for _, d := range o.Differences {
			got[o.Key.Kind.Kind+" "+o.Key.Name] = append(got[o.Key.Kind.Kind+" "+o.Key.Name], d.Path)
		}
	}
	want := map[string][]string{
		"CustomResourceDefinition widgets." + group: {"spec.versions[v1].schema.openAPIV3Schema.properties.spec.properties.size.default"},
		"Widget other": {"spec.a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The API server takes the rules that are taken here, and no others.
func TestRulesAreCheckedByTheServer(t *testing.T) {
	kubetest.InstallKinds(t)
	c := kubetest.Client(t, "kubectl")
	for _, rule := range []v1alpha1.ParityIgnore{
		{Reason: "all"},
		{Reason: "all", Kind: "*.*", Namespace: "*", Name: "*", Path: "*"},
		{Kind: "Pod"},
		{Reason: "pods", Kind: "Pod"},
		{Reason: "a namespace", Namespace: "shop-*"},
		{Reason: "a name", Name: "*-tmp"},
		{Reason: "a field", Path: "metadata.annotations[*]"},
		{Reason: "a manager", Manager: "istio"},
	} {
		text, err := json.Marshal(rule)
		if err != nil {
			t.Fatal(err)
		}
		migration := kubetest.Object(t, `{apiVersion: landfall.dev/v1alpha1, kind: Migration, metadata: {name: rules, namespace: default}, spec: {
			hostname: shop.example, router: {haproxy: {instances: ["tcp://192.0.2.1:9999"], backend: shop}},
			from: {name: old, haproxy: {servers: [old]}}, to: {name: new, haproxy: {servers: [new]}}, steps: [{weight: 100, hold: 1s}],
			guards: [{name: equal, parity: {from: blue, to: green, namespaces: [shop], ignore: [`+string(text)+`]}}]}}`)
		err = c.Create(t.Context(), migration, client.DryRunAll)
		if _, here := compile([]v1alpha1.ParityIgnore{rule}); (err == nil) != (here == nil) {
			t.Errorf("%s: the server says %v, and compile %v", text, err, here)
		}
	}
}
