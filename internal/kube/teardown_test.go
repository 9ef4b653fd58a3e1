package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// tearDown goes on until nothing is left.
func tearDown(t *testing.T, target *Target, owner Owner, ns string, objs []*unstructured.Unstructured) {
	t.Helper()
	kubetest.Eventually(t, func() string {
		blockers, err := target.Teardown(testContext(t), owner, ns, refsOf(objs))
		if err != nil || len(blockers) > 0 {
			return fmt.Sprint(blockers, err)
		}
		return ""
	})
}

func TestPruneDeletesOnlyTheOwners(t *testing.T) {
	target := testTarget(t)
	ctx := testContext(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	objs := app(t, ns)
	apply(t, target, objs, ApplyOptions{Owner: owner})
	foreign := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign}}")
	foreign.SetNamespace(ns)
	held := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/clean]}}")
	held.SetNamespace(ns)
	if err := kubetest.Client(t, "somebody").Create(ctx, foreign.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	apply(t, target, []*unstructured.Unstructured{held}, ApplyOptions{Owner: owner})
	absent := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: absent}}")
	absent.SetNamespace(ns)
	unknown := kubetest.Object(t, "{apiVersion: example.com/v1, kind: Nothing, metadata: {name: odd}}")
	unknown.SetNamespace(ns)

	refs := refsOf(append(objs, foreign, held, absent, unknown))
	changes, err := target.Prune(ctx, refs, owner)
	if err != nil {
		t.Fatal(err)
	}
	want := `Nothing NS/odd deleted
HorizontalPodAutoscaler NS/auto deleted
PodDisruptionBudget NS/web deleted
CronJob NS/nightly deleted
Deployment NS/web deleted
Deployment NS/auto deleted
NetworkPolicy NS/inside deleted
Service NS/web deleted
Secret NS/keys deleted
ConfigMap NS/settings deleted
ConfigMap NS/held terminating: waits for finalizer example.com/clean
ConfigMap NS/foreign skipped: it is not this environment's any more
ConfigMap NS/absent deleted`
	if diff := cmp.Diff(want, story(changes, ns)); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
	unhold(t, target, held)
}

// unhold takes an object's finalizers away.
func unhold(t *testing.T, target *Target, obj *unstructured.Unstructured) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := target.Client.Patch(testContext(t), obj.DeepCopy(), patch); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}

func TestTeardownGoesInOrderAndNamesWhatBlocks(t *testing.T) {
	target := testTarget(t)
	ctx := testContext(t)
	owner := testOwner("shop")
	ns := kubetest.Name(t)
	kubetest.RemoveNamespace(t, ns)
	group := ns + ".example.com"
	objs := app(t, ns)
	widget := in(ns, kubetest.Objects(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: one, finalizers: [example.com/clean]}}"))[0]
	namespace := kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}")
	objs = append(objs, widget, kubetest.Object(t, widgetDefinition(group)), namespace)
	apply(t, target, objs, ApplyOptions{Owner: owner})
	foreign := in(ns, kubetest.Objects(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign, finalizers: [example.com/keep]}}"))[0]
	if err := kubetest.Client(t, "somebody").Create(ctx, foreign.DeepCopy()); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		blockers, err := target.Teardown(ctx, owner, ns, refsOf(objs))
		if err != nil {
			t.Fatal(err)
		}
		if want := "[Widget " + ns + "/one waits for finalizer example.com/clean]"; fmt.Sprint(blockers) != want {
			t.Errorf("first the custom resource: %v, want %s", blockers, want)
		}
		read(t, target, named(t, objs, "Deployment", "web"))
	}
	unhold(t, target, widget)
	kubetest.Eventually(t, func() string {
		blockers, err := target.Teardown(ctx, owner, ns, refsOf(objs))
		if text := fmt.Sprint(blockers); err != nil || !strings.Contains(text, "Namespace "+ns) ||
			!strings.Contains(text, "ConfigMap "+ns+"/foreign waits for finalizer example.com/keep") {
			return fmt.Sprint(text, err)
		}
		return ""
	})
	unhold(t, target, foreign)
	tearDown(t, target, owner, ns, objs)
	if found, err := target.getMetadata(ctx, namespaceKind, "", ns); found != nil || err != nil {
		t.Errorf("the namespace is still there (%v)", err)
	}
	tearDown(t, target, owner, ns, objs)
}

func TestTeardownGivesAnAdoptedNamespaceBack(t *testing.T) {
	target := testTarget(t)
	ctx := testContext(t)
	owner := testOwner("shop")
	ns := kubetest.Namespace(t)
	mine := in(ns, kubetest.Objects(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}"))[0]
	if err := kubetest.Client(t, "somebody").Create(ctx, mine.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	objs := append(app(t, ns), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+", labels: {level: high}}}"))
	opts := ApplyOptions{Owner: owner, Adopt: true}
	apply(t, target, objs, opts)
	apply(t, target, objs, opts)
	tearDown(t, target, owner, ns, objs)
	read(t, target, mine)
	namespace := read(t, target, objs[len(objs)-1])
	left := namespace.GetAnnotations()
	if namespace.GetDeletionTimestamp() != nil || len(left) > 0 || namespace.GetLabels()["level"] != "" {
		t.Errorf("left on the namespace: %v %v", left, namespace.GetLabels())
	}
}

func TestNamespaceBlockersNameBrokenAPIs(t *testing.T) {
	target := &Target{}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Status: corev1.NamespaceStatus{Conditions: []corev1.NamespaceCondition{{
		Type: corev1.NamespaceDeletionDiscoveryFailure, Status: corev1.ConditionTrue,
		Message: "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1",
	}}}}
	blockers, err := target.namespaceBlockers(testContext(t), namespace)
	if err != nil || len(blockers) != 2 || !strings.HasPrefix(blockers[0].String(), "APIService v1beta1.metrics.k8s.io does not answer") {
		t.Errorf("got %v, %v", blockers, err)
	}
}
