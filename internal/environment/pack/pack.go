// Package pack turns the chart folders and kustomizations beside a blueprint
// into archives inside it, so that the API server holds all there is to render.
// The same files give the same bytes. Start at Blueprint.
package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/ignore"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/chart"
	"github.com/landfall-dev/landfall/internal/fault"
)

// MaxArchive is the largest archive that a blueprint holds: what fits into one
// object of the API server with room for the rest.
const MaxArchive = 700_000

// Blueprint replaces the paths in bp by archives. Paths are relative to dir, the
// folder of the blueprint's file. Errors are fault.Invalid and name the field.
func Blueprint(bp *v1alpha1.Blueprint, dir string) error {
	for i := range bp.Spec.Components {
		c := &bp.Spec.Components[i]
		field := fmt.Sprintf("spec.components[%d]", i)
		switch {
		case c.Chart != nil && c.Chart.Path != "":
			archive, err := Chart(filepath.Join(dir, c.Chart.Path))
			if err != nil {
				return wrap(field+".chart.path", c.Name, err)
			}
			c.Chart.Path, c.Chart.Archive = "", archive
		case c.Kustomize != nil && c.Kustomize.Path != "":
			archive, folder, err := Kustomization(filepath.Join(dir, c.Kustomize.Path, c.Kustomize.Folder))
			if err != nil {
				return wrap(field+".kustomize.path", c.Name, err)
			}
			c.Kustomize.Path, c.Kustomize.Archive, c.Kustomize.Folder = "", archive, folder
		}
	}
	return nil
}

func wrap(field, component string, err error) error {
	return fault.New(fault.Invalid, fault.HintOf(err), "%s (component %s): %w", field, component, err)
}

// Chart packs a chart's folder, without what its .helmignore names; a packed
// chart is taken as it is.
func Chart(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("packing the chart: %w", err)
	}
	var archive []byte
	if info.IsDir() {
		archive, err = chartFolder(file)
	} else {
		archive, err = readBounded(file, info.Size())
	}
	if err != nil {
		return nil, err
	}
	if len(archive) > MaxArchive {
		return nil, tooLarge(file, len(archive))
	}
	if _, _, err := chart.Describe(archive); err != nil {
		return nil, fmt.Errorf("reading the chart %s: %w", file, err)
	}
	return archive, nil
}

func chartFolder(dir string) ([]byte, error) {
	rules, err := ignoreRules(dir)
	if err != nil {
		return nil, err
	}
	files, err := readFolder(dir, func(name string, info fs.FileInfo) bool { return rules.Ignore(name, info) })
	if err != nil {
		return nil, fmt.Errorf("packing the chart: %w", err)
	}
	if _, ok := files["Chart.yaml"]; !ok {
		return nil, fmt.Errorf("packing the chart: %s has no Chart.yaml", dir)
	}
	// Helm expects everything in one folder; its name does not matter.
	prefixed := map[string][]byte{}
	for name, content := range files {
		prefixed["chart/"+name] = content
	}
	return write(prefixed)
}

func ignoreRules(dir string) (*ignore.Rules, error) {
	text, err := os.ReadFile(filepath.Join(dir, ignore.HelmIgnore))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("packing the chart: %w", err)
	}
	rules, err := ignore.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, ignore.HelmIgnore), err)
	}
	rules.AddDefaults()
	return rules, nil
}

// readBounded reads a file unless it is larger than can be packed anyway.
func readBounded(file string, size int64) ([]byte, error) {
	if size > MaxArchive {
		return nil, tooLarge(file, int(size))
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	return content, nil
}

func tooLarge(file string, size int) error {
	return fault.New(fault.Invalid,
		"Leave out what is not needed (.helmignore for charts), or push the chart to a registry and name it by repository.",
		"%s is %d kB packed; a blueprint holds at most %d kB", file, size/1000, MaxArchive/1000)
}

// readFolder reads all files below dir by their slash-separated names relative
// to it. Links are refused: what they point to may be anything of the person
// who packs. Hidden folders of version control are left out.
func readFolder(dir string, skip func(name string, info fs.FileInfo) bool) (map[string][]byte, error) {
	files, total := map[string][]byte{}, int64(0)
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		relative, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (entry.Name() == ".git" || skip(name, info)):
			return filepath.SkipDir
		case entry.IsDir(), skip(name, info):
			return nil
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder: links and devices are not packed", file)
		case strings.ContainsAny(name, "\\\x00") || path.Clean(name) != name:
			return fmt.Errorf("%q is not a name that can be packed", file)
		}
		if total += info.Size(); total > maxUnpacked || len(files) >= maxEntries {
			return fmt.Errorf("%s holds more than %d MiB or %d files", dir, maxUnpacked>>20, maxEntries)
		}
		files[name], err = os.ReadFile(file)
		return err
	})
	return files, err
}
