package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/environment/kustomization"
)

// Kustomization packs the folder of a kustomization with the folders it builds
// on. It gives the archive, and the kustomization's folder inside it. Folders
// outside the repository that dir is in (without one: outside dir) are refused,
// so that a blueprint cannot make people send their other files to a cluster.
func Kustomization(dir string) (archive []byte, folder string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, "", fmt.Errorf("packing the kustomization: %w", err)
	}
	folders, err := reachable(dir, boundary(dir))
	if err != nil {
		return nil, "", fmt.Errorf("packing the kustomization: %w", err)
	}
	root := commonRoot(folders)
	files := map[string][]byte{}
	for _, f := range folders {
		below, err := readFolder(f, func(string, fs.FileInfo) bool { return false })
		if err != nil {
			return nil, "", fmt.Errorf("packing the kustomization: %w", err)
		}
		prefix, err := filepath.Rel(root, f)
		if err != nil {
			return nil, "", fmt.Errorf("packing the kustomization: %w", err)
		}
		for name, content := range below {
			files[filepath.ToSlash(filepath.Join(prefix, name))] = content
		}
	}
	if archive, err = write(files); err != nil {
		return nil, "", err
	}
	if len(archive) > MaxArchive {
		return nil, "", tooLarge(dir, len(archive))
	}
	relative, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, "", fmt.Errorf("packing the kustomization: %w", err)
	}
	if folder = filepath.ToSlash(relative); folder == "." {
		folder = ""
	}
	return archive, folder, nil
}

// boundary is the nearest folder upwards that is a git repository, or dir.
func boundary(dir string) string {
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Lstat(filepath.Join(up, ".git")); err == nil {
			return up
		}
		if up == filepath.Dir(up) {
			return dir
		}
	}
}

// reachable are the folders a kustomization builds on, its own first.
func reachable(dir, boundary string) ([]string, error) {
	folders := []string{dir}
	for i := 0; i < len(folders); i++ {
		references, err := referencesOf(folders[i])
		if err != nil {
			return nil, err
		}
		for _, reference := range references {
			target := filepath.Join(folders[i], filepath.FromSlash(reference))
			if !within(boundary, target) {
				return nil, fmt.Errorf("%s refers to %s, which is outside %s", folders[i], reference, boundary)
			}
			info, err := os.Lstat(target)
			if err != nil {
				return nil, fmt.Errorf("%s refers to %s: %w", folders[i], reference, err)
			}
			if !info.IsDir() {
				target = filepath.Dir(target)
			}
			if !slices.ContainsFunc(folders, func(f string) bool { return within(f, target) }) || hasKustomization(target) && !slices.Contains(folders, target) {
				folders = append(folders, target)
			}
		}
	}
	return folders, nil
}

func referencesOf(dir string) ([]string, error) {
	for _, name := range kustomization.FileNames {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		references, err := kustomization.References(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		return references, nil
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("%s has no kustomization.yaml", dir)
	}
	return nil, nil
}

func hasKustomization(dir string) bool {
	return slices.ContainsFunc(kustomization.FileNames, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

func within(root, target string) bool {
	return target == root || strings.HasPrefix(target, strings.TrimSuffix(root, string(filepath.Separator))+string(filepath.Separator))
}

func commonRoot(folders []string) string {
	root := folders[0]
	for _, f := range folders[1:] {
		for !within(root, f) {
			root = filepath.Dir(root)
		}
	}
	return root
}
