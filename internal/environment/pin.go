package environment

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Images are the references by tag in pod templates of charts and
// kustomizations, sorted, without duplicates: what Pin can pin.
func (d *Desired) Images() []string {
	found := map[string]bool{}
	for _, o := range d.Objects() {
		for _, container := range containers(o.Object) {
			image, _ := container["image"].(string)
			if image != "" && splitReference(image).digest == "" {
				found[image] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Digests are those of the images in pod templates, by repository; a repository
// of which several run is left out.
func (d *Desired) Digests() map[string]string {
	found, several := map[string]string{}, map[string]bool{}
	for _, o := range d.Objects() {
		for _, container := range containers(o.Object) {
			image, _ := container["image"].(string)
			ref := splitReference(image)
			if known := found[ref.repository]; ref.digest == "" || known != "" && known != ref.digest {
				several[ref.repository] = true
			}
			found[ref.repository] = ref.digest
		}
	}
	maps.DeleteFunc(found, func(repository, _ string) bool { return several[repository] })
	return found
}

// ByTag splits a reference that names an image by tag alone, or by nothing.
func ByTag(reference string) (image Image, tagged bool) {
	ref := splitReference(reference)
	return Image{Repository: ref.repository, Version: ref.tag}, ref.digest == ""
}

// Pin replaces references by tag with digests, so that charts and
// kustomizations run the same images after a rollback too. References that are
// not in images stay. It changes d; call it once, before anybody else has it.
func (d *Desired) Pin(images map[string]Image) {
	for i := range d.Stages {
		for j := range d.Stages[i].Objects {
			o := &d.Stages[i].Objects[j]
			for _, container := range containers(o.Object) {
				image, _ := container["image"].(string)
				if pinned, ok := images[image]; ok {
					container["image"] = pinned.String()
				}
			}
			if o.BaseName != "" {
				o.nameByContent()
			}
		}
	}
}

// containers of a built-in workload or Pod, initial ones included. They are part
// of the object: changing one changes the object.
func containers(u *unstructured.Unstructured) []map[string]any {
	spec := podSpec(u)
	var list []map[string]any
	for _, field := range []string{"initContainers", "containers"} {
		items, _ := spec[field].([]any)
		for _, item := range items {
			if container, ok := item.(map[string]any); ok {
				list = append(list, container)
			}
		}
	}
	return list
}

// podSpec is the spec of a Pod or of those that a built-in workload makes, or
// nil. It is part of the object.
func podSpec(u *unstructured.Unstructured) map[string]any {
	template := podTemplate(u)
	if template == nil && u.GetAPIVersion() == "v1" && u.GetKind() == "Pod" {
		template = u.Object
	}
	spec, _ := template["spec"].(map[string]any)
	return spec
}
