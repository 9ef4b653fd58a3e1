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
	if !hasKustomization(dir) {
		return nil, fmt.Errorf("%s has no kustomization.yaml", dir)
	}
	folders := []string{dir}
	for i := 0; i < len(folders); i++ {
		references, err := referencesOf(folders[i])
		if err != nil {
			return nil, err
		}
		for _, reference := range references {
			folder, err := referredFolder(folders[i], reference, boundary)
			if err != nil {
				return nil, err
			}
			packed := slices.ContainsFunc(folders, func(f string) bool { return within(f, folder) })
			if !packed || hasKustomization(folder) && !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	return folders, nil
}

// referredFolder is the folder to pack for a reference to a folder or file.
func referredFolder(from, reference, boundary string) (string, error) {
	target := filepath.Join(from, filepath.FromSlash(reference))
	if !within(boundary, target) {
		return "", fmt.Errorf("%s refers to %s, which is outside %s", from, reference, boundary)
	}
	info, err := os.Lstat(target)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s refers to %s: %w", from, reference, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return "", fmt.Errorf("%s refers to %s: links and devices are not packed", from, reference)
	case !info.IsDir():
		return filepath.Dir(target), nil
	case !hasKustomization(target):
		return "", fmt.Errorf("%s refers to %s, which has no kustomization.yaml", from, reference)
	}
	return target, nil
}

// referencesOf are what the folder's kustomization builds on; none where the
// folder has no kustomization but a file that is referred to.
func referencesOf(dir string) ([]string, error) {
	for _, name := range kustomization.FileNames {
		file := filepath.Join(dir, name)
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		references, err := kustomization.References(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return references, nil
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
