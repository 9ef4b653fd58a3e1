package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// fakeCluster keeps the objects of one environment the way kube.Target promises
// to, and does at once what a cluster takes its time for. What the verbs do to
// a real API server is tested in package kube.
type fakeCluster struct {
	id      types.UID
	mu      sync.Mutex
	objects map[kube.Identity]*unstructured.Unstructured
	// states of objects that are not ready; scripted by the test.
	states map[string]kube.State
	// diagnoses given when something is Troubled.
	diagnoses []kube.Diagnosis
	// failing is the error of every verb, for an unreachable cluster.
	failing error
	// notOwned refuses every Apply without adoption.
	notOwned *kube.NotOwnedError
	// blockers of a teardown, one less at every call.
	blockers []kube.Blocker
	log      []string
}

func newFakeCluster(id types.UID) *fakeCluster {
	return &fakeCluster{id: id, objects: map[kube.Identity]*unstructured.Unstructured{}, states: map[string]kube.State{}}
}

func (f *fakeCluster) ID(context.Context) (types.UID, error) { return f.id, f.failing }

func (f *fakeCluster) note(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

func (f *fakeCluster) Apply(_ context.Context, objs []*unstructured.Unstructured, opts kube.ApplyOptions) (kube.ChangeSet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return nil, f.failing
	}
	if f.notOwned != nil && !opts.Adopt {
		return nil, f.notOwned
	}
	var changes kube.ChangeSet
	for _, o := range objs {
		id, action := kube.IdentityOf(kube.RefOf(o)), kube.Unchanged
		switch known := f.objects[id]; {
		case known == nil:
			action = kube.Created
		case !contains(known.Object, o.Object):
			action = kube.Configured
		}
		if action != kube.Unchanged {
			f.note("%s %s %s", action, o.GetKind(), o.GetName())
			f.objects[id] = o.DeepCopy()
		}
		changes = append(changes, kube.Change{Object: kube.RefOf(o), Action: action})
	}
	return changes, nil
}

func (f *fakeCluster) Prune(_ context.Context, refs []v1alpha1.ObjectRef, _ kube.Owner) (kube.ChangeSet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return nil, f.failing
	}
	var changes kube.ChangeSet
	for _, ref := range refs {
		if f.objects[kube.IdentityOf(ref)] != nil {
			f.note("deleted %s %s", ref.Kind, ref.Name)
			delete(f.objects, kube.IdentityOf(ref))
			delete(f.states, ref.Kind+" "+ref.Name)
		}
		changes = append(changes, kube.Change{Object: ref, Action: kube.Deleted})
	}
	return changes, nil
}

func (f *fakeCluster) Ready(_ context.Context, objs []*unstructured.Unstructured) (kube.Readiness, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return kube.Readiness{}, f.failing
	}
	var readiness kube.Readiness
	for _, o := range objs {
		status := kube.ObjectStatus{Object: kube.RefOf(o), Component: o.GetLabels()[v1alpha1.LabelComponent], State: kube.Ready}
		live := f.objects[kube.IdentityOf(status.Object)]
		if live == nil {
			status.State = kube.Missing
		} else if state := f.states[o.GetKind()+" "+o.GetName()]; state != "" {
			status.State, status.Message = state, "as scripted"
			readiness.Troubled = true
		}
		if live != nil && o.GetKind() == "Deployment" {
			status.Desired = size(live)
			if status.State == kube.Ready {
				status.Ready = status.Desired
			}
		}
		readiness.Objects = append(readiness.Objects, status)
	}
	return readiness, nil
}

func (f *fakeCluster) Diagnose(context.Context, []*unstructured.Unstructured) ([]kube.Diagnosis, error) {
	return f.diagnoses, f.failing
}

func (f *fakeCluster) Diff(_ context.Context, objs []*unstructured.Unstructured, _ kube.DiffOptions) ([]v1alpha1.Difference, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return nil, f.failing
	}
	var differences []v1alpha1.Difference
	for _, o := range objs {
		live := f.objects[kube.IdentityOf(kube.RefOf(o))]
		switch {
		case live == nil:
			differences = append(differences, v1alpha1.Difference{Kind: v1alpha1.DifferenceMissing, Object: kube.RefOf(o)})
		case !contains(live.Object, o.Object) || !contains(o.Object["spec"], live.Object["spec"]):
			differences = append(differences, v1alpha1.Difference{Kind: v1alpha1.DifferenceChanged, Object: kube.RefOf(o), Path: ".spec", Manager: "kubectl-edit"})
		}
	}
	return differences, nil
}

func (f *fakeCluster) Heal(ctx context.Context, objs []*unstructured.Unstructured, _ kube.Owner) (kube.ChangeSet, error) {
	f.mu.Lock()
	for _, o := range objs {
		if live := f.objects[kube.IdentityOf(kube.RefOf(o))]; live != nil && !contains(o.Object["spec"], live.Object["spec"]) {
			f.note("took back %s %s", o.GetKind(), o.GetName())
			f.objects[kube.IdentityOf(kube.RefOf(o))] = o.DeepCopy()
		}
	}
	f.mu.Unlock()
	return f.Apply(ctx, objs, kube.ApplyOptions{Adopt: true})
}

func (f *fakeCluster) Sizes(_ context.Context, refs []v1alpha1.ObjectRef) ([]v1alpha1.SleepingObject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sizes []v1alpha1.SleepingObject
	for _, ref := range refs {
		live := f.objects[kube.IdentityOf(ref)]
		switch {
		case live != nil && ref.Kind == "Deployment":
			replicas := size(live)
			sizes = append(sizes, v1alpha1.SleepingObject{Object: ref, Replicas: &replicas})
		case live != nil && ref.Kind == "CronJob":
			suspended := isSuspended(live)
			sizes = append(sizes, v1alpha1.SleepingObject{Object: ref, Suspended: &suspended})
		}
	}
	return sizes, f.failing
}

func (f *fakeCluster) Sleep(_ context.Context, sizes []v1alpha1.SleepingObject) error {
	zero := int32(0)
	suspended := true
	for _, s := range sizes {
		if s.Suspended != nil {
			f.suspend(s.Object, &suspended)
		} else {
			f.scale(s.Object, &zero)
		}
	}
	return f.failing
}

func (f *fakeCluster) Wake(_ context.Context, sizes []v1alpha1.SleepingObject) error {
	for _, s := range sizes {
		f.scale(s.Object, s.Replicas)
		f.suspend(s.Object, s.Suspended)
	}
	return f.failing
}

func (f *fakeCluster) suspend(ref v1alpha1.ObjectRef, suspended *bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	live := f.objects[kube.IdentityOf(ref)]
	if live == nil || suspended == nil || isSuspended(live) == *suspended {
		return
	}
	f.note("suspended %s %s: %t", ref.Kind, ref.Name, *suspended)
	unstructured.SetNestedField(live.Object, *suspended, "spec", "suspend")
}

func isSuspended(o *unstructured.Unstructured) bool {
	suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	return suspended
}

func (f *fakeCluster) scale(ref v1alpha1.ObjectRef, replicas *int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	live := f.objects[kube.IdentityOf(ref)]
	if live == nil || replicas == nil || size(live) == *replicas {
		return
	}
	f.note("scaled %s %s to %d", ref.Kind, ref.Name, *replicas)
	unstructured.SetNestedField(live.Object, int64(*replicas), "spec", "replicas")
}

func (f *fakeCluster) Teardown(_ context.Context, _ kube.Owner, namespace string, refs []v1alpha1.ObjectRef) ([]kube.Blocker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return nil, f.failing
	}
	if len(f.blockers) > 0 {
		left := f.blockers
		f.blockers = f.blockers[1:]
		return left, nil
	}
	for _, ref := range refs {
		delete(f.objects, kube.IdentityOf(ref))
	}
	f.note("torn down %s", namespace)
	return nil, nil
}

// state lists what is on the cluster.
func (f *fakeCluster) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, o := range f.objects {
		line := o.GetKind() + " " + o.GetName()
		if o.GetKind() == "Deployment" {
			containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
			line += fmt.Sprintf(": %d of %s", size(o), containers[0].(map[string]any)["image"])
		}
		if isSuspended(o) {
			line += ": suspended"
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func size(o *unstructured.Unstructured) int32 {
	if n, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); found {
		return int32(n)
	}
	return 1
}

// contains tells whether live has everything that wanted has.
func contains(live, wanted any) bool {
	want, isMap := wanted.(map[string]any)
	if !isMap {
		return equality.Semantic.DeepEqual(live, wanted)
	}
	have, _ := live.(map[string]any)
	for key, value := range want {
		if _, found := have[key]; !found || !contains(have[key], value) {
			return false
		}
	}
	return true
}

// fakeRegistry resolves tags that were pushed.
type fakeRegistry map[string]string

func (f fakeRegistry) Image(_ context.Context, reference string) (environment.Image, error) {
	digest, found := f[reference]
	if !found {
		return environment.Image{}, fault.New(fault.NotFound, "There is shop/web:1.", "image %s does not exist", reference)
	}
	repository, tag, _ := strings.Cut(reference, ":")
	return environment.Image{Repository: repository, Version: tag, Digest: digest}, nil
}

func (f fakeRegistry) With(*pullsecret.Credentials) version.Resolver { return f }

func (f fakeRegistry) Chart(context.Context, v1alpha1.Chart) (environment.Chart, error) {
	return environment.Chart{}, errors.New("no charts here")
}

// fakeServer makes stores in memory.
type fakeServer struct{ stores map[string]store.Settings }

func (f *fakeServer) Ensure(_ context.Context, req store.Request) (store.Settings, error) {
	name := req.Owner() + "/" + req.Store
	if f.stores[name] == nil {
		f.stores[name] = store.Settings{store.KeyURL: "mysql://" + req.Store, store.KeyHost: "db", store.KeyPassword: "secret"}
	}
	return maps.Clone(f.stores[name]), nil
}

func (f *fakeServer) Remove(_ context.Context, req store.Request) error {
	delete(f.stores, req.Owner()+"/"+req.Store)
	return nil
}

func (f *fakeServer) Close() error { return nil }

func (f *fakeServer) names() []string { return slices.Sorted(maps.Keys(f.stores)) }
