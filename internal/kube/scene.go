package kube

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// scene is what there is to see in one namespace.
type scene struct {
	pods   []corev1.Pod
	events []corev1.Event
	// parents gives the controller of what controls pods.
	parents map[child]child
	// revisions gives the number of a ReplicaSet's revision, by name.
	revisions map[string]int
}

// child is an object as owner references and events name it.
type child struct{ kind, name string }

var (
	replicaSets = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	// workloads are what operators make of their custom resources.
	workloads = []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "Deployment"},
		{Group: "apps", Version: "v1", Kind: "StatefulSet"},
		{Group: "batch", Version: "v1", Kind: "Job"},
	}
)

// scene reads a namespace with an eye to what waits.
func (t *Target) scene(ctx context.Context, namespace string, waiting []ObjectStatus) (*scene, error) {
	s := &scene{parents: make(map[child]child), revisions: make(map[string]int)}
	if namespace == "" {
		return s, nil
	}
	var pods corev1.PodList
	if err := t.Client.List(ctx, &pods, client.InNamespace(namespace), client.Limit(2*pageSize)); err != nil {
		return nil, fmt.Errorf("reading pods of namespace %s on cluster %s: %w", namespace, t.name, err)
	}
	s.pods = pods.Items
	var events corev1.EventList
	warnings := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("type", corev1.EventTypeWarning)}
	if err := t.Client.List(ctx, &events, client.InNamespace(namespace), warnings, client.Limit(2*pageSize)); err != nil {
		return nil, fmt.Errorf("reading events of namespace %s on cluster %s: %w", namespace, t.name, err)
	}
	s.events = events.Items

	kinds := []schema.GroupVersionKind{replicaSets}
	if slices.ContainsFunc(waiting, func(o ObjectStatus) bool { return !isWorkload(o.Object) }) {
		kinds = append(kinds, workloads...)
	}
	for _, kind := range kinds {
		objs, err := t.listMetadata(ctx, collection{kind, namespace})
		if err != nil {
			return nil, fmt.Errorf("reading %s objects of namespace %s on cluster %s: %w", kind.Kind, namespace, t.name, err)
		}
		for i := range objs {
			s.add(kind.Kind, &objs[i])
		}
	}
	return s, nil
}

func (s *scene) add(kind string, obj *metav1.PartialObjectMetadata) {
	if owner := metav1.GetControllerOf(obj); owner != nil {
		s.parents[child{kind, obj.Name}] = child{owner.Kind, owner.Name}
	}
	if kind == replicaSets.Kind {
		// An absent or odd revision counts as the oldest.
		s.revisions[obj.Name], _ = strconv.Atoi(obj.Annotations["deployment.kubernetes.io/revision"])
	}
}

// descends tells whether an object is the ancestor, or is controlled by it
// through any others.
func (s *scene) descends(c, ancestor child) bool {
	for range 5 {
		if c == ancestor {
			return true
		}
		parent, found := s.parents[c]
		if !found {
			return false
		}
		c = parent
	}
	return false
}

// podsOf gives the pods of an object: of a Deployment in mid-rollout those of
// its newest revision, because older ones say nothing about the release.
func (s *scene) podsOf(ref v1alpha1.ObjectRef) []corev1.Pod {
	ancestor := child{ref.Kind, ref.Name}
	newest := -1
	for name, revision := range s.revisions {
		if s.descends(child{replicaSets.Kind, name}, ancestor) {
			newest = max(newest, revision)
		}
	}
	var found []corev1.Pod
	for _, pod := range s.pods {
		owner := metav1.GetControllerOf(&pod)
		if owner == nil || !s.descends(child{owner.Kind, owner.Name}, ancestor) {
			continue
		}
		if owner.Kind == replicaSets.Kind && s.revisions[owner.Name] < newest {
			continue
		}
		found = append(found, pod)
	}
	return found
}
