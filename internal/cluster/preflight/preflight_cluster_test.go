package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// Two real clusters, of which the second lacks what the first one's objects ask
// for.
func TestLookAtTwoClusters(t *testing.T) {
	from, err := transfer.Connect("blue", kubetest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	to, err := transfer.Connect("green", kubetest.SecondConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	namespace := kubetest.Namespace(t)
	c := kubetest.Client(t, "kubectl")
	for _, u := range kubetest.Objects(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {disk: ssd}
      containers: [{name: web, image: "127.0.0.1:1/web:1", resources: {requests: {cpu: "1000"}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fine}
spec:
  replicas: 0
  selector: {matchLabels: {app: fine}}
  template:
    metadata: {labels: {app: fine}}
    spec: {containers: [{name: fine, image: "127.0.0.1:1/fine:1"}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: nowhere, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`) {
		u.SetNamespace(namespace)
		if err := c.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Look(t.Context(), from, to, Options{
		Selection: transfer.Selection{Namespaces: []string{namespace}}, Rename: map[string]string{namespace: "store"},
	}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	lines := found(r)
	for _, want := range []string{
		"block scheduling: Deployment store/web no node of green takes its pods: 1 node: not labelled disk=ssd",
		"block classes: PersistentVolumeClaim store/data there is no storage class nowhere on green",
		"warn volumes: PersistentVolumeClaim store/data",
		"unknown images: Deployment store/web",
	} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("not found: %s", want)
		}
	}
	if r.Answer != result.Fails || r.Workloads != 2 {
		t.Errorf("%s, %d workloads", r.Answer, r.Workloads)
	}
	for _, line := range lines {
		if strings.Contains(line, "reading") {
			t.Errorf("unreadable: %s", line)
		}
	}
	t.Log(strings.Join(lines, "\n"))
}
