// Package transfer copies objects from one cluster to another, through their
// APIs alone. What of an object belongs to its cluster is left behind
// (Portable), in an order in which every object finds what it needs (Stage).
//
// This package decides; it asks no cluster. Start at Portable.
package transfer

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options say what is done on the way.
type Options struct {
	// Namespaces that get another name, old to new.
	Namespaces map[string]string
	// KeepCronJobs leaves schedules as they are. Without it they are suspended in
	// the target, so that jobs run on one side only.
	KeepCronJobs bool
	// Selects tells whether a Service has a selector: its endpoints are then
	// kept by the target. Nil means that none has.
	Selects func(namespace, service string) bool
	// KeepFinalizers are those that the target has controllers for.
	KeepFinalizers []string
}

// Copy is what becomes of one object.
type Copy struct {
	// Object to create in the target; nil if it stays.
	Object *unstructured.Unstructured
	// Stays says why it is not copied.
	Stays string
	// Notes are what people should know: something was changed, or may not mean
	// the same in the target.
	Notes []string
}

// Portable gives what of an object makes sense in another cluster. The object
// stays as it is. Owner references keep the old UIDs: who creates the objects
// knows the new ones (Owners).
func Portable(source *unstructured.Unstructured, o Options) Copy {
	if why := stays(source); why != "" {
		return Copy{Stays: why}
	}
	if o.selects(source) {
		return Copy{Stays: "is kept for a Service with a selector"}
	}
	c := &Copy{Object: lean(source)}
	for _, r := range removals {
		if r.about(source) {
			remove(c.Object.Object, r.fields()...)
		}
	}
	c.finalizers(o)
	if s, ok := specials[source.GroupVersionKind().GroupKind()]; ok {
		s.do(c, source, o)
	}
	if c.Object == nil {
		return *c
	}
	c.rename(o)
	tidy(c.Object)
	return *c
}

// lean is a copy without what no copy has and is most of many objects.
func lean(source *unstructured.Unstructured) *unstructured.Unstructured {
	object := maps.Clone(source.Object)
	delete(object, "status")
	if metadata, ok := object["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, "managedFields")
		object["metadata"] = metadata
	}
	return &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
}

// selects tells whether the object is the endpoints of a Service with a
// selector.
func (o Options) selects(u *unstructured.Unstructured) bool {
	return o.Selects != nil && u.GroupVersionKind().GroupKind() == kind("", "Endpoints") && o.Selects(u.GetNamespace(), u.GetName())
}

// finalizers that nobody in the target would take away would block deletion
// there for ever.
func (c *Copy) finalizers(o Options) {
	kept := slices.DeleteFunc(c.Object.GetFinalizers(), func(f string) bool { return !slices.Contains(o.KeepFinalizers, f) })
	for _, f := range c.Object.GetFinalizers() {
		if !slices.Contains(kept, f) && !slices.Contains(serverFinalizers, f) {
			c.note("finalizer %s was left out", f)
		}
	}
	if len(kept) == 0 {
		kept = nil // which takes the field away
	}
	c.Object.SetFinalizers(kept)
}

// serverFinalizers are put on by every cluster itself.
var serverFinalizers = []string{"kubernetes.io/pvc-protection", "kubernetes.io/pv-protection", "foregroundDeletion", "orphan",
	"service.kubernetes.io/load-balancer-cleanup", "batch.kubernetes.io/job-tracking", "external-provisioner.volume.kubernetes.io/finalizer", "customresourcecleanup.apiextensions.k8s.io"}

func (c *Copy) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// annotate sets one annotation.
func annotate(u *unstructured.Unstructured, name, value string) {
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[name] = value
	u.SetAnnotations(annotations)
}

// Kinds that are treated apart in several places.
var (
	serviceKind   = kind("", "Service")
	namespaceKind = kind("", "Namespace")
	podKind       = kind("", "Pod")
	secretKind    = kind("", "Secret")
	cronJobKind   = kind("batch", "CronJob")
	definition    = kind("apiextensions.k8s.io", "CustomResourceDefinition")
)

func kind(group, name string) schema.GroupKind { return schema.GroupKind{Group: group, Kind: name} }
