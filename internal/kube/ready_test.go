package kube

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// realApp runs on the test cluster's nodes.
const realApp = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: unused}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: used}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
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
      terminationGracePeriodSeconds: 0
      volumes: [{name: used, persistentVolumeClaim: {claimName: used}}]
      containers: [{name: web, image: "localkube.internal/pause:1", volumeMounts: [{name: used, mountPath: /used}]}]
`

// settle waits until objects are ready, and gives the last answer.
func settle(t *testing.T, target *Target, objs []*unstructured.Unstructured) Readiness {
	t.Helper()
	var readiness Readiness
	kubetest.Eventually(t, func() string {
		var err error
		if readiness, err = target.Ready(testContext(t), objs); err != nil {
			return err.Error()
		}
		if !readiness.AllReady() {
			return fmt.Sprint(readiness.Waiting())
		}
		return ""
	})
	return readiness
}

func TestReadyFollowsARollout(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	objs := in(ns, kubetest.Objects(t, realApp))
	opts := ApplyOptions{Owner: testOwner("shop")}
	apply(t, target, objs, opts)
	now, err := target.Ready(testContext(t), objs)
	if err != nil || now.AllReady() {
		t.Errorf("ready right after apply: %v, %v", now, err)
	}
	if diff := cmp.Diff(map[string]Instances{"": {}, "web": {Ready: 2, Desired: 2}}, settle(t, target, objs).Components()); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}

	before := maps.Clone(target.Requests())
	for range 10 {
		settle(t, target, objs)
	}
	if diff := cmp.Diff(before, target.Requests()); diff != "" {
		t.Errorf("looking at watched objects made requests:\n%s", diff)
	}

	differences, err := target.Diff(testContext(t), objs, DiffOptions{Owner: opts.Owner, Namespace: ns})
	if err != nil || len(differences) > 0 {
		t.Errorf("what the cluster made of it is drift:\n%s%v", drift(differences, ns), err)
	}

	web := objs[3]
	containers, _, _ := unstructured.NestedSlice(web.Object, "spec", "template", "spec", "containers")
	for range 5 {
		// Between the apply and the watch's news of it, the old state is still
		// seen as complete.
		containers[0].(map[string]any)["args"] = []any{time.Now().String()}
		_ = unstructured.SetNestedSlice(web.Object, containers, "spec", "template", "spec", "containers")
		apply(t, target, objs, opts)
		if now, err = target.Ready(testContext(t), objs); err != nil || now.AllReady() {
			t.Fatalf("ready although a new revision was applied this moment: %v, %v", now, err)
		}
	}
	settle(t, target, objs)

	if err := target.Client.Delete(testContext(t), objs[0].DeepCopy()); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() string {
		now, err := target.Ready(testContext(t), objs)
		if err != nil || len(now.Waiting()) != 1 || now.Waiting()[0].State != Missing {
			return fmt.Sprint(now.Waiting(), err)
		}
		return ""
	})
}

func TestChangesWakeTheEnvironment(t *testing.T) {
	var mu sync.Mutex
	woken := map[types.NamespacedName]int{}
	target, err := NewTarget("test", kubetest.Config(t), TargetOptions{Notify: func(env types.NamespacedName) {
		mu.Lock()
		defer mu.Unlock()
		woken[env]++
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	ns := kubetest.Namespace(t)
	objs := in(ns, kubetest.Objects(t, strings.ReplaceAll(realApp, "shop", ns)))
	apply(t, target, objs, ApplyOptions{Owner: testOwner(ns)})
	settle(t, target, objs)

	env := types.NamespacedName{Namespace: "team", Name: ns}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return woken[env]
	}
	time.Sleep(time.Second)
	quiet := count()
	if quiet == 0 {
		t.Fatal("the rollout woke nobody")
	}
	c := kubetest.Client(t, "somebody")
	edit(t, c, &corev1.ConfigMap{}, ns, "settings", func(m *corev1.ConfigMap) { m.Data = map[string]string{"a": "b"} })
	kubetest.Eventually(t, func() string {
		if count() == quiet {
			return "nobody woke up when a ConfigMap was edited"
		}
		return ""
	})
}

func TestReadyReadsLiveAfterAnOutage(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	objs := in(ns, kubetest.Objects(t, realApp))
	apply(t, target, objs, ApplyOptions{Owner: testOwner("shop")})
	settle(t, target, objs)
	target.contact.mu.Lock()
	target.contact.failedAt = time.Now()
	target.contact.mu.Unlock()
	before := target.Requests()["get"]
	if now := settle(t, target, objs); target.Requests()["get"]-before != int64(len(objs)) || now.Recheck == 0 {
		t.Errorf("after an outage the watch was trusted")
	}
}

func TestJudge(t *testing.T) {
	job := func(status string) string {
		return "{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {completions: 1}, status: " + status + "}"
	}
	tests := []struct {
		name, object string
		want         State
		message      string
	}{
		{"job that runs", job("{active: 1, startTime: x}"), InProgress, "is running"},
		{"job that tries again", job("{active: 1, failed: 2}"), InProgress, "is running, after 2 failed tries"},
		{"job that is done", job(`{succeeded: 1, conditions: [{type: Complete, status: "True"}]}`), Ready, ""},
		{"job that failed", job(`{failed: 1, conditions: [{type: Failed, status: "True", message: too often}]}`), Failed, "too often"},
		{"claim that waits for its first pod", "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Pending}}", Ready, ""},
		{"claim whose volume is lost", "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Lost}}", Failed, "its volume is lost"},
		{"deployment of no replicas", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 2}, spec: {replicas: 0, progressDeadlineSeconds: 600},
  status: {observedGeneration: 2, conditions: [{type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}`, Ready, ""},
		{"deployment not observed", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 2}, status: {observedGeneration: 1}}", InProgress, "Deployment generation is 2, but latest observed generation is 1"},
		{"custom resource that is ready", `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a}, status: {conditions: [{type: Ready, status: "True"}]}}`, Ready, ""},
		{"custom resource that is not", `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a}, status: {conditions: [{type: Ready, status: "False", message: sharpening}]}}`, InProgress, "sharpening"},
		{"being deleted", "{apiVersion: v1, kind: Service, metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z'}}", InProgress, "is being deleted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obj := kubetest.Object(t, tt.object)
			state, message := judge(obj.GroupVersionKind().GroupKind(), obj)
			if state != tt.want || message != tt.message {
				t.Errorf("judged %q %q, want %q %q", state, message, tt.want, tt.message)
			}
		})
	}
}

func TestSleepRemembersExactSizes(t *testing.T) {
	target := testTarget(t)
	ctx := testContext(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	objs := app(t, ns)
	apply(t, target, objs, ApplyOptions{Owner: owner})
	scaleTo("auto", 4)(t, kubetest.Client(t, "kube-controller-manager"), ns)

	sizes, err := target.Sizes(ctx, refsOf(objs))
	if err != nil {
		t.Fatal(err)
	}
	look := func() string {
		var lines []string
		for _, size := range sizes {
			obj := &unstructured.Unstructured{}
			obj.SetGroupVersionKind(gvkOf(size.Object))
			obj.SetNamespace(ns)
			obj.SetName(size.Object.Name)
			live := sizeOf(size.Object, read(t, target, obj))
			if live.Replicas != nil {
				lines = append(lines, fmt.Sprintf("%s %d", size.Object.Name, *live.Replicas))
			} else {
				lines = append(lines, fmt.Sprintf("%s suspended=%v", size.Object.Name, *live.Suspended))
			}
		}
		return strings.Join(lines, ", ")
	}
	awake := "web 2, auto 4, nightly suspended=false"
	if got := look(); got != awake {
		t.Fatalf("sizes %s, want %s", got, awake)
	}
	sizes = append(sizes, v1alpha1.SleepingObject{Object: v1alpha1.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Namespace: ns, Name: "gone"}, Replicas: sizes[0].Replicas})
	for range 2 {
		if err := target.Sleep(ctx, sizes); err != nil {
			t.Fatal(err)
		}
	}
	sizes = sizes[:3]
	if got := look(); got != "web 0, auto 0, nightly suspended=true" {
		t.Errorf("asleep: %s", got)
	}
	drifted := func(objs []*unstructured.Unstructured) string {
		differences, err := target.Diff(ctx, objs, DiffOptions{Owner: owner, Namespace: ns})
		if err != nil {
			t.Fatal(err)
		}
		return drift(differences, ns)
	}
	if got := drifted(asleep(objs)); got != "" {
		t.Errorf("sleep is drift:\n%s", got)
	}
	// A deploy while asleep.
	apply(t, target, asleep(objs), ApplyOptions{Owner: owner})
	if got := look(); got != "web 0, auto 0, nightly suspended=true" {
		t.Errorf("after a deploy while asleep: %s", got)
	}
	if err := target.Wake(ctx, sizes); err != nil {
		t.Fatal(err)
	}
	apply(t, target, objs, ApplyOptions{Owner: owner})
	if got := look(); got != awake {
		t.Errorf("awake: %s, want %s", got, awake)
	}
	if got := drifted(objs); got != "" {
		t.Errorf("waking up is drift:\n%s", got)
	}
}

// asleep gives objects as they are wanted while their environment sleeps:
// those that say how large they are say zero.
func asleep(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	copies := make([]*unstructured.Unstructured, len(objs))
	for i, obj := range objs {
		copies[i] = obj.DeepCopy()
		spec, _ := copies[i].Object["spec"].(map[string]any)
		switch {
		case obj.GetKind() == "CronJob":
			spec["suspend"] = true
		case scales(RefOf(obj)) && spec["replicas"] != nil:
			spec["replicas"] = int64(0)
		}
	}
	return copies
}

func TestUnreachable(t *testing.T) {
	config := kubetest.Config(t)
	// A port of loopback where nothing listens.
	config.Host = "https://127.0.0.1:1"
	target, err := NewTarget("gone", config, TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	objs := app(t, "nowhere")
	began := time.Now()
	for name, verb := range map[string]func() error{
		"version": func() error { _, err := target.Version(ctx); return err },
		"apply":   func() error { _, err := target.Apply(ctx, objs, ApplyOptions{}); return err },
		"ready":   func() error { _, err := target.Ready(ctx, objs); return err },
		"diff":    func() error { _, err := target.Diff(ctx, objs, DiffOptions{}); return err },
		"prune":   func() error { _, err := target.Prune(ctx, refsOf(objs), Owner{}); return err },
		"teardown": func() error {
			_, err := target.Teardown(ctx, testOwner("shop"), "nowhere", refsOf(objs))
			return err
		},
		"client": func() error {
			return target.Client.Get(ctx, client.ObjectKey{Name: "x"}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "x"}})
		},
	} {
		if err := verb(); !Unreachable(err) {
			t.Errorf("%s: %v is not unreachable", name, err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to see that nobody answers", took)
	}
}
