// Package cgroup makes and removes the cgroup that all pods of a node are in,
// in version 1 hierarchies and in version 2 alike. Start reading at Ensure.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"
)

// Ensure makes the cgroup in every hierarchy, ready to have children. The path
// is relative to the hierarchies' mount points.
func Ensure(path string) error {
	m, err := manager.New(&cgroups.Cgroup{Path: "/" + path, Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return fmt.Errorf("making cgroup %s: %w", path, err)
	}
	// Process -1 stands for none: only the folders are made.
	if err := m.Apply(-1); err != nil {
		return fmt.Errorf("making cgroup %s: %w", path, err)
	}
	return nil
}

// mounts are the roots of all hierarchies.
func mounts() ([]string, error) {
	infos, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "cgroup" && m.FSType != "cgroup2", false
	})
	if err != nil {
		return nil, fmt.Errorf("finding cgroup hierarchies: %w", err)
	}
	var roots []string
	for _, m := range infos {
		roots = append(roots, m.Mountpoint)
	}
	return roots, nil
}

// PIDs returns the processes in the cgroup and below it.
func PIDs(path string) ([]int, error) {
	var pids []int
	seen := map[int]bool{}
	err := walk(path, func(dir string) error {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil && !gone(err) {
			return err
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !seen[pid] {
				seen[pid] = true
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// Remove removes the cgroup and all below it, whose processes must have
// ended. The kernel may take a moment to notice that, so it tries for a while.
func Remove(path string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := removeOnce(path)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func removeOnce(path string) error {
	var dirs []string
	err := walk(path, func(dir string) error {
		dirs = append(dirs, dir)
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- { // children come after their parents
		if e := os.Remove(dirs[i]); e != nil && !gone(e) {
			err = errors.Join(err, fmt.Errorf("removing cgroup: %w", e))
		}
	}
	return err
}

// RemoveIfEmpty removes the cgroup where it has no children.
func RemoveIfEmpty(path string) error {
	roots, err := mounts()
	for _, root := range roots {
		e := os.Remove(filepath.Join(root, path))
		if e != nil && !gone(e) && !errors.Is(e, unix.EBUSY) && !errors.Is(e, unix.ENOTEMPTY) {
			err = errors.Join(err, fmt.Errorf("removing cgroup: %w", e))
		}
	}
	return err
}

// walk calls fn for each cgroup at and below path, in each hierarchy, parents
// before children.
func walk(path string, fn func(dir string) error) error {
	roots, err := mounts()
	if err != nil {
		return err
	}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(root, path), func(dir string, e fs.DirEntry, err error) error {
			if gone(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if e.IsDir() {
				return fn(dir)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading cgroups: %w", err)
		}
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
