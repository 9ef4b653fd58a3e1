package preflight

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// node is a ready node of a test with 4 CPUs.
const node = `
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
status:
  allocatable: {cpu: "4", memory: 8Gi, pods: "110"}
  conditions: [{type: Ready, status: "True"}]
  nodeInfo: {kubeletVersion: v1.34.1, operatingSystem: linux, architecture: amd64}
`

// deployment of a test; what follows its pod spec can be appended.
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: registry.example/web}]
`

// worldOf makes a world of two sides' objects, as read does of two clusters.
// Both serve what any of them has. Images are there, for linux/amd64.
func worldOf(t *testing.T, source, target string) *world {
	t.Helper()
	w := &world{from: newSnapshot("blue"), to: newSnapshot("green"), in: newIncoming(), images: map[pull]pulled{}}
	w.from.version, w.to.version = "v1.34.1", "v1.34.1"
	here, there := kubetest.Objects(t, source), kubetest.Objects(t, target)
	for _, s := range []*snapshot{w.from, w.to} {
		s.serves = map[schema.GroupKind]transfer.Resource{}
		for _, u := range append(here, there...) {
			gvk := u.GroupVersionKind()
			s.serves[gvk.GroupKind()] = transfer.Resource{
				GroupVersionResource: gvk.GroupVersion().WithResource(strings.ToLower(gvk.Kind) + "s"),
				Kind:                 gvk.GroupKind(), Namespaced: u.GetNamespace() != "", Versions: []string{gvk.Version},
			}
		}
	}
	for _, u := range here {
		w.from.take(u)
	}
	w.in.known = w.from.addresses()
	for _, u := range here {
		w.in.take(u, transfer.Options{})
	}
	w.in.finish()
	for _, u := range there {
		w.to.take(u)
	}
	for _, wl := range w.in.workloads {
		for _, p := range w.pullsOf(wl) {
			w.images[p] = pulled{state: isThere, platforms: []string{"linux/amd64"}}
		}
	}
	return w
}

// found are the findings of a report in one line each.
func found(r *Report) []string {
	lines := []string{}
	for _, f := range r.Findings {
		lines = append(lines, string(f.Severity)+" "+f.Check+": "+strings.TrimSpace(strings.Join(f.Objects, ", ")+" "+f.What))
	}
	return lines
}

// onlyCheck leaves out all checks but one.
func onlyCheck(name string) []string {
	var skip []string
	for _, c := range checks {
		if c.name != name {
			skip = append(skip, c.name)
		}
	}
	return skip
}
