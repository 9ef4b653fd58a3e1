// Package objects reads the files that people write, makes them ready for the
// API server (project, packed charts, checks) and applies them, for `landfall
// apply` and `landfall diff`. Start at Read and Apply.
package objects

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pack"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
)

// fieldManager owns the fields of applied objects.
const fieldManager = "landfall-apply"

// Read reads the objects of files and folders; "-" is the standard input.
// Blueprints are packed and checked. Errors name the file and the field.
func Read(c *command.Context, paths []string) ([]client.Object, error) {
	files, err := expand(paths)
	if err != nil {
		return nil, err
	}
	var all []client.Object
	for _, file := range files {
		found, err := readFile(c, file)
		if err != nil {
			return nil, fault.Wrap(fault.ClassOf(err), fmt.Errorf("reading %s: %w", file, err), fault.HintOf(err))
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "Give files with -f.", "reading %s: no objects", strings.Join(paths, ", "))
	}
	slices.SortStableFunc(all, func(a, b client.Object) int { return rank(a) - rank(b) })
	return all, nil
}

// rank puts what others refer to first.
func rank(o client.Object) int {
	switch o.(type) {
	case *v1alpha1.Environment, *v1alpha1.Migration:
		return 3
	case *v1alpha1.Blueprint:
		return 2
	case *v1alpha1.Cluster:
		return 1
	}
	return 0
}

// expand replaces folders by the YAML and JSON files in them.
func expand(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case path == "-":
			files = append(files, path)
		case err != nil:
			return nil, fault.New(fault.Invalid, "Give an existing file or folder with -f.", "reading %s: %w", path, err)
		case !info.IsDir():
			files = append(files, path)
		default:
			for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
				found, err := filepath.Glob(filepath.Join(path, pattern))
				if err != nil {
					return nil, fault.New(fault.Invalid, "", "reading %s: %w", path, err)
				}
				files = append(files, found...)
			}
		}
	}
	return files, nil
}

func readFile(c *command.Context, file string) ([]client.Object, error) {
	in, folder := c.In, "."
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "")
		}
		defer opened.Close()
		in, folder = io.Reader(opened), filepath.Dir(file)
	}
	found, err := environment.ParseObjects(in)
	if err != nil {
		return nil, err
	}
	for _, o := range found {
		if err := prepare(c, o, folder); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// prepare gives an object its project and makes blueprints complete.
func prepare(c *command.Context, o client.Object, folder string) error {
	if _, clusterScoped := o.(*v1alpha1.Cluster); !clusterScoped && o.GetNamespace() == "" {
		o.SetNamespace(c.Namespace())
	}
	switch o := o.(type) {
	case *v1alpha1.Blueprint:
		if err := pack.Blueprint(o, folder); err != nil {
			return err
		}
		return environment.Validate(o)
	case *v1alpha1.Baseline:
		_, err := baseline.Read(o.Name, o.Spec)
		return err
	case *v1alpha1.Migration:
		return migration.Definition(o).Validate()
	}
	return nil
}

// Applied is what happened to one object.
type Applied struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Change is created, configured, unchanged or deleted.
	Change string `json:"change"`

	// Before and After are the object; Before is nil where there was none, After
	// where there will be none.
	Before, After *unstructured.Unstructured `json:"-"`
}

// Apply applies an object by server-side apply, or, in a dry run, lets the API
// server check it and say what it would become.
func Apply(ctx context.Context, cl client.Client, o client.Object, dryRun bool) (Applied, error) {
	wanted, err := toApply(cl, o)
	if err != nil {
		return Applied{}, err
	}
	result := Applied{Kind: wanted.GetKind(), Namespace: wanted.GetNamespace(), Name: wanted.GetName()}
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(wanted.GroupVersionKind())
	switch err := cl.Get(ctx, client.ObjectKeyFromObject(wanted), before); {
	case err == nil:
		result.Before = before
	case !apierrors.IsNotFound(err) || command.NotInstalled(err):
		return result, command.Explain(err)
	}
	options := []client.ApplyOption{client.FieldOwner(fieldManager), client.ForceOwnership}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	if err := cl.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), options...); err != nil {
		err = command.Explain(err)
		return result, fault.Wrap(fault.ClassOf(err), fmt.Errorf("applying %s %s: %w", strings.ToLower(result.Kind), result.Name, err), fault.HintOf(err))
	}
	result.After = wanted
	result.Change = changed(result.Before, result.After)
	return result, nil
}

// toApply is the object without what only the API server sets.
func toApply(cl client.Client, o client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(o, cl.Scheme())
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, o.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	for _, field := range []string{"creationTimestamp", "resourceVersion", "uid", "generation", "managedFields"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	return u, nil
}

// Compare says what becomes of an object. At least one of the two is there.
func Compare(before, after *unstructured.Unstructured) Applied {
	some := after
	if some == nil {
		some = before
	}
	return Applied{
		Kind: some.GetKind(), Namespace: some.GetNamespace(), Name: some.GetName(),
		Change: changed(before, after), Before: before, After: after,
	}
}

func changed(before, after *unstructured.Unstructured) string {
	switch {
	case before == nil:
		return "created"
	case after == nil:
		return "deleted"
	case Text(before) == Text(after):
		return "unchanged"
	}
	return "configured"
}

// Content is the object as people compare it: without the API server's
// bookkeeping and status, with Secrets' values and packed archives replaced by
// what identifies them.
func Content(u *unstructured.Unstructured) map[string]any {
	if u == nil {
		return nil
	}
	content := u.DeepCopy().Object
	delete(content, "status")
	if metadata, ok := content["metadata"].(map[string]any); ok {
		maps.DeleteFunc(metadata, func(field string, _ any) bool {
			return !slices.Contains([]string{"name", "namespace", "labels", "annotations"}, field)
		})
	}
	conceal(content, u.GetKind() == "Secret")
	return content
}
