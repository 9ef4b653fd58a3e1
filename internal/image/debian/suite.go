package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// keyring has the keys of Debian's releases; the package
// debian-archive-keyring brings it.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// suiteSource gives the options of apt-get that make it look at the suite and
// nowhere else. A mirror may stand still: how old its signed lists are does not
// matter, nor do lists of what only people read.
func (f *Fetcher) suiteSource(ctx context.Context, dir string) ([]string, error) {
	if _, err := os.Stat(keyring); err != nil {
		return nil, fault.New(fault.Failed, "Install the package debian-archive-keyring.", "fetching Debian packages of %s: %w", f.Suite, err)
	}
	mirror, err := f.mirror(ctx, dir)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "suite.list")
	line := fmt.Sprintf("deb [signed-by=%s check-valid-until=no] %s %s main\n", keyring, mirror, f.Suite)
	if err := os.WriteFile(list, []byte(line), 0o644); err != nil {
		return nil, fmt.Errorf("fetching Debian packages of %s: %w", f.Suite, err)
	}
	return []string{
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
	}, nil
}

// mirror is the one of Debian that the machine's own package sources name.
func (f *Fetcher) mirror(ctx context.Context, dir string) (string, error) {
	targets, err := f.apt(ctx, dir, nil, "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return "", fmt.Errorf("looking for a mirror of Debian: %w", err)
	}
	for _, target := range strings.Split(targets, "\n") {
		if mirror, ok := strings.CutPrefix(target, "Debian "); ok {
			return mirror, nil
		}
	}
	return "", fault.New(fault.Failed, "Add a mirror of Debian to apt's sources, and run apt-get update.", "fetching Debian packages of %s: apt knows no mirror of Debian", f.Suite)
}

// mergeFolders gives a folder of packages that hold everything below /usr the
// names that programs and their loader are called by. Installed systems have
// them from a package of their own.
func mergeFolders(root string) error {
	if !isDir(filepath.Join(root, "usr/lib64")) || isDir(filepath.Join(root, "lib64")) {
		return nil
	}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		err := os.Symlink("usr/"+name, filepath.Join(root, name))
		if err != nil && !os.IsExist(err) {
			return fmt.Errorf("unpacking: %w", err)
		}
	}
	return nil
}
