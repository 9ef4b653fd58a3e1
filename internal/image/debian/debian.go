// Package debian brings programs out of Debian packages without installing
// them: it downloads packages with all they depend on, checked by apt's
// signatures, and unpacks them into a folder. No maintainer script runs and no
// service starts. It needs apt-get and dpkg-deb. Start at Fetcher.Root.
package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Fetcher unpacks packages below Dir and keeps what it unpacked. Several
// processes may share one Dir.
type Fetcher struct {
	Dir string
	// Suite is another release of Debian than this machine's, such as trixie or
	// sid, from the mirror that the machine uses; the machine's own if empty.
	Suite string
}

// DefaultFetcher is the one in the user's cache folder.
func DefaultFetcher() (*Fetcher, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("finding the cache folder: %w", err)
	}
	return &Fetcher{Dir: filepath.Join(dir, "landfall", "debian")}, nil
}

// maintenance are the beginnings of the names of packages that installing
// needs and running does not.
var maintenance = []string{
	"perl", "libperl", "dpkg", "debconf", "adduser", "passwd", "usrmerge", "init-system-helpers",
	"sysvinit-utils", "tar", "libpam-", "libsemanage", "libsepol", "libfile-find-rule", "libtext-glob", "libnumber-compare", "libgdbm", "libdb5",
}

// Root gives a folder with the content of the packages and of their
// dependencies, in their newest versions as of the first call. An interrupted
// call leaves nothing half done behind.
func (f *Fetcher) Root(ctx context.Context, packages ...string) (string, error) {
	packages = slices.Sorted(slices.Values(packages))
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	root := filepath.Join(f.Dir, "roots", f.Suite, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if err := f.prepare(filepath.Dir(root)); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(f.Dir, ".fetch-*")
	if err != nil {
		return "", fmt.Errorf("fetching Debian packages: %w", err)
	}
	defer os.RemoveAll(temp)

	if err := f.download(ctx, temp, packages); err != nil {
		return "", err
	}
	unpacked, err := unpack(ctx, temp)
	if err != nil {
		return "", err
	}
	if err := os.Rename(unpacked, root); err != nil && !isDir(root) { // somebody else may have been first
		return "", fmt.Errorf("fetching Debian packages: %w", err)
	}
	return root, nil
}

func (f *Fetcher) prepare(roots string) error {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fault.New(fault.Failed, "Run it on Debian or a derivative of it.", "fetching Debian packages: %s is not on this machine", tool)
		}
	}
	for _, dir := range []string{roots, f.listsDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("fetching Debian packages: %w", err)
		}
	}
	// An empty status file makes apt think that nothing is installed, so that
	// it names every dependency.
	if err := os.WriteFile(f.statusFile(), nil, 0o644); err != nil {
		return fmt.Errorf("fetching Debian packages: %w", err)
	}
	return nil
}

func (f *Fetcher) statusFile() string { return filepath.Join(f.Dir, "status") }
func (f *Fetcher) listsDir() string   { return filepath.Join(f.Dir, "lists", f.Suite) }

// download tries with the package lists that are there: the machine's, or those
// fetched before. Where they lack a package, or name one that is gone, it
// fetches lists of its own.
func (f *Fetcher) download(ctx context.Context, dir string, packages []string) error {
	own := []string{"-o", "Dir::State::lists=" + f.listsDir()}
	there := []string(nil)
	if f.Suite != "" {
		source, err := f.suiteSource(ctx, dir)
		if err != nil {
			return err
		}
		own = append(own, source...)
		there = own
	}
	err := f.downloadWith(ctx, dir, packages, there)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, err := f.apt(ctx, dir, own, "update"); err != nil {
		return fault.Wrap(fault.Failed, fmt.Errorf("fetching Debian package lists: %w", err), "Check that apt-get update works on this machine.")
	}
	if err := f.downloadWith(ctx, dir, packages, own); err != nil {
		return fault.Wrap(fault.Failed, fmt.Errorf("fetching Debian packages %s: %w", strings.Join(packages, ", "), err), "Check that apt-get update works on this machine.")
	}
	return nil
}

func (f *Fetcher) downloadWith(ctx context.Context, dir string, packages, options []string) error {
	plan, err := f.apt(ctx, dir, options, append([]string{"install", "--simulate"}, packages...)...)
	if err != nil {
		return err
	}
	wanted := parsePlan(plan)
	if len(wanted) == 0 {
		return fmt.Errorf("apt-get plans no packages for %s", strings.Join(packages, ", "))
	}
	_, err = f.apt(ctx, dir, options, append([]string{"download"}, wanted...)...)
	return err
}

// parsePlan reads "Inst NAME (VERSION …)" lines of apt-get --simulate into
// NAME=VERSION, leaving out maintenance.
func parsePlan(plan string) []string {
	var wanted []string
	for _, line := range strings.Split(plan, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "Inst" || !strings.HasPrefix(fields[2], "(") {
			continue
		}
		name := fields[1]
		if slices.ContainsFunc(maintenance, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		wanted = append(wanted, name+"="+strings.Trim(fields[2], "()"))
	}
	return wanted
}

func (f *Fetcher) apt(ctx context.Context, dir string, options []string, args ...string) (string, error) {
	base := []string{
		"-q", "-y", "--no-install-recommends",
		"-o", "Dir::State::status=" + f.statusFile(),
		"-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=root",
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
	}
	return run(ctx, dir, "apt-get", slices.Concat(base, options, args)...)
}

// unpack extracts every package in dir into one folder.
func unpack(ctx context.Context, dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", fmt.Errorf("unpacking: %w", err)
	}
	for _, file := range files {
		if _, err := run(ctx, dir, "dpkg-deb", "--extract", file, root); err != nil {
			return "", fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
		}
	}
	return root, mergeFolders(root)
}

// Command runs a program of a root with the root's own loader and libraries,
// whatever the machine has.
func Command(root, program string, args ...string) *exec.Cmd {
	libraries := []string{filepath.Join(root, "lib/x86_64-linux-gnu"), filepath.Join(root, "usr/lib/x86_64-linux-gnu")}
	prefix := []string{"--library-path", strings.Join(libraries, ":"), filepath.Join(root, program)}
	return exec.Command(filepath.Join(root, "lib64/ld-linux-x86-64.so.2"), append(prefix, args...)...) //nolint:noctx // a server that its caller ends
}

func run(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s: %w: %s", program, err, lastLine(errs.String()))
	}
	return out.String(), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
