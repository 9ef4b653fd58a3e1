package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Files are the files of a kubeconfig.
type Files struct {
	// Target gets what is new.
	Target string
	// All files that there may be, the target among them; the first that has a
	// name counts.
	All []string
}

// UserFiles are the user's own: explicit, if not empty, else those of
// $KUBECONFIG, else ~/.kube/config. They follow the rules of kubectl.
func UserFiles(explicit string) Files {
	if explicit != "" {
		return Files{Target: explicit, All: []string{explicit}}
	}
	options := clientcmd.NewDefaultPathOptions()
	f := Files{Target: options.GetDefaultFilename(), All: options.GetLoadingPrecedence()}
	if !slices.Contains(f.All, f.Target) {
		f.All = append(f.All, f.Target)
	}
	return f
}

// Result of an edit.
type Result struct {
	// File that has what is new.
	File    string   `json:"file"`
	Changes []Change `json:"changes"`
	// Current context.
	Current string `json:"currentContext,omitempty"`
	// Backups are the files as they were.
	Backups []string `json:"backups,omitempty"`
	// Written: something was to be changed, and was unless it is a dry run.
	Written bool `json:"written"`
}

const (
	// largest kubeconfig that is read.
	largest = 64 << 20
	// lockWait bounds waiting for another process that edits.
	lockWait = time.Minute
	lockPoll = 10 * time.Millisecond
	// attempts to write while a tool that knows nothing of the lock writes too.
	attempts = 10
	// newMode is that of a new file: a kubeconfig has secrets.
	newMode = 0o600
)

// Edit changes the files. Any number of processes may do so at once, and be
// killed at any moment: each sees whole files, and no edit is lost. What others
// wrote stays as it is; if it would not, nothing is written.
//
// A dry run writes nothing and takes no lock.
func (f Files) Edit(ctx context.Context, edit Edit, dryRun bool) (Result, error) {
	target, err := real(f.Target)
	if err != nil {
		return Result{}, err
	}
	paths, err := f.existing(target)
	if err != nil {
		return Result{}, err
	}
	if !dryRun {
		unlock, err := lock(ctx, paths)
		if err != nil {
			return Result{}, err
		}
		defer unlock()
	}
	for range attempts {
		result, err := editOnce(target, paths, edit, dryRun)
		if !errors.Is(err, errOvertaken) {
			return result, err
		}
	}
	return Result{}, fault.New(fault.Failed, "Run the command again.", "writing kubeconfig %s: another program keeps changing it", target)
}

// existing are the real paths of the files that there are, and of the target.
func (f Files) existing(target string) ([]string, error) {
	var paths []string
	for _, path := range f.All {
		path, err := real(path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); (err == nil || path == target) && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if !slices.Contains(paths, target) {
		paths = append(paths, target)
	}
	return paths, nil
}

var errOvertaken = errors.New("the file was changed meanwhile")

func editOnce(target string, paths []string, edit Edit, dryRun bool) (Result, error) {
	result := Result{File: target}
	originals := make([][]byte, len(paths))
	documents := make([]*document, len(paths))
	var into *document
	for i, path := range paths {
		var err error
		if originals[i], err = read(path); err != nil {
			return result, err
		}
		if documents[i], err = parse(path, originals[i]); err != nil {
			return result, err
		}
		if path == target {
			into = documents[i]
		}
	}
	var err error
	if result.Changes, err = edit.apply(into, documents); err != nil {
		return result, err
	}
	for i, d := range documents {
		if result.Current == "" {
			result.Current = d.current()
		}
		content, changed, err := d.changed(originals[i], edit)
		if err != nil {
			return result, err
		}
		if !changed {
			continue
		}
		result.Written = true
		if dryRun {
			continue
		}
		backup, err := replace(d.path, originals[i], content)
		if err != nil {
			return result, err
		}
		if backup != "" {
			result.Backups = append(result.Backups, backup)
		}
	}
	return result, nil
}

// real follows symbolic links, also to a file that is not there yet: the file
// is replaced, not the link.
func real(path string) (string, error) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			return filepath.Abs(path)
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fault.New(fault.Invalid, "Choose another file with --file.", "reading kubeconfig %s: too many symbolic links", path)
}

// read gives the content; a file that is not there is empty.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "Choose a file with --file.", "reading kubeconfig %s: it is not a file", path)
	case info.Size() > largest:
		return nil, fault.New(fault.Invalid, "Choose another file with --file.", "reading kubeconfig %s: it has more than %d MiB", path, largest>>20)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	return content, nil
}

// lock keeps other processes of Landfall's from editing the files. The kernel
// lets go of the locks of a process that dies; the empty lock files stay.
func lock(ctx context.Context, paths []string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var held []*flock.Flock
	unlock = func() {
		for _, l := range held {
			_ = l.Unlock()
		}
	}
	// One order for all processes.
	for _, path := range slices.Sorted(slices.Values(paths)) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			unlock()
			return nil, fmt.Errorf("making the folder of kubeconfig %s: %w", path, err)
		}
		l := flock.New(beside(path, "lock"), flock.SetPermissions(newMode))
		if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
			unlock()
			return nil, unlocked(path, err)
		}
		held = append(held, l)
	}
	return unlock, nil
}

func unlocked(path string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Failed, "Wait for it, then run the command again.", "locking kubeconfig %s: another process has been changing it for %s", path, lockWait)
	}
	return fmt.Errorf("locking kubeconfig %s: %w", path, err)
}

// beside names a hidden file of ours next to a kubeconfig.
func beside(path, what string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".landfall-"+what)
}

// replace puts content in the place of the original at once, and keeps the
// original.
func replace(path string, original, content []byte) (backup string, err error) {
	mode := fs.FileMode(newMode)
	info, statErr := os.Stat(path)
	if statErr == nil {
		if mode = info.Mode().Perm(); mode&0o200 == 0 {
			return "", fault.New(fault.Refused, "Make it writable, or choose another file with --file.", "writing kubeconfig %s: it is read-only", path)
		}
		if backup, err = keep(path, original); err != nil {
			return "", err
		}
	}
	temporary := beside(path, "new") // under the lock it is nobody else's
	if err := write(temporary, content, mode); err != nil {
		return "", err
	}
	if statErr == nil {
		if err := sameOwner(temporary, info); err != nil {
			return "", fmt.Errorf("writing kubeconfig %s: keeping its owner: %w", path, err)
		}
	}
	// Tools that do not know the lock may have written meanwhile.
	if now, err := read(path); err != nil || !bytes.Equal(now, original) {
		return "", errors.Join(err, errOvertaken)
	}
	if err := os.Rename(temporary, path); err != nil {
		return "", fmt.Errorf("writing kubeconfig: %w", err)
	}
	return backup, nil
}

// sameOwner gives a file the owner that the one in its place has: root may edit
// for somebody else.
func sameOwner(path string, like fs.FileInfo) error {
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() && int(owner.Gid) == os.Getegid() {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// write makes a file that is on the disk before it is used.
func write(path string, content []byte, mode fs.FileMode) error {
	_ = os.Remove(path) // what a process that was killed has left
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("writing kubeconfig: %w", err)
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("writing kubeconfig %s: %w", path, err)
	}
	return nil
}

// backups that are kept of a file.
const backups = 5

// keep copies the original beside itself, once for each content, and lets the
// oldest of many copies go.
func keep(path string, original []byte) (string, error) {
	sum := sha256.Sum256(original)
	backup := beside(path, "backup-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(backup); err == nil {
		return backup, os.Chtimes(backup, time.Time{}, time.Now())
	}
	if err := write(backup+".new", original, newMode); err != nil {
		return "", err
	}
	if err := os.Rename(backup+".new", backup); err != nil {
		return "", fmt.Errorf("keeping a copy of kubeconfig %s: %w", path, err)
	}
	return backup, forget(path)
}

// forget removes the oldest of many copies.
func forget(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("looking for copies of kubeconfig %s: %w", path, err)
	}
	prefix := beside(path, "backup-")
	var copies []string
	for _, entry := range entries {
		if name := filepath.Join(filepath.Dir(path), entry.Name()); strings.HasPrefix(name, prefix) {
			copies = append(copies, name)
		}
	}
	slices.SortFunc(copies, func(a, b string) int { return modified(b).Compare(modified(a)) })
	for _, old := range copies[min(backups, len(copies)):] {
		if err := os.Remove(old); err != nil {
			return fmt.Errorf("removing an old copy of kubeconfig %s: %w", path, err)
		}
	}
	return nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
