// Package config holds the manifests that install Landfall's kinds and roles,
// embedded so that `landfall up` and tests can install them.
package config

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed crd/*.yaml rbac/*.yaml
var files embed.FS

// CRDs gives the definitions of Landfall's kinds. The caller owns the objects.
func CRDs() ([]*unstructured.Unstructured, error) { return objects("crd") }

// RBAC gives the controller's ServiceAccount and roles, in the namespace
// landfall-system, and the roles for people: landfall-viewer, -editor and
// -admin. The caller owns the objects.
func RBAC() ([]*unstructured.Unstructured, error) { return objects("rbac") }

func objects(folder string) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(files, folder+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("reading manifest %s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func decode(text []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			all = append(all, object)
		}
	}
}
