package image

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// defaultLibraryDirs are where the dynamic loader of Debian and most others
// looks at last.
var defaultLibraryDirs = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
	"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
}

// AddBinary adds the program root+file under its path in root, and the loader
// and every shared library it needs, found as the loader would find them
// below root ("" for this machine). It is an error to lack one.
func (t *Tree) AddBinary(root, file string) error {
	return t.addBinaryAs(root, file, file)
}

func (t *Tree) addBinaryAs(root, file, name string) error {
	if err := t.AddFile(name, filepath.Join(root, file)); err != nil {
		return err
	}
	libraries, err := sharedLibraries(root, file)
	if err != nil {
		return err
	}
	for _, lib := range libraries {
		if t.Has(lib) {
			continue
		}
		source, err := resolve(root, lib)
		if err != nil {
			return err
		}
		if err := t.AddFile(lib, source); err != nil {
			return err
		}
	}
	return nil
}

// sharedLibraries lists the loader and the libraries, direct and indirect, of
// an ELF file, as absolute paths below root.
func sharedLibraries(root, file string) ([]string, error) {
	found := map[string]bool{}
	queue := []string{file}
	var dirs []string
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		needs, err := readNeeds(root, current)
		if err != nil {
			return nil, err
		}
		if needs.interpreter != "" {
			found[needs.interpreter] = true
		}
		dirs = append(dirs, needs.dirs...) // a library's RPATH serves those it loads
		for _, lib := range needs.libraries {
			at := locate(root, lib, dirs)
			if at == "" {
				return nil, fault.New(fault.Invalid, "Install the library, or link the program statically (CGO_ENABLED=0 for Go).",
					"reading %s: it needs %s, which is nowhere to be found", file, lib)
			}
			if !found[at] {
				found[at] = true
				queue = append(queue, at)
			}
		}
	}
	libraries := make([]string, 0, len(found))
	for lib := range found {
		libraries = append(libraries, lib)
	}
	slices.Sort(libraries)
	return libraries, nil
}

type elfNeeds struct {
	interpreter string
	libraries   []string
	dirs        []string
}

func readNeeds(root, file string) (elfNeeds, error) {
	source, err := resolve(root, file)
	if err != nil {
		return elfNeeds{}, err
	}
	binary, err := elf.Open(source)
	if err != nil {
		return elfNeeds{}, fault.New(fault.Invalid, "", "reading %s: not an ELF program: %w", file, err)
	}
	defer binary.Close()
	var needs elfNeeds
	for _, prog := range binary.Progs {
		if prog.Type != elf.PT_INTERP || prog.Filesz > 4096 {
			continue
		}
		text := make([]byte, prog.Filesz)
		if _, err := prog.ReadAt(text, 0); err != nil {
			return elfNeeds{}, fmt.Errorf("reading %s: %w", file, err)
		}
		needs.interpreter = strings.TrimRight(string(text), "\x00")
	}
	if needs.libraries, err = binary.ImportedLibraries(); err != nil {
		return elfNeeds{}, fmt.Errorf("reading %s: %w", file, err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, _ := binary.DynString(tag)
		for _, value := range values {
			for _, dir := range strings.Split(value, ":") {
				dir = strings.NewReplacer("$ORIGIN", filepath.Dir(file), "${ORIGIN}", filepath.Dir(file)).Replace(dir)
				needs.dirs = append(needs.dirs, dir)
			}
		}
	}
	return needs, nil
}

// locate gives the path below root at which the loader would find lib, or "".
func locate(root, lib string, dirs []string) string {
	if strings.Contains(lib, "/") {
		return lib
	}
	for _, dir := range slices.Concat(dirs, defaultLibraryDirs) {
		at := filepath.Join("/", dir, lib)
		if _, err := resolve(root, at); err == nil {
			return at
		}
	}
	return ""
}

// resolve follows links below root, whose absolute targets mean root's own
// files, and knows that /lib may be a link to /usr/lib that a package alone
// does not bring.
func resolve(root, file string) (string, error) {
	if root == "" {
		return filepath.EvalSymlinks(file)
	}
	var first error
	for _, candidate := range []string{file, filepath.Join("/usr", file), strings.TrimPrefix(file, "/usr")} {
		at, err := resolveOnce(root, candidate)
		if err == nil {
			return at, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

func resolveOnce(root, file string) (string, error) {
	for range 40 {
		at := filepath.Join(root, file)
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			return at, nil
		}
		target, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(file), target)
		}
		file = target
	}
	return "", fmt.Errorf("following links of %s: too many", file)
}
