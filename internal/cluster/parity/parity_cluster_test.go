package parity

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// scene is a namespace of one real cluster that was transferred to another.
type scene struct {
	*testing.T
	blue, green     client.Client
	from, to        *transfer.Cluster
	namespace, here string
}

func newScene(t *testing.T, objects string) *scene {
	t.Helper()
	s := &scene{T: t, namespace: kubetest.Name(t)}
	s.here = s.namespace + "-there"
	for _, side := range []struct {
		name   string
		client *client.Client
		to     **transfer.Cluster
	}{{"blue", &s.blue, &s.from}, {"green", &s.green, &s.to}} {
		config := kubetest.Config(t)
		if side.name == "green" {
			config = kubetest.SecondConfig(t)
		}
		c, err := client.New(config, client.Options{Scheme: scheme.Scheme})
		if err != nil {
			t.Fatal(err)
		}
		*side.client = client.WithFieldOwner(c, "kubectl")
		if *side.to, err = transfer.Connect(side.name, config); err != nil {
			t.Fatal(err)
		}
	}
	s.create("{apiVersion: v1, kind: Namespace, metadata: {name: " + s.namespace + "}}\n---\n" + objects)
	t.Cleanup(func() {
		for name, c := range map[string]client.Client{s.namespace: s.blue, s.here: s.green} {
			_ = c.Delete(context.Background(), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}"))
		}
	})
	s.transfer()
	return s
}

func (s *scene) create(objects string) {
	s.Helper()
	for _, u := range kubetest.Objects(s.T, objects) {
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

const shop = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {price: "3", limits.cpu: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: very-secret}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web, resources: {requests: {cpu: 100m}}}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a}]}}}}}
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

// What the target itself fills in is asked for; what somebody added is not
// mistaken for it.
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
	for _, o := range r.Objects {
		t.Log(o.String(r.To))
	}
	t.Log(r.Summary(), r.Took)
}
