package kube

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// RefOf names an object.
func RefOf(obj *unstructured.Unstructured) v1alpha1.ObjectRef {
	return v1alpha1.ObjectRef{
		APIVersion: obj.GetAPIVersion(), Kind: obj.GetKind(),
		Namespace: obj.GetNamespace(), Name: obj.GetName(),
	}
}

// bare gives an object that is nothing but its reference.
func bare(ref v1alpha1.ObjectRef) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetAPIVersion(ref.APIVersion)
	obj.SetKind(ref.Kind)
	obj.SetNamespace(ref.Namespace)
	obj.SetName(ref.Name)
	return obj
}

// namespaceRef names a namespace.
func namespaceRef(name string) v1alpha1.ObjectRef {
	return v1alpha1.ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: name}
}

// Describe reads "Deployment shop/web", or "Namespace shop" for objects of the
// whole cluster.
func Describe(ref v1alpha1.ObjectRef) string {
	if ref.Namespace == "" {
		return ref.Kind + " " + ref.Name
	}
	return ref.Kind + " " + ref.Namespace + "/" + ref.Name
}

// Identity is what makes two references mean the same object: the version of
// its API does not.
type Identity struct {
	schema.GroupKind
	Namespace, Name string
}

// IdentityOf gives a reference's identity.
func IdentityOf(ref v1alpha1.ObjectRef) Identity {
	return Identity{
		GroupKind: schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind(),
		Namespace: ref.Namespace, Name: ref.Name,
	}
}

func gvkOf(ref v1alpha1.ObjectRef) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
}
