package kube

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// withoutStatus are the kinds whose being there is all there is to know.
var withoutStatus = map[schema.GroupKind]bool{
	{Kind: "ConfigMap"}:      true,
	{Kind: "Secret"}:         true,
	{Kind: "ServiceAccount"}: true,
	{Kind: "LimitRange"}:     true,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                              true,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                       true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                       true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                true,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                             true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                              true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                             true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                 true,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:   true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}: true,
}

func hasStatus(kind schema.GroupKind) bool { return !withoutStatus[kind] }

// keptSpec are the fields of spec that readiness is told from; the rest is not
// kept in memory.
var keptSpec = []string{
	"replicas", "completions", "parallelism", "suspend", "ttlSecondsAfterFinished", "progressDeadlineSeconds",
	"updateStrategy", "type", "clusterIP", "nodeName",
}

// trim takes away what readiness is not told from before an object is kept in
// memory. It is an informer's transform function.
func trim(obj any) (any, error) {
	if object, err := meta.Accessor(obj); err == nil {
		object.SetManagedFields(nil)
		object.SetAnnotations(nil)
	}
	full, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	slim := map[string]any{}
	for _, name := range []string{"apiVersion", "kind", "metadata", "status"} {
		if value, found := full.Object[name]; found {
			slim[name] = value
		}
	}
	if spec, ok := full.Object["spec"].(map[string]any); ok {
		kept := map[string]any{}
		for _, name := range keptSpec {
			if value, found := spec[name]; found {
				kept[name] = value
			}
		}
		slim["spec"] = kept
	}
	if status, ok := slim["status"].(map[string]any); ok && full.GetKind() == "HorizontalPodAutoscaler" {
		// These change all the time and say nothing about readiness.
		delete(status, "currentMetrics")
		delete(status, "conditions")
	}
	return &unstructured.Unstructured{Object: slim}, nil
}

// differs tells whether a change of a watched object is worth waking up for.
func differs(before, after any) bool {
	old, err := meta.Accessor(before)
	if err != nil {
		return true
	}
	now, err := meta.Accessor(after)
	if err != nil {
		return true
	}
	if old.GetResourceVersion() == now.GetResourceVersion() {
		return false
	}
	oldFull, _ := before.(*unstructured.Unstructured)
	nowFull, _ := after.(*unstructured.Unstructured)
	if oldFull == nil || nowFull == nil || now.GetGeneration() == 0 && nowFull.Object["status"] == nil {
		return true
	}
	return old.GetUID() != now.GetUID() || old.GetGeneration() != now.GetGeneration() ||
		(old.GetDeletionTimestamp() == nil) != (now.GetDeletionTimestamp() == nil) ||
		!maps.Equal(old.GetLabels(), now.GetLabels()) ||
		!equality.Semantic.DeepEqual(oldFull.Object["status"], nowFull.Object["status"])
}
