package lifecycle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
)

// footprint is all that a cluster could leave on the machine. Other clusters
// may run meanwhile, so only what can be told to be this cluster's is in it.
type footprint struct {
	Processes, Mounts, Namespaces, Links, Routes, Tables, Iptables, Cgroups, Files []string
}

// takeFootprint looks for traces of the cluster by its ID and its folder.
func takeFootprint(t *testing.T, id, stateDir string) footprint {
	t.Helper()
	mine := func(s string) bool { return strings.Contains(s, id) || strings.Contains(s, stateDir) }
	return footprint{
		Processes:  processes(t, mine),
		Mounts:     mounts(t, mine),
		Namespaces: matching(t, mine, "/run/netns/*"),
		Links:      links(t, mine),
		Routes:     routes(t),
		Tables:     tables(t, mine),
		Iptables:   iptables(t, mine),
		Cgroups:    matching(t, mine, "/sys/fs/cgroup/*/localkube/*", "/sys/fs/cgroup/localkube/*"),
		Files:      files(t, mine, stateDir),
	}
}

// processes are those whose command line or environment tells the cluster.
func processes(t *testing.T, mine func(string) bool) []string {
	t.Helper()
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if filepath.Base(dir) == "self" || filepath.Base(dir) == itself {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		if mine(string(cmdline)) || mine(string(environ)) || mine(string(cgroup)) {
			found = append(found, string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	sort.Strings(found)
	return found
}

func mounts(t *testing.T, mine func(string) bool) []string {
	t.Helper()
	infos, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !mine(m.Mountpoint) && !mine(m.Root), false
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range infos {
		found = append(found, m.Mountpoint)
	}
	return found
}

func links(t *testing.T, mine func(string) bool) []string {
	t.Helper()
	all, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, l := range all {
		if mine(l.Attrs().Name) {
			found = append(found, l.Attrs().Name)
		}
	}
	return found
}

// routes are those into the test's network.
func routes(t *testing.T) []string {
	t.Helper()
	all, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range all {
		if r.Dst != nil && strings.HasPrefix(r.Dst.String(), networkPrefix) {
			found = append(found, r.Dst.String())
		}
	}
	return found
}

func tables(t *testing.T, mine func(string) bool) []string {
	t.Helper()
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	all, err := conn.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, table := range all {
		if mine(table.Name) {
			found = append(found, table.Name)
		}
	}
	return found
}

func iptables(t *testing.T, mine func(string) bool) []string {
	t.Helper()
	out, err := exec.Command("iptables-save").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.SplitSeq(string(out), "\n") {
		if mine(line) || strings.Contains(line, networkPrefix) {
			found = append(found, line)
		}
	}
	return found
}

// files looks in the cluster's folder, and in the folders that containerd, the
// kubelet and the network plugins share with everybody.
func files(t *testing.T, mine func(string) bool, stateDir string) []string {
	t.Helper()
	found := matching(t, mine, stateDir, "/var/lib/cni/results/*")
	symlinks, _ := filepath.Glob("/var/log/containers/*")
	for _, link := range symlinks {
		if to, err := os.Readlink(link); err == nil && mine(to) {
			found = append(found, link)
		}
	}
	return found
}

func matching(t *testing.T, mine func(string) bool, patterns ...string) []string {
	t.Helper()
	var found []string
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if mine(path) {
				found = append(found, path)
			}
		}
	}
	return found
}

// shimSockets are the sockets of containerd's helpers for the pods that the
// cluster has now. They are in a folder shared with other clusters, named by a
// hash of containerd's address and the pod's sandbox.
func (l *localkube) shimSockets(t *testing.T) []string {
	t.Helper()
	nodes := filepath.Join(l.stateDir, clusterName, "nodes")
	sandboxes, err := filepath.Glob(nodes + "/*/containerd/io.containerd.grpc.v1.cri/sandboxes/*")
	if err != nil {
		t.Fatal(err)
	}
	var sockets []string
	for _, sandbox := range sandboxes {
		node := strings.Split(strings.TrimPrefix(sandbox, nodes+"/"), "/")[0]
		address := filepath.Join(nodes, node, "containerd.sock")
		sum := sha256.Sum256([]byte(filepath.Join(address, "k8s.io", filepath.Base(sandbox))))
		sockets = append(sockets, fmt.Sprintf("/run/containerd/s/%x", sum))
	}
	return sockets
}

// assertNoTrace fails unless nothing of the cluster is left.
func assertNoTrace(t *testing.T, id, stateDir string) {
	t.Helper()
	eventually(t, 5*time.Second, "nothing is left of the cluster", func() (string, bool) {
		diff := cmp.Diff(footprint{}, takeFootprint(t, id, stateDir))
		return diff, diff == ""
	})
}
