package kube

import (
	"context"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// annotationAdopted marks a namespace that existed before its environment: it
// stays when the environment goes.
const annotationAdopted = "landfall.dev/adopted"

// Owner is the Environment for which objects are applied. The zero Owner
// stands for Landfall's own platform, whose objects carry no environment.
type Owner struct {
	// Project is the namespace of the Environment.
	Project string
	// Name of the Environment.
	Name string
	// UID of the Environment: one deleted and created anew is another owner.
	UID types.UID
}

// OwnerOf gives the owner that an Environment is.
func OwnerOf(env *v1alpha1.Environment) Owner {
	return Owner{Project: env.Namespace, Name: env.Name, UID: env.UID}
}

// String is the value of the annotation that marks a namespace:
// PROJECT/NAME/UID.
func (o Owner) String() string {
	return o.Project + "/" + o.Name + "/" + string(o.UID)
}

// stamp gives a copy of obj marked as the owner's.
func (o Owner) stamp(obj *unstructured.Unstructured) *unstructured.Unstructured {
	obj = obj.DeepCopy()
	labels := map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager}
	maps.Copy(labels, obj.GetLabels())
	if o != (Owner{}) {
		labels[v1alpha1.LabelProject] = o.Project
		labels[v1alpha1.LabelEnvironment] = o.Name
	}
	obj.SetLabels(labels)
	if isNamespace(obj) && o != (Owner{}) {
		annotations := maps.Clone(obj.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1alpha1.AnnotationOwner] = o.String()
		obj.SetAnnotations(annotations)
	}
	return obj
}

// owns tells whether a live object is the owner's. A label alone is not enough,
// for labels get copied: Landfall must have applied the object itself. A
// namespace is told by the annotation that names the very Environment.
func (o Owner) owns(live metav1.Object, namespace bool) bool {
	labels := live.GetLabels()
	switch {
	case !appliedByUs(live):
		return false
	case o == (Owner{}):
		return labels[v1alpha1.LabelEnvironment] == ""
	case namespace:
		return live.GetAnnotations()[v1alpha1.AnnotationOwner] == o.String()
	}
	return labels[v1alpha1.LabelProject] == o.Project && labels[v1alpha1.LabelEnvironment] == o.Name
}

// reclaim marks those of the found objects as the owner's, in memory, that we
// have applied in the owner's namespace and whose labels somebody has removed.
func (t *Target) reclaim(ctx context.Context, owner Owner, found map[Identity]*metav1.PartialObjectMetadata) error {
	if owner == (Owner{}) {
		return nil
	}
	owned := map[string]bool{}
	for _, live := range found {
		labels := live.GetLabels()
		if live.Namespace == "" || !appliedByUs(live) || labels[v1alpha1.LabelEnvironment] != "" && labels[v1alpha1.LabelProject] != "" {
			continue
		}
		ours, asked := owned[live.Namespace]
		if !asked {
			namespace, err := t.getMetadata(ctx, namespaceKind, "", live.Namespace)
			if err != nil {
				return fmt.Errorf("reading namespace %s of cluster %s: %w", live.Namespace, t.name, err)
			}
			ours = namespace != nil && owner.owns(namespace, true)
			owned[live.Namespace] = ours
		}
		if ours {
			marked := map[string]string{}
			maps.Copy(marked, labels)
			marked[v1alpha1.LabelProject], marked[v1alpha1.LabelEnvironment] = owner.Project, owner.Name
			live.SetLabels(marked)
		}
	}
	return nil
}

// ownerNamed says whose a live object is, for people; empty when it is nobody's
// that we know.
func ownerNamed(live metav1.Object) string {
	if owner := live.GetAnnotations()[v1alpha1.AnnotationOwner]; owner != "" {
		if parts := strings.SplitN(owner, "/", 3); len(parts) == 3 {
			return "environment " + parts[0] + "/" + parts[1]
		}
	}
	labels := live.GetLabels()
	if name := labels[v1alpha1.LabelEnvironment]; name != "" {
		return "environment " + labels[v1alpha1.LabelProject] + "/" + name
	}
	if manager := labels[v1alpha1.LabelManagedBy]; manager != "" {
		return manager
	}
	if release := live.GetAnnotations()["meta.helm.sh/release-name"]; release != "" {
		return "Helm release " + release
	}
	return ""
}

// appliedByUs tells whether Landfall has applied the object by server-side
// apply, and so owns fields of it.
func appliedByUs(live metav1.Object) bool {
	for _, entry := range live.GetManagedFields() {
		if isOurs(entry) {
			return true
		}
	}
	return false
}

// isOurs tells our server-side applies from everybody else's entries.
func isOurs(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == v1alpha1.FieldManager &&
		entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

func isNamespace(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "Namespace" && obj.GetAPIVersion() == "v1"
}

// isDefaultAccount tells the ServiceAccount that Kubernetes makes in every
// namespace. It is nobody's: an environment adds to it, leaves what others put on
// it, and takes its own part back instead of deleting it.
func isDefaultAccount(ref v1alpha1.ObjectRef) bool {
	return ref.Kind == "ServiceAccount" && ref.APIVersion == "v1" && ref.Name == "default"
}

func isDefinition(ref v1alpha1.ObjectRef) bool {
	return ref.Kind == "CustomResourceDefinition" && strings.HasPrefix(ref.APIVersion, "apiextensions.k8s.io/")
}
