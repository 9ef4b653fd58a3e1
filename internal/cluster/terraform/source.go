package terraform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/internal/fault"
	modules "github.com/landfall-dev/landfall/terraform"
)

// Shipped lists the modules that come with Landfall.
func Shipped() []string { return modules.Names() }

// source gives what the root module in dir writes as its module's source.
// Folders are written relative to it: so they may refer to what is beside them.
func source(module, dir, unpacked string) (string, error) {
	folder := module
	if shipped := modules.Module(module); shipped != nil {
		var err error
		if folder, err = unpack(shipped, filepath.Join(unpacked, module)); err != nil {
			return "", fmt.Errorf("unpacking module %s: %w", module, err)
		}
	}
	if !IsFolder(folder) {
		return folder, nil
	}
	there, err := isDir(folder)
	if err != nil {
		return "", fmt.Errorf("reading module %s: %w", module, err)
	}
	if !there {
		return "", fault.New(fault.Invalid, "Run it where the folder is, or give the module as a git URL.", "reading module %s: there is no such folder on this machine", module)
	}
	return relative(dir, folder)
}

// relative writes folder as Terraform writes folders, seen from dir.
func relative(dir, folder string) (string, error) {
	var real [2]string
	for i, path := range []string{dir, folder} {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		if real[i], err = filepath.EvalSymlinks(absolute); err != nil {
			return "", err
		}
	}
	path, err := filepath.Rel(real[0], real[1])
	if err != nil {
		return "", err
	}
	if path = filepath.ToSlash(path); path[0] != '.' {
		path = "./" + path
	}
	return path, nil
}

// unpack writes the files below base, in a folder named after their contents,
// and gives that folder. It is there as a whole or not at all.
func unpack(files fs.FS, base string) (string, error) {
	sum := sha256.New()
	contents := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		contents[path] = text
		return nil
	})
	if err != nil {
		return "", err
	}
	folder := filepath.Join(base, hex.EncodeToString(sum.Sum(nil))[:12])
	if holds(folder, contents) {
		return folder, nil
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(base, "partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	for path, text := range contents {
		file := filepath.Join(partial, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return "", err
		}
	}
	if err := os.Rename(partial, folder); err != nil && !errors.Is(err, fs.ErrExist) && !holds(folder, contents) {
		return "", err
	}
	return folder, nil
}

// holds says whether folder has these files as they should be.
func holds(folder string, contents map[string][]byte) bool {
	for path, text := range contents {
		found, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(path)))
		if err != nil || !bytes.Equal(found, text) {
			return false
		}
	}
	return true
}
