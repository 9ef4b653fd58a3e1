// Package kustomization builds kustomizations with the kustomize library, from
// files in memory only: nothing is fetched, no plugin is run. It knows nothing
// of blueprints. Start at Build.
package kustomization

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/environment/confine"
)

// FileNames are the names that kustomize looks for, in its order.
var FileNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Request is a kustomization and what it is built with.
type Request struct {
	// Files by their slash-separated names.
	Files map[string][]byte
	// Folder that holds the kustomization; empty for the root.
	Folder string
	// Namespace of the objects that name none.
	Namespace string
	// Image, where it is not empty, is the name of the image whose Tag and
	// Digest are set; the digest wins.
	Image, Tag, Digest string
}

var (
	confined = confine.New("build-kustomization", build)
	limits   = confine.Limits{Time: 10 * time.Second, Output: 32 << 20}
)

// Build gives the kustomization's objects. Errors name the file.
func Build(ctx context.Context, request Request) ([]*unstructured.Unstructured, error) {
	if err := check(request); err != nil {
		return nil, err
	}
	input, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding the kustomization: %w", err)
	}
	output, err := confined.Call(ctx, limits, input)
	if err != nil {
		return nil, err
	}
	var contents []any
	if err := json.Unmarshal(output, &contents); err != nil {
		return nil, fmt.Errorf("reading the built kustomization: %w", err)
	}
	objects := make([]*unstructured.Unstructured, 0, len(contents))
	for _, content := range contents {
		object, _ := content.(map[string]any)
		objects = append(objects, &unstructured.Unstructured{Object: object})
	}
	return objects, nil
}

// check refuses what would be fetched, with a better message than the build's.
func check(request Request) error {
	found := false
	for name, content := range request.Files {
		if !slices.Contains(FileNames, path.Base(name)) {
			continue
		}
		if path.Dir(name) == path.Clean(request.Folder) {
			found = true
		}
		if _, err := References(content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !found {
		return fmt.Errorf("folder %q of the archive has no kustomization.yaml", path.Clean(request.Folder))
	}
	return nil
}

// References are the files and folders that a kustomization file builds on, as
// written in it. Remote ones are an error.
func References(content []byte) ([]string, error) {
	var k types.Kustomization
	if err := yaml.Unmarshal(content, &k); err != nil {
		return nil, fmt.Errorf("reading the kustomization: %w", err)
	}
	var references []string
	for _, list := range []struct {
		field string
		paths []string
	}{
		{"resources", k.Resources}, {"bases", k.Bases}, //nolint:staticcheck // deprecated, but still followed
		{"components", k.Components}, {"crds", k.Crds}, {"configurations", k.Configurations},
		{"generators", k.Generators}, {"transformers", k.Transformers}, {"validators", k.Validators},
	} {
		for i, reference := range list.paths {
			if strings.Contains(reference, "\n") { // written inline
				continue
			}
			if isRemote(reference) {
				return nil, fmt.Errorf("%s[%d]: %s is remote: put a copy beside the kustomization", list.field, i, reference)
			}
			references = append(references, reference)
		}
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		return nil, fmt.Errorf("helmCharts: kustomize would have to run helm: make the chart a component of the blueprint")
	}
	return references, nil
}

// isRemote tells URLs, and the forms of git repositories that kustomize knows,
// from paths.
func isRemote(reference string) bool {
	return strings.Contains(reference, "://") || strings.Contains(reference, "?ref=") || strings.HasPrefix(reference, "git@") ||
		strings.HasPrefix(reference, "git::") || strings.HasPrefix(reference, "github.com/") || strings.HasPrefix(reference, "github.com:")
}

// source is where the request's files are in memory, beside the kustomization
// that wraps them.
const source = "/source"

// build runs in a process of its own.
func build(input []byte, at func(string)) ([]byte, error) {
	var request Request
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	at("the kustomization")
	fs := filesys.MakeFsInMemory()
	for name, content := range request.Files {
		if err := fs.WriteFile(path.Join(source, path.Clean("/"+name)), content); err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", name, err)
		}
	}
	wrapper, err := yaml.Marshal(wrap(request))
	if err != nil {
		return nil, err
	}
	if err := fs.WriteFile("/environment/kustomization.yaml", wrapper); err != nil {
		return nil, err
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/environment")
	if err != nil {
		return nil, shorten(err)
	}
	contents := []map[string]any{}
	for _, r := range resources.Resources() {
		content, err := r.Map()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.CurId(), err)
		}
		contents = append(contents, content)
	}
	return json.Marshal(contents)
}

// wrap is a kustomization around the request's own: it gives objects without a
// namespace the environment's, in whatever refers to them too, and sets the
// image's version.
func wrap(request Request) map[string]any {
	transformer := map[string]any{
		"apiVersion": "builtin", "kind": "NamespaceTransformer",
		"metadata":   map[string]any{"name": "environment", "namespace": request.Namespace},
		"unsetOnly":  true,
		"fieldSpecs": []any{map[string]any{"path": "metadata/namespace", "create": true}},
	}
	inline, _ := yaml.Marshal(transformer) // of plain strings: cannot fail
	k := map[string]any{
		"apiVersion": types.KustomizationVersion, "kind": types.KustomizationKind,
		"resources":    []string{".." + path.Join(source, path.Clean("/"+request.Folder))},
		"transformers": []string{string(inline)},
	}
	if request.Image != "" {
		image := map[string]any{"name": request.Image, "newTag": request.Tag}
		if request.Digest != "" {
			image = map[string]any{"name": request.Image, "digest": request.Digest}
		}
		k["images"] = []any{image}
	}
	return k
}

// shorten takes the repeated prefixes off kustomize's messages.
func shorten(err error) error {
	text := err.Error()
	text = strings.ReplaceAll(text, "accumulating resources: ", "")
	return fmt.Errorf("%s", strings.ReplaceAll(text, "'"+source+"/", "'"))
}
