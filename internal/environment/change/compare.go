package change

import (
	"encoding/json"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// running gives a component's version and exact image by name.
func running(env *v1alpha1.Environment) map[string]v1alpha1.ComponentStatus {
	byName := map[string]v1alpha1.ComponentStatus{}
	for _, c := range env.Status.Components {
		byName[c.Name] = c
	}
	for name, version := range env.Spec.Versions {
		if _, known := byName[name]; !known {
			byName[name] = v1alpha1.ComponentStatus{Name: name, Version: version}
		}
	}
	return byName
}

func compareVersions(a, b *v1alpha1.Environment, add func(field, left, right string)) {
	left, right := running(a), running(b)
	for _, name := range union(left, right) {
		l, r := left[name], right[name]
		if l.Image != "" && l.Image == r.Image {
			continue
		}
		field := "versions." + name
		if l.Version == r.Version && l.Image != r.Image {
			add(field, l.Image, r.Image)
			continue
		}
		add(field, l.Version, r.Version)
	}
}

func compareOverrides(a, b *v1alpha1.Environment, add func(field, left, right string)) {
	left, right := map[string]string{}, map[string]string{}
	for _, o := range a.Spec.Overrides {
		left[o.Component] = text(o)
	}
	for _, o := range b.Spec.Overrides {
		right[o.Component] = text(o)
	}
	for _, name := range union(left, right) {
		add("overrides."+name, left[name], right[name])
	}
}

func compareStores(a, b *v1alpha1.Environment, add func(field, left, right string)) {
	left, right := map[string]string{}, map[string]string{}
	for _, s := range a.Spec.Stores {
		left[s.Name] = text(s.StoreSource)
	}
	for _, s := range b.Spec.Stores {
		right[s.Name] = text(s.StoreSource)
	}
	for _, name := range union(left, right) {
		add("stores."+name, left[name], right[name])
	}
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

func union[V any](a, b map[string]V) []string {
	var all []string
	for name := range a {
		all = append(all, name)
	}
	for name := range b {
		if _, known := a[name]; !known {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
