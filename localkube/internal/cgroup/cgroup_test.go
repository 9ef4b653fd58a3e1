package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestCgroupComesAndGoes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: cgroups need it")
	}
	parent := fmt.Sprintf("localkube-test-%d", os.Getpid())
	path := parent + "/1"
	t.Cleanup(func() { _ = Remove(parent) })
	for range 2 { // what is there stays
		if err := Ensure(path); err != nil {
			t.Fatal(err)
		}
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Process.Kill()
	join(t, path+"/pod", sleeper.Process.Pid)
	if pids, err := PIDs(path); err != nil || !slices.Contains(pids, sleeper.Process.Pid) {
		t.Errorf("processes %v, %v", pids, err)
	}
	if err := RemoveIfEmpty(parent); err != nil {
		t.Errorf("a parent with children: %v", err)
	}
	if pids, _ := PIDs(path); len(pids) == 0 {
		t.Error("removed although it has children")
	}

	_ = sleeper.Process.Kill()
	_ = sleeper.Wait()
	for range 2 { // absent is a success
		if err := Remove(parent); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// join moves a process into a new cgroup below the path, in one hierarchy.
func join(t *testing.T, path string, pid int) {
	t.Helper()
	if err := Ensure(path); err != nil {
		t.Fatal(err)
	}
	roots, err := mounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range roots {
		if os.WriteFile(filepath.Join(root, path, "cgroup.procs"), fmt.Append(nil, pid), 0) == nil {
			return
		}
	}
	t.Fatal("no hierarchy takes the process")
}
