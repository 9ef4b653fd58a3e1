package kube

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// slowStart is how long a container may run without being ready before that
// looks wrong.
const slowStart = 15 * time.Second

var podKind = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}

// suspect looks at the watched pods of what is not ready, and says whether it
// is worth asking why.
func (t *Target) suspect(ctx context.Context, readiness *Readiness) {
	waiting := readiness.Waiting()
	if len(waiting) == 0 {
		return
	}
	pods := t.watchedPods(ctx)
	if pods == nil {
		readiness.Recheck, readiness.Troubled = recheckAfter, true
		return
	}
	for _, o := range waiting {
		if o.State == Failed {
			readiness.Troubled = true
			continue
		}
		for _, pod := range pods.in(o.Object.Namespace) {
			if pod.GetLabels()[v1alpha1.LabelComponent] != o.Component {
				continue
			}
			switch podLooks(pod, time.Now()) {
			case wrong:
				readiness.Troubled = true
			case slow:
				readiness.Recheck = recheckAfter
			}
		}
		if isWorkload(o.Object) && o.Desired > 0 && len(pods.in(o.Object.Namespace)) == 0 {
			// Something may keep the pods from being made at all.
			readiness.Recheck, readiness.Troubled = recheckAfter, readiness.Troubled || !t.watches.recent(IdentityOf(o.Object))
		}
	}
}

// watchedPods gives the watch of pods, nil where there is none to trust.
func (t *Target) watchedPods(ctx context.Context) *watched {
	mapping, err := t.Mapper.RESTMapping(podKind.GroupKind(), podKind.Version)
	if meta.IsNoMatchError(err) || err != nil || t.contact.failedSince(outageMemory) {
		return nil
	}
	return t.watches.kind(ctx, mapping)
}

func isWorkload(ref v1alpha1.ObjectRef) bool {
	switch gvkOf(ref).GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
		schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"},
		schema.GroupKind{Group: "batch", Kind: "Job"}:
		return true
	}
	return false
}

// looks is what a glance at a pod says.
type looks int

const (
	fine looks = iota
	// slow: nothing is wrong yet, but there will be no event when it is.
	slow
	wrong
)

// harmless are the reasons of waiting that every container has at first.
var harmless = map[string]bool{"": true, "ContainerCreating": true, "PodInitializing": true}

// podLooks glances at a pod as watched.
func podLooks(pod *unstructured.Unstructured, now time.Time) looks {
	if pod.GetDeletionTimestamp() != nil {
		return fine
	}
	looks := fine
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, s := range sliceAt(pod.Object, "status", field) {
			if s, ok := s.(map[string]any); ok {
				looks = max(looks, containerLooks(s, now))
			}
		}
	}
	for _, c := range sliceAt(pod.Object, "status", "conditions") {
		if c, ok := c.(map[string]any); ok && c["type"] == "PodScheduled" && c["status"] == "False" {
			looks = wrong
		}
	}
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	switch phase {
	case "Failed":
		return wrong
	case "Pending":
		if now.Sub(pod.GetCreationTimestamp().Time) > slowStart {
			return wrong
		}
		return max(looks, slow)
	}
	return looks
}

func containerLooks(status map[string]any, now time.Time) looks {
	reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason")
	restarts, _, _ := unstructured.NestedInt64(status, "restartCount")
	ready, _ := status["ready"].(bool)
	started, _, _ := unstructured.NestedString(status, "state", "running", "startedAt")
	code, terminated, _ := unstructured.NestedInt64(status, "state", "terminated", "exitCode")
	switch {
	case !harmless[reason], restarts > 0 && !ready, terminated && code != 0:
		return wrong
	case started == "" || ready:
		return fine
	}
	if since, err := time.Parse(time.RFC3339, started); err == nil && now.Sub(since) > slowStart {
		return wrong
	}
	return slow
}
