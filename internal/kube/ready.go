package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// State of one object.
type State string

// States of an object.
const (
	// Ready: it does what it should; a Job has completed.
	Ready State = "ready"
	// InProgress: the cluster is at it.
	InProgress State = "in progress"
	// Failed: it will not become ready by itself.
	Failed State = "failed"
	// Missing: it is not there.
	Missing State = "missing"
)

// ObjectStatus is how one object is.
type ObjectStatus struct {
	Object    v1alpha1.ObjectRef
	Component string
	State     State
	Message   string
	// Ready and Desired instances of a workload; 0 of 0 for other kinds.
	Ready, Desired int32
}

// Instances counts a component's instances.
type Instances struct{ Ready, Desired int32 }

// Readiness is how several objects are.
type Readiness struct {
	Objects []ObjectStatus
	// Troubled is true when something looks wrong enough to ask Diagnose.
	Troubled bool
	// Recheck is when to look again although no event came, because something
	// is not watched. 0 means that events suffice.
	Recheck time.Duration
}

// AllReady tells whether nothing is left to wait for.
func (r Readiness) AllReady() bool { return len(r.Waiting()) == 0 }

// Waiting gives the objects that are not ready.
func (r Readiness) Waiting() []ObjectStatus {
	var waiting []ObjectStatus
	for _, o := range r.Objects {
		if o.State != Ready {
			waiting = append(waiting, o)
		}
	}
	return waiting
}

// Components counts instances by component. Jobs do not count.
func (r Readiness) Components() map[string]Instances {
	counts := make(map[string]Instances)
	for _, o := range r.Objects {
		if o.Object.Kind == "Job" {
			continue
		}
		n := counts[o.Component]
		counts[o.Component] = Instances{Ready: n.Ready + o.Ready, Desired: n.Desired + o.Desired}
	}
	return counts
}

// recheckAfter is how soon unwatched state is looked at again.
const recheckAfter = 3 * time.Second

// Ready tells how objects are, from watched state: it makes no request for
// kinds it has watched before. Objects applied a moment ago count as in
// progress until the watch has seen them. Of objs only names, kinds and the
// component label matter.
func (t *Target) Ready(ctx context.Context, objs []*unstructured.Unstructured) (Readiness, error) {
	readiness := Readiness{Objects: make([]ObjectStatus, len(objs))}
	byKind := make(map[schema.GroupVersionKind][]int)
	for i, obj := range objs {
		byKind[obj.GroupVersionKind()] = append(byKind[obj.GroupVersionKind()], i)
	}
	for kind, indexes := range byKind {
		current, watched, err := t.current(ctx, kind)
		if err != nil {
			return Readiness{}, fmt.Errorf("reading the state of %s objects on cluster %s: %w", kind.Kind, t.name, err)
		}
		if !watched {
			readiness.Recheck = recheckAfter
		}
		if err := t.statuses(ctx, objs, indexes, current, readiness.Objects); err != nil {
			return Readiness{}, fmt.Errorf("reading the state of %s objects on cluster %s: %w", kind.Kind, t.name, err)
		}
	}
	t.suspect(ctx, &readiness)
	return readiness, nil
}

// lookup finds an object as it is now; nil when it is not there.
type lookup func(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error)

// current gives the means to look up objects of a kind: from its watch, or one
// by one from the API server where there is no watch to trust.
func (t *Target) current(ctx context.Context, kind schema.GroupVersionKind) (find lookup, watched bool, err error) {
	mapping, err := t.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		none := func(context.Context, string, string) (*unstructured.Unstructured, error) { return nil, nil }
		return none, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !t.contact.failedSince(outageMemory) {
		if k := t.watches.kind(ctx, mapping); k != nil {
			return func(_ context.Context, namespace, name string) (*unstructured.Unstructured, error) {
				return k.get(namespace, name), nil
			}, true, nil
		}
	}
	return func(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
		obj := bare(v1alpha1.ObjectRef{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Namespace: namespace, Name: name})
		err := t.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err != nil {
			return nil, nil
		}
		return obj, nil
	}, false, nil
}

// statuses fills in how the objects with the given indexes are.
func (t *Target) statuses(ctx context.Context, objs []*unstructured.Unstructured, indexes []int, find lookup, into []ObjectStatus) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, i := range indexes {
		group.Go(func() error {
			obj := objs[i]
			seen, err := find(ctx, obj.GetNamespace(), obj.GetName())
			if err != nil {
				return err
			}
			behind := t.watches.behind(IdentityOf(RefOf(obj)), seen)
			into[i] = statusOf(obj, seen, behind)
			return nil
		})
	}
	return group.Wait()
}

// statusOf tells how an object is from what was seen of it.
func statusOf(obj, seen *unstructured.Unstructured, behind bool) ObjectStatus {
	s := ObjectStatus{Object: RefOf(obj), Component: obj.GetLabels()[v1alpha1.LabelComponent]}
	kind := obj.GroupVersionKind().GroupKind()
	switch {
	case behind && !hasStatus(kind):
		s.State = Ready
	case behind:
		s.State, s.Message = InProgress, "applied a moment ago"
		s.Ready, s.Desired = instances(kind, obj)
	case seen == nil && expires(obj):
		s.State, s.Message = Ready, "finished and removed, as it asked for"
	case seen == nil:
		s.State, s.Message = Missing, "is not there"
		s.Ready, s.Desired = instances(kind, obj)
	case !hasStatus(kind):
		s.State = Ready
	default:
		s.State, s.Message = judge(kind, seen)
		s.Ready, s.Desired = instances(kind, seen)
	}
	return s
}

// expires tells whether an object is a Job that the cluster removes by itself.
func expires(obj *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", "ttlSecondsAfterFinished")
	return found && obj.GetKind() == "Job"
}

// judge computes an object's state by kstatus, but for kinds where what kstatus
// answers is not what a release waits for.
func judge(kind schema.GroupKind, obj *unstructured.Unstructured) (State, string) {
	if obj.GetDeletionTimestamp() != nil {
		return InProgress, "is being deleted"
	}
	switch kind {
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return judgeJob(obj)
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return judgeClaim(obj)
	}
	result, err := status.Compute(obj)
	if err != nil {
		return InProgress, "its status cannot be understood: " + err.Error()
	}
	switch result.Status {
	case status.CurrentStatus:
		return Ready, ""
	case status.FailedStatus:
		return Failed, result.Message
	default:
		return InProgress, result.Message
	}
}

// judgeJob wants a Job completed; kstatus is content with one that runs.
func judgeJob(obj *unstructured.Unstructured) (State, string) {
	if condition(obj, "Complete") != nil {
		return Ready, ""
	}
	if failed := condition(obj, "Failed"); failed != nil {
		return Failed, text(failed, "message")
	}
	if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); suspended {
		return InProgress, "is suspended"
	}
	failures, _, _ := unstructured.NestedInt64(obj.Object, "status", "failed")
	if failures > 0 {
		return InProgress, fmt.Sprintf("is running, after %d failed tries", failures)
	}
	return InProgress, "is running"
}

// judgeClaim does not wait for a volume: many are made only once a pod wants
// them, and then the pod's workload is what waits.
func judgeClaim(obj *unstructured.Unstructured) (State, string) {
	if phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase"); phase == "Lost" {
		return Failed, "its volume is lost"
	}
	return Ready, ""
}

// condition gives an object's condition of that type where it is True.
func condition(obj *unstructured.Unstructured, kind string) map[string]any {
	for _, c := range sliceAt(obj.Object, "status", "conditions") {
		if c, ok := c.(map[string]any); ok && c["type"] == kind && c["status"] == "True" {
			return c
		}
	}
	return nil
}

// sliceAt gives a list without copying it; nil where there is none.
func sliceAt(obj map[string]any, path ...string) []any {
	value, _, _ := unstructured.NestedFieldNoCopy(obj, path...)
	list, _ := value.([]any)
	return list
}

func text(from map[string]any, key string) string {
	s, _ := from[key].(string)
	return s
}

// instances counts a workload's ready and desired instances.
func instances(kind schema.GroupKind, obj *unstructured.Unstructured) (ready, desired int32) {
	number := func(fallback int64, path ...string) int32 {
		if n, found, err := unstructured.NestedInt64(obj.Object, path...); found && err == nil {
			return int32(n)
		}
		return int32(fallback)
	}
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"},
		schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
		schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		desired = number(1, "spec", "replicas")
		return min(number(0, "status", "readyReplicas"), desired), desired
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return number(0, "status", "numberReady"), number(0, "status", "desiredNumberScheduled")
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return number(0, "status", "succeeded"), number(1, "spec", "completions")
	}
	return 0, 0
}
