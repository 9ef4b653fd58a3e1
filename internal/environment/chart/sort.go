package chart

import (
	"cmp"
	"fmt"
	"slices"

	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// sortOut turns rendered files into objects: definitions, hooks and the rest.
func sortOut(files rendering) (*Rendered, error) {
	byName := map[string]string{}
	for _, f := range files.Files {
		byName[f.Name] = f.Content
	}
	hooks, manifests, err := releaseutil.SortManifests(byName, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	r := &Rendered{}
	if err := r.addDefinitions(files.CRDs); err != nil {
		return nil, err
	}
	for _, m := range manifests {
		objects, err := parse(m.Name, m.Content)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if IsDefinition(o) {
				r.Definitions = append(r.Definitions, o)
			} else {
				r.Objects = append(r.Objects, o)
			}
		}
	}
	if r.Before, err = waves(hooks, releasev1.HookPreInstall, releasev1.HookPreUpgrade); err != nil {
		return nil, err
	}
	r.After, err = waves(hooks, releasev1.HookPostInstall, releasev1.HookPostUpgrade)
	return r, err
}

func (r *Rendered) addDefinitions(crds []file) error {
	for _, f := range crds {
		for _, document := range sortedDocuments(f.Content) {
			objects, err := parse(f.Name, document)
			if err != nil {
				return err
			}
			r.Definitions = append(r.Definitions, objects...)
		}
	}
	return nil
}

func sortedDocuments(content string) []string {
	documents := releaseutil.SplitManifests(content)
	var keys []string
	for key := range documents {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var list []string
	for _, key := range keys {
		list = append(list, documents[key])
	}
	return list
}

// waves are the hooks of any of the events, grouped by weight, lightest first.
// A hook of both an installation and an upgrade runs once.
func waves(hooks []*releasev1.Hook, events ...releasev1.HookEvent) ([][]*unstructured.Unstructured, error) {
	var chosen []*releasev1.Hook
	for _, h := range hooks {
		if slices.ContainsFunc(h.Events, func(e releasev1.HookEvent) bool { return slices.Contains(events, e) }) {
			chosen = append(chosen, h)
		}
	}
	slices.SortStableFunc(chosen, func(a, b *releasev1.Hook) int { return cmp.Compare(a.Weight, b.Weight) })
	var list [][]*unstructured.Unstructured
	for i, h := range chosen {
		objects, err := parse(h.Path, h.Manifest)
		if err != nil {
			return nil, err
		}
		if i == 0 || h.Weight != chosen[i-1].Weight {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], objects...)
	}
	return list, nil
}

// parse reads the objects of one YAML document; a List gives its items, a
// document without content none.
func parse(name, document string) ([]*unstructured.Unstructured, error) {
	// By way of Kubernetes' JSON: whole numbers stay whole.
	var content map[string]any
	text, err := yaml.YAMLToJSON([]byte(document))
	if err == nil {
		err = json.Unmarshal(text, &content)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the rendered text is not a YAML mapping: %w", name, err)
	}
	if len(content) == 0 {
		return nil, nil
	}
	u := &unstructured.Unstructured{Object: content}
	if u.GetAPIVersion() == "" || u.GetKind() == "" {
		return nil, fmt.Errorf("%s: an object lacks apiVersion or kind", name)
	}
	if !u.IsList() {
		if u.GetName() == "" {
			return nil, fmt.Errorf("%s: %s lacks metadata.name", name, u.GetKind())
		}
		return []*unstructured.Unstructured{u}, nil
	}
	list, err := u.ToList()
	if err != nil {
		return nil, fmt.Errorf("%s: reading %s: %w", name, u.GetKind(), err)
	}
	var objects []*unstructured.Unstructured
	for i := range list.Items {
		objects = append(objects, &list.Items[i])
	}
	return objects, nil
}

// IsDefinition tells a CustomResourceDefinition.
func IsDefinition(u *unstructured.Unstructured) bool {
	gvk := u.GroupVersionKind()
	return gvk.Group == "apiextensions.k8s.io" && gvk.Kind == "CustomResourceDefinition"
}
