package preflight

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-helpers/resource"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// workload is something that makes pods.
type workload struct {
	key transfer.Key
	// replicas that it asks for now; max is where an autoscaler may take it.
	replicas, max int
	// perNode: one pod on each node that takes it (DaemonSet).
	perNode bool
	// passing: its pods come and go (Job, CronJob).
	passing bool
	pod     corev1.Pod
	claims  []corev1.PersistentVolumeClaim
}

// templates are where the built-in workloads have their pods.
var templates = map[schema.GroupKind][]string{
	{Kind: "Pod"}:                           {},
	{Kind: "ReplicationController"}:         {"spec", "template"},
	{Group: "apps", Kind: "Deployment"}:     {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}:    {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:      {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:     {"spec", "template"},
	{Group: "batch", Kind: "Job"}:           {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:       {"spec", "jobTemplate", "spec", "template"},
	{Group: "argoproj.io", Kind: "Rollout"}: {"spec", "template"},
}

// workloadOf reads a workload; nil if the object is none.
func workloadOf(u *unstructured.Unstructured) (*workload, error) {
	path, ok := templates[u.GroupVersionKind().GroupKind()]
	if !ok {
		return nil, nil
	}
	template, found, err := unstructured.NestedMap(u.Object, path...)
	if err != nil {
		return nil, err
	}
	if !found { // a Rollout may refer to another workload
		return nil, nil
	}
	var pods []corev1.Pod
	if err := add(&unstructured.Unstructured{Object: template}, &pods); err != nil {
		return nil, err
	}
	w := &workload{key: transfer.KeyOf(u), replicas: 1, pod: pods[0]}
	w.pod.Namespace, w.pod.Name = u.GetNamespace(), cmp.Or(w.pod.Name, u.GetName())
	if n, found, _ := unstructured.NestedInt64(u.Object, "spec", "replicas"); found {
		w.replicas = int(n)
	}
	switch u.GetKind() {
	case "DaemonSet":
		w.perNode = true
	case "Job", "CronJob":
		w.passing = true
	case "StatefulSet":
		err = w.readClaims(u)
	}
	w.max = w.replicas
	return w, err
}

func (w *workload) readClaims(u *unstructured.Unstructured) error {
	claims, _, err := unstructured.NestedSlice(u.Object, "spec", "volumeClaimTemplates")
	if err != nil {
		return err
	}
	for _, c := range claims {
		claim, _ := c.(map[string]any)
		if err := add(&unstructured.Unstructured{Object: claim}, &w.claims); err != nil {
			return err
		}
	}
	return nil
}

// requests of one pod, as the scheduler counts them.
func (w *workload) requests() corev1.ResourceList {
	return resource.PodRequests(&w.pod, resource.PodResourcesOptions{})
}

// idle: it wants no pods now and never will by itself.
func (w *workload) idle() bool { return w.max == 0 && !w.perNode && !w.passing }

// blocks is the severity of something that keeps the workload's pods from
// running.
func (w *workload) blocks() Severity {
	if w.idle() {
		return Warn
	}
	return Block
}

// containers of its pods, those that run first included.
func (w *workload) containers() []corev1.Container {
	return append(append([]corev1.Container{}, w.pod.Spec.InitContainers...), w.pod.Spec.Containers...)
}
