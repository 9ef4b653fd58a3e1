package parity

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// side is one of the two clusters while it is read. Its methods are called by
// one goroutine at a time.
type side struct {
	cluster   *transfer.Cluster
	serves    map[schema.GroupKind]transfer.Resource
	selection transfer.Selection
	// options bring its objects into the form that is compared.
	options transfer.Options

	// selectors are Services with a selector, by namespace and name as here.
	selectors map[[2]string]bool
	// scaled are workloads that an autoscaler scales.
	scaled map[transfer.Key]bool
	running
}

func newSide(cluster *transfer.Cluster, selection transfer.Selection, rename map[string]string) *side {
	s := &side{
		cluster: cluster, selection: selection, selectors: map[[2]string]bool{}, scaled: map[transfer.Key]bool{},
		options: transfer.Options{Namespaces: rename, KeepCronJobs: true},
		running: newRunning(),
	}
	s.options.Selects = func(namespace, service string) bool { return s.selectors[[2]string{namespace, service}] }
	return s
}

// here is the name that a namespace has when it is compared.
func (s *side) here(namespace string) string {
	if renamed, ok := s.options.Namespaces[namespace]; ok {
		return renamed
	}
	return namespace
}

// key is what an object of this side is compared as.
func (s *side) key(u *unstructured.Unstructured) transfer.Key {
	k := transfer.KeyOf(u)
	k.Namespace = s.here(k.Namespace)
	if k.Kind == namespaceKind {
		k.Name = s.here(k.Name)
	}
	return k
}

// wants tells whether an object of no namespace is selected.
func (s *side) wants(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().GroupKind() != namespaceKind || len(s.selection.Namespaces) == 0 || slices.Contains(s.selection.Namespaces, u.GetName())
}

// note remembers what other objects are judged by.
func (s *side) note(u *unstructured.Unstructured) {
	switch u.GroupVersionKind().GroupKind() {
	case serviceKind:
		if selector, _, _ := unstructured.NestedMap(u.Object, "spec", "selector"); len(selector) > 0 {
			s.selectors[[2]string{u.GetNamespace(), u.GetName()}] = true
		}
	case autoscalerKind:
		version, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "apiVersion")
		kind, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "name")
		s.scaled[transfer.Key{Kind: schema.FromAPIVersionAndKind(version, kind).GroupKind(), Namespace: s.here(u.GetNamespace()), Name: name}] = true
	}
	s.running.note(u, s.key(u))
}

// Kinds that are treated apart.
var (
	namespaceKind  = schema.GroupKind{Kind: "Namespace"}
	serviceKind    = schema.GroupKind{Kind: "Service"}
	secretKind     = schema.GroupKind{Kind: "Secret"}
	podKind        = schema.GroupKind{Kind: "Pod"}
	replicaSetKind = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	autoscalerKind = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	cronJobKind    = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	definitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// entry is what is kept of an object until its twin has been read.
type entry struct {
	// text is its comparable form as JSON, whose fields are in order: equal
	// objects have equal texts. Nil where it stays.
	text []byte
	// stays says why it is not compared.
	stays string
	// owned are fields of managers that rules name.
	owned fields
	// elsewhere: it is a CronJob that is suspended here since it runs there.
	elsewhere bool
}

// enter brings an object into the form that is compared.
func (s *side) enter(u *unstructured.Unstructured, managers []string) entry {
	c := transfer.Portable(u, s.options)
	if c.Object == nil {
		return entry{stays: c.Stays}
	}
	e := entry{}
	if len(managers) > 0 {
		e.owned = ownedBy(u, managers)
	}
	if annotations := c.Object.GetAnnotations(); annotations[transfer.Suspended] != "" && u.GroupVersionKind().GroupKind() == cronJobKind {
		_ = unstructured.SetNestedField(c.Object.Object, false, "spec", "suspend") // a CronJob has a spec
		e.elsewhere = true
	}
	withoutAnnotations(c.Object, transfer.From, transfer.Suspended)
	e.text, _ = json.Marshal(c.Object.Object) // which is how it came
	return e
}

// withoutAnnotations takes annotations away, and the map if nothing is left in
// it.
func withoutAnnotations(u *unstructured.Unstructured, names ...string) {
	annotations := u.GetAnnotations()
	for _, name := range names {
		delete(annotations, name)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	u.SetAnnotations(annotations)
}

// object reads an entry's form back.
func (e entry) object() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	return u, u.UnmarshalJSON(e.text)
}
