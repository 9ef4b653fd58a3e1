package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

func init() { log.SetLogger(logr.Discard()) }

// testTarget connects to the test cluster.
func testTarget(t *testing.T) *Target {
	t.Helper()
	target, err := NewTarget("test", kubetest.Config(t), TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

// testOwner is an environment that exists only in labels.
func testOwner(name string) Owner { return Owner{Project: "team", Name: name, UID: "1234"} }

// testContext bounds a test.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// in puts objects written without one into a namespace.
func in(namespace string, objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, obj := range objs {
		if !isNamespace(obj) {
			obj.SetNamespace(namespace)
		}
	}
	return objs
}

// apply applies objects and fails the test if that fails.
func apply(t *testing.T, target *Target, objs []*unstructured.Unstructured, opts ApplyOptions) ChangeSet {
	t.Helper()
	changes, err := target.Apply(testContext(t), objs, opts)
	if err != nil {
		t.Fatalf("applying: %v", err)
	}
	return changes
}

// story writes a change set without the namespace's random name.
func story(changes ChangeSet, namespace string) string {
	return strings.ReplaceAll(changes.String(), namespace, "NS")
}

// read gets the live state of an object.
func read(t *testing.T, target *Target, obj *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(obj.GroupVersionKind())
	if err := target.Client.Get(testContext(t), client.ObjectKeyFromObject(obj), live); err != nil {
		t.Fatalf("reading %s: %v", Describe(RefOf(obj)), err)
	}
	return live
}

// webApp is a small but whole application. Its pods are never scheduled. The
// image is on every node of a local cluster: it only waits for a signal.
const webApp = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, size: "7"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {landfall.dev/component: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: metrics, port: 9090}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {landfall.dev/component: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, landfall.dev/environment: shop, landfall.dev/project: team, landfall.dev/component: web}}
    spec:
      schedulerName: nobody
      containers:
      - name: web
        image: localkube.internal/pause:1
        ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]
        env: [{name: COLOR, value: blue}, {name: DB_PASSWORD, value: hunter2}]
        resources: {requests: {cpu: 1000m, memory: "67108864"}, limits: {memory: 0.5Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: auto}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: auto}
  minReplicas: 2
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: auto}
spec:
  selector: {matchLabels: {app: auto}}
  template:
    metadata: {labels: {app: auto}}
    spec:
      schedulerName: nobody
      containers: [{name: auto, image: "localkube.internal/pause:1", resources: {requests: {cpu: 100m}}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: nightly, image: "localkube.internal/pause:1"}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: inside}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
`

// app gives the objects of webApp in a namespace.
func app(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	return in(namespace, kubetest.Objects(t, webApp))
}

// named picks an object.
func named(t *testing.T, objs []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, obj := range objs {
		if obj.GetKind() == kind && obj.GetName() == name {
			return obj
		}
	}
	t.Fatalf("no %s %s among the objects", kind, name)
	return nil
}
