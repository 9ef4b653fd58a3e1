package preflight

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

//go:embed data/removed-apis.yaml
var removedAPIsFile []byte

// removedAPI is a version of a kind that Kubernetes no longer serves.
type removedAPI struct {
	// Removed is the release that no longer serves it: "1.25".
	Removed string   `json:"removed"`
	API     string   `json:"api"`
	Kinds   []string `json:"kinds"`
	// Instead is the API that took over; empty for none.
	Instead string `json:"instead"`
	Note    string `json:"note"`
}

// removedAPIs by group, version and kind.
var removedAPIs = func() map[schema.GroupVersionKind]removedAPI {
	var file struct {
		Source string       `json:"source"`
		APIs   []removedAPI `json:"apis"`
	}
	mustRead(removedAPIsFile, &file)
	all := map[schema.GroupVersionKind]removedAPI{}
	for _, r := range file.APIs {
		gv, err := schema.ParseGroupVersion(r.API)
		if err != nil {
			panic(err) // the file is ours
		}
		for _, k := range r.Kinds {
			all[gv.WithKind(k)] = r
		}
	}
	return all
}()

const deprecationGuide = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/"

// mustRead reads a data file that is built in.
func mustRead(file []byte, into any) {
	if err := yaml.UnmarshalStrict(file, into); err != nil {
		panic(fmt.Sprintf("reading a data file of preflight: %v", err))
	}
}

// findAPIs compares what comes with what the target serves.
func findAPIs(w *world) []Finding {
	var found []Finding
	for _, k := range w.in.kindsThatCome() {
		there, served := w.to.serves[k]
		switch {
		case !served && !w.in.defined[k]:
			found = append(found, w.notServed(k)...)
		case served && !share(w.from.serves[k].Versions, there.Versions):
			objects := w.in.all(k)
			found = append(found, Finding{
				Severity: Block, Objects: objects.named, Count: objects.count,
				What:   fmt.Sprintf("%s serves %s only as %s, %s only as %s", w.to.name, k, strings.Join(there.Versions, ", "), w.from.name, strings.Join(w.from.serves[k].Versions, ", ")),
				Remedy: fmt.Sprintf("Upgrade what defines %s on %s until both sides share a version, then move.", k, w.from.name),
			})
		}
	}
	return append(found, w.outdatedWriters()...)
}

// notServed is about a kind that the target does not serve. The same objects
// may be served by another group as well, as Ingresses once were: then they
// come from there.
func (w *world) notServed(k schema.GroupKind) []Finding {
	objects := w.in.all(k)
	f := Finding{
		Severity: Block, Objects: objects.named, Count: objects.count,
		What:   fmt.Sprintf("%s has no API for %s", w.to.name, k),
		Remedy: "Install what defines it there first, or leave these objects out.",
	}
	if slices.ContainsFunc(w.to.unreadable, func(u transfer.Unreadable) bool { return strings.HasPrefix(u.What, k.Group+"/") }) {
		f.Severity, f.What = Unknown, fmt.Sprintf("whether %s has an API for %s: its group could not be read", w.to.name, k)
		f.Remedy = "Repair the aggregated API there, or remove its APIService (kubectl get apiservices)."
		return []Finding{f}
	}
	for _, version := range w.from.serves[k].Versions {
		removed, ok := removedAPIs[k.WithVersion(version)]
		if !ok {
			continue
		}
		f.What += fmt.Sprintf(": Kubernetes %s removed %s", removed.Removed, removed.API)
		f.Source = deprecationGuide
		f.Remedy = removed.remedy(k.Kind)
		if instead, err := schema.ParseGroupVersion(removed.Instead); err == nil && removed.Instead != "" {
			if _, both := w.to.serves[instead.WithKind(k.Kind).GroupKind()]; both && len(w.in.namespacesOf(instead.WithKind(k.Kind).GroupKind())) > 0 {
				return nil
			}
		}
		break
	}
	return []Finding{f}
}

func (r removedAPI) remedy(kind string) string {
	if r.Instead == "" {
		return strings.TrimSpace(r.Note + " Leave these objects out.")
	}
	return strings.TrimSpace(fmt.Sprintf("Write %s as %s. %s", kind, r.Instead, r.Note))
}

// outdatedWriters are clients whose next write will fail on the target: charts
// and manifests in versions that only the source serves. The objects
// themselves come in a version that both have.
func (w *world) outdatedWriters() []Finding {
	var found []Finding
	for writer, objects := range w.in.writers {
		there, served := w.to.serves[writer.kind]
		if !served || slices.Contains(there.Versions, writer.version) || !slices.Contains(w.from.serves[writer.kind].Versions, writer.version) || ownWriter(writer.name) {
			continue
		}
		gvk := writer.kind.WithVersion(writer.version)
		f := Finding{
			Severity: Warn, Objects: objects.named, Count: objects.count,
			What:   fmt.Sprintf("%s writes it as %s, which %s does not serve: its next write there fails", writer.name, gvk.GroupVersion(), w.to.name),
			Remedy: fmt.Sprintf("Write %s as %s in manifests and charts before the move.", writer.kind.Kind, schema.GroupVersion{Group: writer.kind.Group, Version: there.Version}),
		}
		if removed, ok := removedAPIs[gvk]; ok {
			f.Source, f.Remedy = deprecationGuide, removed.remedy(writer.kind.Kind)
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.What, b.What) })
	return found
}

// ownWriter tells the source's control plane, which stays there.
func ownWriter(name string) bool {
	return strings.HasPrefix(name, "kube-") || name == "before-first-apply"
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}
