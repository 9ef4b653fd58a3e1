package transfer

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// twoSides are namespaces of two clusters; the source's has these CronJobs.
func twoSides(t *testing.T, jobs ...string) pair {
	t.Helper()
	p := pair{t: t, name: kubetest.Name(t), from: connect(t, "blue", kubetest.Config(t)), to: connect(t, "green", kubetest.SecondConfig(t))}
	p.make(`{apiVersion: v1, kind: Namespace, metadata: {name: ` + p.name + `}}`)
	for _, c := range []*Cluster{p.from, p.to} {
		t.Cleanup(func() {
			_ = c.Objects(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, "").Delete(context.Background(), p.name, metav1.DeleteOptions{})
		})
	}
	for _, job := range jobs {
		p.make(`{apiVersion: batch/v1, kind: CronJob, metadata: {name: ` + job + `, namespace: ` + p.name + `}, spec: {schedule: "@yearly", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a}]}}}}}}`)
	}
	return p
}

func (p pair) make(object string) {
	p.t.Helper()
	served, _, err := p.from.Resources(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.create(served, kubetest.Object(p.t, object)); err != nil {
		p.t.Fatal(err)
	}
}

func (p pair) transfer(s Selection) {
	p.t.Helper()
	plan, err := Make(p.t.Context(), p.from, p.to, s, Options{}, progress.Discard)
	if err != nil {
		p.t.Fatal(err)
	}
	if result, err := plan.Execute(p.t.Context(), Execution{}, progress.Discard); err != nil {
		p.t.Fatalf("%v\n%+v", err, result)
	}
}

// runs are the CronJobs of a side that run.
func (p pair) runs(c *Cluster) []string {
	p.t.Helper()
	list, err := c.dynamic.Resource(cronJobs).Namespace(p.name).List(p.t.Context(), metav1.ListOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, u := range list.Items {
		if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); !suspended {
			names = append(names, u.GetName())
		}
	}
	return names
}

func (p pair) wantRuns(when string, from, to []string) {
	p.t.Helper()
	if diff := cmp.Diff([][]string{from, to}, [][]string{p.runs(p.from), p.runs(p.to)}); diff != "" {
		p.t.Errorf("%s: %s", when, diff)
	}
}

func (p pair) handOver(from, to *Cluster) []Schedule {
	p.t.Helper()
	schedules, err := HandOver(p.t.Context(), from, to, Handover{Namespaces: []string{p.name}}, progress.Discard)
	if err != nil {
		p.t.Fatal(err)
	}
	return schedules
}

// TestSchedulesRunOnOneSide hands schedules over, there and back, with transfers
// in between.
func TestSchedulesRunOnOneSide(t *testing.T) {
	p := twoSides(t, "hourly", "nightly")
	both := []string{"hourly", "nightly"}
	only := Selection{Namespaces: []string{p.name}}
	p.transfer(only)
	p.wantRuns("after the transfer", both, nil)
	p.handOver(p.from, p.to)
	p.wantRuns("after the handover", nil, both)
	p.transfer(only)
	p.wantRuns("after another transfer", nil, both)
	if again := p.handOver(p.from, p.to); len(again) > 0 {
		t.Errorf("again it hands over %+v", again)
	}
	p.handOver(p.to, p.from)
	p.wantRuns("handed back", both, nil)
	p.suspend(p.from, "nightly")
	p.handOver(p.from, p.to)
	p.wantRuns("with one that a person suspended", nil, []string{"hourly"})
	p.handOver(nil, p.to)
	p.wantRuns("with the source gone", nil, both)
}

// suspend is what a person does.
func (p pair) suspend(c *Cluster, name string) {
	p.t.Helper()
	if _, err := c.dynamic.Resource(cronJobs).Namespace(p.name).Patch(p.t.Context(), name, "application/merge-patch+json", []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

// TestSelectionByLabels takes what is of the whole cluster, and what the objects
// need that has no label.
func TestSelectionByLabels(t *testing.T) {
	p := twoSides(t)
	label := "{test: " + p.name + "}"
	p.make(`{apiVersion: v1, kind: ConfigMap, metadata: {name: meant, namespace: ` + p.name + `, labels: ` + label + `}}`)
	p.make(`{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: ` + p.name + `}}`)
	p.make(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: ` + p.name + `, labels: ` + label + `}, value: 1}`)
	t.Cleanup(func() { p.clean(p.from); p.clean(p.to) })
	plan, err := Make(t.Context(), p.from, p.to, Selection{Labels: "test=" + p.name}, Options{}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range plan.Items {
		got = append(got, string(item.Action)+" "+item.Key.String())
	}
	want := []string{"create Namespace " + p.name, "create PriorityClass " + p.name, "create ConfigMap " + p.name + "/meant"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDryRunOfNewKinds counts what needs a kind that the transfer brings along
// as checked later, and finds what the target refuses.
func TestDryRunOfNewKinds(t *testing.T) {
	p := newPair(t)
	result, err := p.plan(Options{}).Execute(t.Context(), Execution{DryRun: true}, progress.Discard)
	if err != nil {
		t.Fatalf("%v\n%+v", err, result.Failed())
	}
	later := map[string]bool{}
	for _, o := range result.Outcomes {
		if o.Unchecked {
			later[o.Key.Kind.Kind] = true
		}
	}
	if !later["Widget"] || !later["ConfigMap"] || later["PriorityClass"] || result.Done() == 0 {
		t.Errorf("%d checked; checked later: %v", result.Done(), later)
	}
}
