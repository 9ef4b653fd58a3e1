// Package netns makes and removes the network of a cluster on the host: named
// network namespaces, the bridge that joins them, and the routes between
// them. Every function is idempotent. It must not know of clusters or nodes.
// Start reading at EnsureBridge and Attach.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// dir is where iproute2 keeps named namespaces too.
const dir = "/run/netns"

// Path is the file of the named namespace.
func Path(name string) string { return filepath.Join(dir, name) }

// Exists says whether the named namespace is there and alive.
func Exists(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(Path(name), &st) == nil && st.Type == unix.NSFS_MAGIC
}

// Ensure makes the named namespace if it is not there, its loopback up.
func Ensure(name string) error {
	if Exists(name) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making network namespace %s: %w", name, err)
	}
	if err := share(); err != nil {
		return fmt.Errorf("making network namespace %s: %w", name, err)
	}
	if err := os.WriteFile(Path(name), nil, 0o444); err != nil {
		return fmt.Errorf("making network namespace %s: %w", name, err)
	}
	if err := bindNew(Path(name)); err != nil {
		os.Remove(Path(name))
		return fmt.Errorf("making network namespace %s: %w", name, err)
	}
	return Do(name, func() error { return setUp("lo") })
}

// share makes the folder a shared mount of its own, as `ip netns add` does. If
// that came later, it would mount the folder over itself, and what lies below
// could no longer be removed.
func share() error {
	err := unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // it is no mount yet
		if err = unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("sharing %s: %w", dir, err)
	}
	return nil
}

// bindNew makes a namespace and keeps it alive by a mount on path. It uses a
// thread of its own, which ends afterwards, so no goroutine runs in the wrong
// namespace.
func bindNew(path string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("unsharing: %w", err)
			return
		}
		self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		done <- unix.Mount(self, path, "none", unix.MS_BIND, "")
	}()
	return <-done
}

// Remove unmounts and removes the named namespace. Its interfaces go once the
// last process in it has ended. Absent is a success.
func Remove(name string) error {
	err := unix.Unmount(Path(name), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting network namespace %s: %w", name, err)
	}
	if err := os.Remove(Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing network namespace %s: %w", name, err)
	}
	return nil
}

// Do runs fn on a thread inside the named namespace. Processes that fn starts
// are in the namespace. fn must not start goroutines that need it.
func Do(name string, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, see bindNew
		done <- enter(name, fn)
	}()
	return <-done
}

func enter(name string, fn func() error) error {
	fd, err := unix.Open(Path(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening network namespace %s: %w", name, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", name, err)
	}
	return fn()
}
