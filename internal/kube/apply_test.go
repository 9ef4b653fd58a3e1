package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

func TestApplyTellsWhatHappenedToEachObject(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Name(t)
	kubetest.RemoveNamespace(t, ns)
	opts := ApplyOptions{Owner: testOwner("shop")}
	objs := append(app(t, ns), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}"))

	want := `Namespace NS created
ConfigMap NS/settings created
Secret NS/keys created
Service NS/web created
NetworkPolicy NS/inside created
Deployment NS/auto created
Deployment NS/web created
CronJob NS/nightly created
PodDisruptionBudget NS/web created
HorizontalPodAutoscaler NS/auto created`
	if diff := cmp.Diff(want, story(apply(t, target, objs, opts), ns)); diff != "" {
		t.Errorf("first apply (-want +got):\n%s", diff)
	}

	again := apply(t, target, objs, opts)
	if counts := again.Counts(); counts != (v1alpha1.ChangeCounts{Unchanged: int32(len(objs))}) {
		t.Errorf("applying the same again: %s", again)
	}

	settings := named(t, objs, "ConfigMap", "settings")
	_ = unstructured.SetNestedField(settings.Object, "green", "data", "color")
	_ = unstructured.SetNestedField(named(t, objs, "Deployment", "web").Object, int64(3), "spec", "replicas")
	changed := apply(t, target, objs, opts).Of(Configured, Created, Skipped)
	if want := "ConfigMap NS/settings configured\nDeployment NS/web configured"; story(changed, ns) != want {
		t.Errorf("after two changes:\n%s\nwant\n%s", story(changed, ns), want)
	}
	live := read(t, target, named(t, objs, "Secret", "keys"))
	if password, _, _ := unstructured.NestedString(live.Object, "data", "password"); password != "aHVudGVyMg==" {
		t.Errorf("the Secret's data is %q", password)
	}
}

func TestApplyCostsOneRequestAnObjectAndOneAKind(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	objs := app(t, ns)
	before := maps.Clone(target.Requests())
	apply(t, target, objs, ApplyOptions{Owner: testOwner("shop")})
	after := target.Requests()
	for verb, want := range map[string]int64{"apply": int64(len(objs)), "get": 7, "list": 1, "dry-run": 0, "patch": 0} {
		if got := after[verb] - before[verb]; got != want {
			t.Errorf("%d %s requests, want %d", got, verb, want)
		}
	}
}

func TestApplyRefusesWhatIsNotTheOwners(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	ctx := testContext(t)
	stranger := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {landfall.dev/project: team, landfall.dev/environment: shop}}, data: {a: b}}")
	stranger.SetNamespace(ns)
	if err := kubetest.Client(t, "somebody").Create(ctx, stranger); err != nil {
		t.Fatal(err)
	}
	objs := append(app(t, ns), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}"))

	_, err := target.Apply(ctx, objs, ApplyOptions{Owner: testOwner("shop")})
	var foreign *NotOwnedError
	if !errors.As(err, &foreign) {
		t.Fatalf("got %v, want a NotOwnedError: a copied label is not ownership", err)
	}
	var names []string
	for _, ref := range foreign.Objects {
		names = append(names, ref.Kind+" "+ref.Name)
	}
	if diff := cmp.Diff([]string{"Namespace " + ns, "ConfigMap settings"}, names); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if found, err := target.getMetadata(ctx, named(t, objs, "Service", "web").GroupVersionKind(), ns, "web"); err != nil || found != nil {
		t.Errorf("something was applied although the call was refused (%v)", err)
	}

	apply(t, target, objs, ApplyOptions{Owner: testOwner("shop"), Adopt: true})
	live := read(t, target, named(t, objs, "ConfigMap", "settings"))
	data, _, _ := unstructured.NestedStringMap(live.Object, "data")
	if diff := cmp.Diff(map[string]string{"color": "blue", "size": "7"}, data); diff != "" {
		t.Errorf("adopting leaves what was there before (-want +got):\n%s", diff)
	}

	_, err = target.Apply(ctx, objs, ApplyOptions{Owner: testOwner("other")})
	if !errors.As(err, &foreign) || !strings.Contains(err.Error(), "Deployment "+ns+"/web (belongs to environment team/shop)") {
		t.Errorf("another environment applying the same objects: %v", err)
	}
	_, err = target.Apply(ctx, objs[len(objs)-1:], ApplyOptions{Owner: Owner{Project: "team", Name: "shop", UID: "another life"}})
	if !errors.As(err, &foreign) {
		t.Errorf("an environment of the same name, made anew, took the namespace: %v", err)
	}
}

func TestApplyNamesWhatTheServerRejects(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	apply(t, target, app(t, ns), ApplyOptions{Owner: owner})
	apply(t, target, in(ns, kubetest.Objects(t, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {configmaps: 1}}}")), ApplyOptions{Owner: owner})
	kubetest.Eventually(t, func() string {
		quota := read(t, target, in(ns, kubetest.Objects(t, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}}"))[0])
		if used, _, _ := unstructured.NestedString(quota.Object, "status", "used", "configmaps"); used != "2" {
			return "the quota is not in force"
		}
		return ""
	})

	objs := app(t, ns)
	selector := named(t, objs, "Deployment", "web")
	_ = unstructured.SetNestedField(selector.Object, "other", "spec", "selector", "matchLabels", "app")
	_ = unstructured.SetNestedField(selector.Object, "other", "spec", "template", "metadata", "labels", "app")
	_ = unstructured.SetNestedField(named(t, objs, "Service", "web").Object, "green", "metadata", "labels", "tone")
	objs = append(objs, in(ns, kubetest.Objects(t, `
apiVersion: v1
kind: ConfigMap
metadata: {name: toomuch}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: odd}
---
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {ports: [{port: 99999}]}
`))...)
	changes, err := target.Apply(testContext(t), objs, ApplyOptions{Owner: owner})
	var rejected *RejectedError
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v, want a RejectedError", err)
	}
	got := map[string]string{}
	for _, f := range rejected.Failures {
		got[f.Object.Kind+" "+f.Object.Name] = f.Reason + ": " + strings.ReplaceAll(f.Message, ns, "NS")
	}
	for object, words := range map[string]string{
		"ConfigMap toomuch": "Quota: configmaps \"toomuch\" is forbidden: exceeded quota: q",
		"Widget odd":        "Rejected: the cluster has no kind Widget of example.com/v1",
		"Service wrong":     "spec.ports[0].port",
		"Deployment web":    "field is immutable",
	} {
		if !strings.Contains(got[object], words) {
			t.Errorf("%s: %q does not say %q", object, got[object], words)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d rejections: %v", len(got), got)
	}
	if want := "Service NS/web configured"; story(changes.Of(Configured), ns) != want {
		t.Errorf("the others: %s", story(changes, ns))
	}
}

func TestApplyRecreatesJobsAndOnForceOthers(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	objs := in(ns, kubetest.Objects(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: schema}
spec: {template: {spec: {restartPolicy: Never, schedulerName: nobody, containers: [{name: a, image: "localkube.internal/pause:1"}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
`))
	apply(t, target, objs, ApplyOptions{Owner: owner})
	containers, _, _ := unstructured.NestedSlice(objs[0].Object, "spec", "template", "spec", "containers")
	containers[0].(map[string]any)["args"] = []any{"anew"}
	_ = unstructured.SetNestedSlice(objs[0].Object, containers, "spec", "template", "spec", "containers")
	unstructured.RemoveNestedField(objs[1].Object, "spec", "clusterIP")
	_ = unstructured.SetNestedField(objs[1].Object, "ClusterIP", "spec", "type")
	_ = unstructured.SetNestedField(objs[1].Object, "10.0.0.300", "spec", "clusterIP")

	changes, err := target.Apply(testContext(t), objs, ApplyOptions{Owner: owner})
	var rejected *RejectedError
	if !errors.As(err, &rejected) || story(changes, ns) != "Job NS/schema created" {
		t.Errorf("changes %s, error %v: want the Job anew and the Service rejected", story(changes, ns), err)
	}
}

func TestApplyDryRunChangesNothing(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Name(t)
	kubetest.RemoveNamespace(t, ns)
	objs := append(app(t, ns), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}"))
	changes := apply(t, target, objs, ApplyOptions{Owner: testOwner("shop"), DryRun: true})
	if counts := changes.Counts(); counts.Created != int32(len(objs)) {
		t.Errorf("dry run:\n%s", changes)
	}
	if found, err := target.getMetadata(testContext(t), objs[len(objs)-1].GroupVersionKind(), "", ns); err != nil || found != nil {
		t.Errorf("the namespace exists after a dry run (%v)", err)
	}
}

func TestApplyBringsDefinitionsBeforeTheirObjects(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	group := kubetest.Name(t) + ".example.com"
	objs := in(ns, kubetest.Objects(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: one}, spec: {size: 1}}"))
	definition := kubetest.Object(t, widgetDefinition(group))
	objs = append(objs, definition)
	t.Cleanup(func() { _ = target.Client.Delete(testContext(t), definition) })
	changes := apply(t, target, objs, ApplyOptions{Owner: testOwner("shop")})
	if changes.Counts().Created != 2 {
		t.Errorf("changes:\n%s", changes)
	}
	other := apply(t, target, []*unstructured.Unstructured{definition}, ApplyOptions{Owner: testOwner("other")})
	if other[0].Action != Skipped {
		t.Errorf("another environment's definition: %s; want it shared, and left alone", other)
	}
	pruned, err := target.Prune(testContext(t), []v1alpha1.ObjectRef{RefOf(definition)}, testOwner("shop"))
	if err != nil || pruned[0].Action != Skipped || !strings.Contains(pruned[0].Reason, "Widget") {
		t.Errorf("pruning a definition in use: %s, %v", pruned, err)
	}
}

func widgetDefinition(group string) string {
	return `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
}
