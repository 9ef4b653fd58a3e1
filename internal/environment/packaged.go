package environment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/landfall-dev/landfall/internal/environment/chart"
	"github.com/landfall-dev/landfall/internal/environment/kustomization"
	"github.com/landfall-dev/landfall/internal/environment/pack"
	"github.com/landfall-dev/landfall/internal/fault"
)

// chart builds a chart component.
func (r *renderer) chart(ctx context.Context, p *part, at *field.Path) (built, error) {
	fetched, ok := r.in.Charts[p.Name]
	if !ok || len(fetched.Archive) == 0 {
		return built{}, fault.New(fault.Failed, "", "%s: the chart of component %s was not fetched", at.Child("chart"), p.Name)
	}
	values, err := chartValues(p.Chart.Values)
	if err == nil && p.version != "" && p.Chart.VersionPath != "" {
		err = setValue(values, p.Chart.VersionPath, p.version)
	}
	if err != nil {
		return built{}, r.invalid(p, at.Child("chart"), err)
	}
	rendered, err := chart.Render(ctx, chart.Request{
		Archive: fetched.Archive, Release: p.Name, Namespace: r.namespace, Values: values,
		KubeVersion: r.kubeVersion(), APIVersions: r.in.APIs.Versions,
	})
	if err != nil {
		return built{}, r.invalid(p, at.Child("chart"), err)
	}
	return r.placeChart(p, at.Child("chart"), rendered)
}

func (r *renderer) placeChart(p *part, at *field.Path, rendered *chart.Rendered) (built, error) {
	scopes := definedScopes(rendered.Definitions)
	b := built{packaged: true}
	var err error
	if b.definitions, err = r.place(p, at, rendered.Definitions, scopes); err != nil {
		return built{}, err
	}
	if b.objects, err = r.place(p, at, rendered.Objects, scopes); err != nil {
		return built{}, err
	}
	if b.before, err = r.placeHooks(p, at, rendered.Before, scopes); err != nil {
		return built{}, err
	}
	b.after, err = r.placeHooks(p, at, rendered.After, scopes)
	return b, err
}

// placeHooks places the waves. A hook's job is named after its content, as our
// own one-off jobs are: it cannot be changed, and runs again only when it does
// something else.
func (r *renderer) placeHooks(p *part, at *field.Path, waves [][]*unstructured.Unstructured, scopes scopes) ([][]Object, error) {
	var placed [][]Object
	seen := map[string]bool{}
	for _, wave := range waves {
		objects, err := r.place(p, at, wave, scopes)
		if err != nil {
			return nil, err
		}
		var kept []Object
		for _, o := range objects {
			if kind := o.Object.GroupVersionKind(); kind.Group == "batch" && kind.Kind == "Job" {
				o.BaseName = o.Object.GetName()
				o.nameByContent()
			}
			if key := o.Object.GetKind() + "/" + o.Object.GetName(); !seen[key] {
				seen[key] = true
				kept = append(kept, o)
			}
		}
		placed = append(placed, kept)
	}
	return placed, nil
}

// nameByContent names an object after what is in it.
func (o *Object) nameByContent() {
	o.Object.SetName(o.BaseName)
	o.Object.SetName(contentName(o.BaseName, o.Object.Object))
}

// kustomization builds a kustomize component.
func (r *renderer) kustomization(ctx context.Context, p *part, at *field.Path) (built, error) {
	at = at.Child("kustomize")
	if len(p.Kustomize.Archive) == 0 {
		return built{}, r.invalid(p, at.Child("path"), errors.New("the folder was not packed: apply the blueprint with `landfall apply`"))
	}
	files, err := pack.Unpack(p.Kustomize.Archive)
	if err != nil {
		return built{}, r.invalid(p, at.Child("archive"), err)
	}
	request := kustomization.Request{Files: files, Folder: p.Kustomize.Folder, Namespace: r.namespace}
	if p.version != "" {
		request.Image = p.Kustomize.VersionImage
		request.Tag, request.Digest = splitVersion(p.version)
	}
	objects, err := kustomization.Build(ctx, request)
	if err != nil {
		return built{}, r.invalid(p, at, err)
	}
	b := built{packaged: true}
	var definitions, others []*unstructured.Unstructured
	for _, o := range objects {
		if chart.IsDefinition(o) {
			definitions = append(definitions, o)
		} else {
			others = append(others, o)
		}
	}
	scopes := definedScopes(definitions)
	if b.definitions, err = r.place(p, at, definitions, scopes); err != nil {
		return built{}, err
	}
	b.objects, err = r.place(p, at, others, scopes)
	return b, err
}

// invalid is an error in what a chart or kustomization is given, or in itself.
func (r *renderer) invalid(p *part, at *field.Path, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("rendering component %s: %w", p.Name, err)
	}
	return fault.New(fault.Invalid, fault.HintOf(err), "%s (component %s): %w", at, p.Name, err)
}

// scopes tells which kinds have namespaces.
type scopes map[schema.GroupKind]bool

// definedScopes are those of the kinds that a component defines itself.
func definedScopes(definitions []*unstructured.Unstructured) scopes {
	s := scopes{}
	for _, d := range definitions {
		group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(d.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(d.Object, "spec", "scope")
		s[schema.GroupKind{Group: group, Kind: kind}] = scope != string(apiextensionsv1.ClusterScoped)
	}
	return s
}

func (r *renderer) namespaced(gvk schema.GroupVersionKind, defined scopes) bool {
	if namespaced, builtIn := builtInScope(gvk); builtIn {
		return namespaced
	}
	if namespaced, ok := defined[gvk.GroupKind()]; ok {
		return namespaced
	}
	if r.in.APIs.Namespaced != nil {
		if namespaced, known := r.in.APIs.Namespaced(gvk.GroupKind()); known {
			return namespaced
		}
	}
	return true
}

// builtInScope tells whether a kind is Kubernetes' own, and its scope.
func builtInScope(gvk schema.GroupVersionKind) (namespaced, builtIn bool) {
	return openapi.IsNamespaceScoped(kyaml.TypeMeta{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind})
}

// place makes objects that somebody else wrote the environment's: in its
// namespace, with its labels. Objects of another namespace are refused.
func (r *renderer) place(p *part, at *field.Path, objects []*unstructured.Unstructured, defined scopes) ([]Object, error) {
	var placed []Object
	for _, u := range objects {
		if u.GetName() == "" || u.GetKind() == "" || u.GetAPIVersion() == "" {
			return nil, r.invalid(p, at, fmt.Errorf("an object lacks apiVersion, kind or metadata.name: %s %q", u.GetKind(), u.GetName()))
		}
		gvk := u.GroupVersionKind()
		if gvk.Group == "" && gvk.Kind == "Namespace" {
			if u.GetName() == r.namespace {
				continue // the environment makes it itself
			}
			return nil, r.otherNamespace(p, at, u, u.GetName())
		}
		if !r.namespaced(gvk, defined) {
			u.SetNamespace("")
		} else if ns := u.GetNamespace(); ns != "" && ns != r.namespace {
			return nil, r.otherNamespace(p, at, u, ns)
		} else {
			u.SetNamespace(r.namespace)
		}
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
		addLabels(u, r.commonLabels(p.Name))
		placed = append(placed, Object{Component: p.Name, Object: u})
	}
	return placed, nil
}

func (r *renderer) otherNamespace(p *part, at *field.Path, u *unstructured.Unstructured, namespace string) error {
	return fault.New(fault.Invalid, "Take the namespace out of the object: an environment stays in its own.",
		"%s (component %s): %s %s names namespace %q, the environment's is %q", at, p.Name, u.GetKind(), u.GetName(), namespace, r.namespace)
}

// kubeVersion of the target cluster, where it is known.
func (r *renderer) kubeVersion() string {
	if r.in.Cluster == nil {
		return ""
	}
	return r.in.Cluster.Status.Version
}

// chartValues are the values as the chart gets them.
func chartValues(values *apiextensionsv1.JSON) (map[string]any, error) {
	if values == nil || len(bytes.TrimSpace(values.Raw)) == 0 {
		return map[string]any{}, nil
	}
	var parsed map[string]any
	if err := json.Unmarshal(values.Raw, &parsed); err != nil {
		return nil, errors.New("values are not a mapping")
	}
	if parsed == nil {
		parsed = map[string]any{}
	}
	return parsed, nil
}

// setValue sets the value at a dotted path.
func setValue(values map[string]any, path, value string) error {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		child, exists := values[name]
		if !exists || child == nil {
			child = map[string]any{}
			values[name] = child
		}
		next, ok := child.(map[string]any)
		if !ok {
			return fmt.Errorf("versionPath %q: %q is not a mapping", path, name)
		}
		values = next
	}
	values[names[len(names)-1]] = value
	return nil
}
