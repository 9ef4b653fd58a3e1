package kube

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// managed is one entry of an object's managedFields: who wrote which fields,
// and when.
type managed struct {
	metav1.ManagedFieldsEntry
	fields *fieldpath.Set
}

// managedOf parses an object's managedFields. Entries that cannot be parsed are
// an error: what they say is unknown.
func managedOf(live metav1.Object) ([]managed, error) {
	entries := live.GetManagedFields()
	parsed := make([]managed, len(entries))
	for i, entry := range entries {
		parsed[i] = managed{entry, &fieldpath.Set{}}
		if entry.FieldsV1 == nil {
			continue
		}
		if err := parsed[i].fields.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return nil, fmt.Errorf("reading the fields managed by %s: %w", entry.Manager, err)
		}
	}
	return parsed, nil
}

// ourFields gives the fields that Landfall owns by server-side apply.
func ourFields(entries []managed) *fieldpath.Set {
	ours := &fieldpath.Set{}
	for _, entry := range entries {
		if isOurs(entry.ManagedFieldsEntry) {
			ours = ours.Union(entry.fields)
		}
	}
	return ours
}

// systemManagers are the parts of Kubernetes that complete other people's
// objects, as they name themselves in managedFields; k3s runs them all under its
// own name.
var systemManagers = []string{
	"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager", "k3s",
}

// systemAnnotations are written into other people's objects by controllers and
// tools to remember things by.
var systemAnnotations = []string{
	"kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/", "pv.kubernetes.io/",
	"volume.kubernetes.io/", "volume.beta.kubernetes.io/", "autoscaling.alpha.kubernetes.io/",
	"control-plane.alpha.kubernetes.io/", "batch.kubernetes.io/", annotationAdopted,
}

// intruded gives the fields of a foreign entry that are no legitimate
// co-owner's: what somebody added to an object of ours.
func intruded(entry managed) *fieldpath.Set {
	added := &fieldpath.Set{}
	if entry.Manager == v1alpha1.FieldManager || entry.Subresource == "status" ||
		slices.Contains(systemManagers, entry.Manager) {
		return added
	}
	entry.fields.Iterate(func(path fieldpath.Path) {
		if !legitimate(path) {
			added.Insert(path.Copy())
		}
	})
	return added
}

// legitimate tells whether anybody may write a field of an object of ours
// without that being drift.
func legitimate(path fieldpath.Path) bool {
	switch nameAt(path, 0) {
	case "status":
		return true
	case "metadata":
		section := nameAt(path, 1)
		if section == "annotations" {
			annotation := nameAt(path, 2)
			if annotation == "" {
				return true // who wrote the first annotation has the map, too
			}
			return slices.ContainsFunc(systemAnnotations, func(known string) bool {
				return annotation == known || strings.HasSuffix(known, "/") && strings.HasPrefix(annotation, known)
			})
		}
		// Finalizers and owner references are how controllers cooperate.
		return section != "labels"
	case "webhooks":
		// Certificate managers inject the authority they made.
		return nameAt(path, len(path)-1) == "caBundle"
	}
	return false
}

// nameAt gives the field name at a place of a path; "" where there is none.
func nameAt(path fieldpath.Path, i int) string {
	if i >= len(path) || path[i].FieldName == nil {
		return ""
	}
	return *path[i].FieldName
}

// author finds who last wrote a field, anything below it, or what contains it.
func author(entries []managed, path fieldpath.Path) *managed {
	var found *managed
	for i, entry := range entries {
		if entry.Subresource == "status" || !touches(entry.fields, path) {
			continue
		}
		if found == nil || preferred(entry, *found) {
			found = &entries[i]
		}
	}
	return found
}

// preferred ranks authors: others before us, then the later one.
func preferred(a, b managed) bool {
	if ours := isOurs(a.ManagedFieldsEntry); ours != isOurs(b.ManagedFieldsEntry) {
		return !ours
	}
	return later(a, b)
}

func later(a, b managed) bool {
	return b.Time == nil || a.Time != nil && b.Time.Before(a.Time)
}

// touches tells whether a set holds the path, something below it, or a whole
// that contains it.
func touches(set *fieldpath.Set, path fieldpath.Path) bool {
	for i, element := range path {
		if i > 0 && set.Members.Has(element) && !hasChildren(set, element) {
			return true
		}
		below := set.WithPrefix(element)
		if i == len(path)-1 {
			return set.Members.Has(element) || !below.Empty()
		}
		set = below
	}
	return false
}

func hasChildren(set *fieldpath.Set, element fieldpath.PathElement) bool {
	children, found := set.Children.Get(element)
	return found && !children.Empty()
}

// remover guesses who took a field away, which managedFields do not record:
// whoever wrote the object last, after we did.
func remover(entries []managed) *managed {
	var found, ours *managed
	for i, entry := range entries {
		switch {
		case isOurs(entry.ManagedFieldsEntry):
			ours = &entries[i]
		case entry.Subresource != "", slices.Contains(systemManagers, entry.Manager):
		case found == nil || later(entry, *found):
			found = &entries[i]
		}
	}
	if found != nil && ours != nil && ours.Time != nil && found.Time != nil && found.Time.Before(ours.Time) {
		return nil
	}
	return found
}

// listKeys gives the names of the fields that tell the elements of the list at
// path apart, as the server's schema has them; none for a list that is one
// whole.
func listKeys(entries []managed, path fieldpath.Path) []string {
	for _, entry := range entries {
		set := entry.fields
		for _, element := range path {
			set = set.WithPrefix(element)
		}
		if keys := keysIn(set); len(keys) > 0 {
			return keys
		}
	}
	return nil
}

func keysIn(set *fieldpath.Set) []string {
	var keys []string
	visit := func(element fieldpath.PathElement) {
		if element.Key == nil || len(keys) > 0 {
			return
		}
		for _, field := range *element.Key {
			keys = append(keys, field.Name)
		}
	}
	set.Members.Iterate(visit)
	set.Children.Iterate(visit)
	return keys
}

// show writes a path as people do: .spec.containers[name=web].image, with names
// that are not plain in brackets: .metadata.annotations[example.com/a].
func show(path fieldpath.Path) string {
	var text strings.Builder
	for _, element := range path {
		switch {
		case element.FieldName != nil && plain(*element.FieldName):
			text.WriteString("." + *element.FieldName)
		case element.FieldName != nil:
			text.WriteString("[" + *element.FieldName + "]")
		case element.Key != nil:
			pairs := make([]string, len(*element.Key))
			for i, field := range *element.Key {
				pairs[i] = fmt.Sprintf("%s=%v", field.Name, field.Value.Unstructured())
			}
			text.WriteString("[" + strings.Join(pairs, ",") + "]")
		case element.Value != nil:
			fmt.Fprintf(&text, "[%v]", (*element.Value).Unstructured())
		case element.Index != nil:
			fmt.Fprintf(&text, "[%d]", *element.Index)
		}
	}
	return text.String()
}

func plain(name string) bool {
	return name != "" && !strings.ContainsAny(name, "./[]= ")
}

// valueAt finds what is at a path of an object.
func valueAt(value any, path fieldpath.Path) (any, bool) {
	for _, element := range path {
		next, found := childAt(value, element)
		if !found {
			return nil, false
		}
		value = next
	}
	return value, true
}

func childAt(value any, element fieldpath.PathElement) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		if element.FieldName == nil {
			return nil, false
		}
		found, ok := v[*element.FieldName]
		return found, ok
	case []any:
		for i, item := range v {
			if matches(item, i, element) {
				return item, true
			}
		}
	}
	return nil, false
}

func matches(item any, index int, element fieldpath.PathElement) bool {
	switch {
	case element.Index != nil:
		return *element.Index == index
	case element.Value != nil:
		return fmt.Sprint(item) == fmt.Sprint((*element.Value).Unstructured())
	case element.Key == nil:
		return false
	}
	fields, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for _, key := range *element.Key {
		if fmt.Sprint(fields[key.Name]) != fmt.Sprint(key.Value.Unstructured()) {
			return false
		}
	}
	return true
}
