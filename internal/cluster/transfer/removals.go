package transfer

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// removal is one field that belongs to the source cluster. docs/transfer-table.md
// is made of this table; what depends on more than the kind is in specials.
type removal struct {
	// kinds whose field it is; nil means all.
	kinds []schema.GroupKind
	// path of fields, separated by a blank since annotations hold dots and
	// slashes; [] goes through a list.
	path string
}

var (
	pods         = []schema.GroupKind{kind("", "Pod")}
	services     = []schema.GroupKind{kind("", "Service")}
	claims       = []schema.GroupKind{kind("", "PersistentVolumeClaim")}
	volumes      = []schema.GroupKind{kind("", "PersistentVolume")}
	jobs         = []schema.GroupKind{kind("batch", "Job")}
	deployments  = []schema.GroupKind{kind("apps", "Deployment")}
	daemonSets   = []schema.GroupKind{kind("apps", "DaemonSet")}
	statefulSets = []schema.GroupKind{kind("apps", "StatefulSet")}
	namespaces   = []schema.GroupKind{kind("", "Namespace")}
	accounts     = []schema.GroupKind{kind("", "ServiceAccount")}
)

// removals that need nothing but the kind.
var removals = []removal{
	{path: "metadata uid"},
	{path: "metadata resourceVersion"},
	{path: "metadata generation"},
	{path: "metadata creationTimestamp"},
	{path: "metadata selfLink"},
	{path: "metadata deletionTimestamp"},
	{path: "metadata deletionGracePeriodSeconds"},
	{path: "metadata generateName"},
	{path: "metadata managedFields"},
	{path: "metadata annotations kubectl.kubernetes.io/last-applied-configuration"},
	{path: "status"},

	{namespaces, "spec finalizers"},
	{deployments, "metadata annotations deployment.kubernetes.io/revision"},
	{daemonSets, "metadata annotations deprecated.daemonset.template.generation"},
	{statefulSets, "spec volumeClaimTemplates [] status"},
	{statefulSets, "spec volumeClaimTemplates [] metadata creationTimestamp"},
	{accounts, "secrets"},

	{pods, "spec nodeName"},
	{pods, "spec priority"},
	{pods, "spec preemptionPolicy"},

	{services, "spec clusterIPs"},

	{claims, "metadata annotations pv.kubernetes.io/bind-completed"},
	{claims, "metadata annotations pv.kubernetes.io/bound-by-controller"},
	{claims, "metadata annotations volume.kubernetes.io/selected-node"},
	{claims, "metadata annotations volume.kubernetes.io/storage-provisioner"},
	{claims, "metadata annotations volume.beta.kubernetes.io/storage-provisioner"},

	{volumes, "spec claimRef uid"},
	{volumes, "spec claimRef resourceVersion"},
	{volumes, "metadata annotations pv.kubernetes.io/bound-by-controller"},

	{jobs, "metadata labels controller-uid"},
	{jobs, "metadata labels batch.kubernetes.io/controller-uid"},
	{jobs, "metadata annotations batch.kubernetes.io/job-tracking"},
}

// about tells whether the removal is about the object's kind.
func (r removal) about(u *unstructured.Unstructured) bool {
	if r.kinds == nil {
		return true
	}
	for _, k := range r.kinds {
		if k == u.GroupVersionKind().GroupKind() {
			return true
		}
	}
	return false
}

func (r removal) fields() []string { return strings.Fields(r.path) }

// remove takes a field away; what is not there is fine.
func remove(object map[string]any, path ...string) {
	if len(path) == 1 {
		delete(object, path[0])
		return
	}
	switch next := object[path[0]].(type) {
	case map[string]any:
		remove(next, path[1:]...)
	case []any:
		if path[1] != "[]" {
			return
		}
		for _, item := range next {
			if m, ok := item.(map[string]any); ok {
				remove(m, path[2:]...)
			}
		}
	}
}

// tidy takes away the maps that removals have left empty, in the metadata only:
// elsewhere an empty map may mean something (emptyDir: {}).
func tidy(u *unstructured.Unstructured) {
	for _, field := range []string{"annotations", "labels"} {
		if m, ok, _ := unstructured.NestedMap(u.Object, "metadata", field); ok && len(m) == 0 {
			remove(u.Object, "metadata", field)
		}
	}
}
