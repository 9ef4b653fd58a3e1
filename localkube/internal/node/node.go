// Package node prepares and clears what a node needs besides its processes:
// configuration files, the pause image, containers, mounts and cgroups. It
// must not know how processes are supervised. Start reading at Prepare.
package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/localkube/internal/cgroup"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/proc"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// containerGrace is how long containers may take to end when a node stops.
const containerGrace = 5 * time.Second

// criNamespace is where containerd keeps what Kubernetes makes.
const criNamespace = "k8s.io"

// Prepare writes the node's configuration files and makes its folders and its
// cgroup.
func Prepare(l plan.Layout, n state.Node, m plan.Machine) error {
	for _, dir := range []string{"kubelet", "pods", "plugins", "run", "opt", "cni/addresses"} {
		if err := os.MkdirAll(l.NodePath(n, dir), 0o700); err != nil {
			return fmt.Errorf("preparing node %s: %w", n.Name, err)
		}
	}
	files, err := l.NodeFiles(n, m)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
			return fmt.Errorf("preparing node %s: %w", n.Name, err)
		}
		if err := state.WriteFile(f.Path, f.Data, 0o600); err != nil {
			return fmt.Errorf("preparing node %s: %w", n.Name, err)
		}
	}
	return cgroup.Ensure(l.NodeCgroup(n))
}

// WaitContainerd waits until the node's containerd answers.
func WaitContainerd(ctx context.Context, l plan.Layout, n state.Node) error {
	for {
		_, err := ctr(ctx, l, n, "version")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd of %s: %w", n.Name, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Import adds the images of an OCI or Docker archive to the node.
func Import(ctx context.Context, l plan.Layout, n state.Node, archive string) error {
	_, err := ctr(ctx, l, n, "images", "import", archive)
	if err != nil {
		return fmt.Errorf("importing %s into node %s: %w", filepath.Base(archive), n.Name, err)
	}
	return nil
}

// EnsureImage imports the archive unless the node has its image ref already.
func EnsureImage(ctx context.Context, l plan.Layout, n state.Node, ref, archive string) error {
	out, err := ctr(ctx, l, n, "images", "list", "--quiet", "name=="+ref)
	if err != nil {
		return fmt.Errorf("listing images of node %s: %w", n.Name, err)
	}
	if strings.TrimSpace(out) != "" {
		return nil
	}
	return Import(ctx, l, n, archive)
}

// ctr runs containerd's own client in the namespace that Kubernetes uses.
func ctr(ctx context.Context, l plan.Layout, n state.Node, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "ctr",
		append([]string{"--address", l.ContainerdSocket(n), "--namespace", criNamespace}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// EndContainers ends every container of the node. The kubelet must be down, or
// it starts them again.
func EndContainers(l plan.Layout, n state.Node) error {
	ids, err := containerProcesses(l, n)
	if err != nil {
		return err
	}
	for _, id := range ids {
		_ = id.Signal(unix.SIGTERM)
	}
	waitAll(ids, containerGrace)
	// Whatever is left or was forked meanwhile.
	if ids, err = containerProcesses(l, n); err != nil {
		return err
	}
	var errs error
	for _, id := range ids {
		errs = errors.Join(errs, id.Kill())
	}
	return errs
}

// EndShims ends containerd's helpers, one per pod, which outlive it.
// containerd must be down, or it clears their traces only in part.
func EndShims(l plan.Layout, n state.Node) error {
	shims, err := shims(l, n)
	for _, id := range shims {
		err = errors.Join(err, id.Kill())
	}
	return err
}

func containerProcesses(l plan.Layout, n state.Node) ([]proc.ID, error) {
	pids, err := cgroup.PIDs(l.NodeCgroup(n))
	if err != nil {
		return nil, fmt.Errorf("finding containers of node %s: %w", n.Name, err)
	}
	var ids []proc.ID
	for _, pid := range pids {
		if id, err := proc.Identify(pid); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func waitAll(ids []proc.ID, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, id := range ids {
		_ = id.Wait(ctx)
	}
}

// shims are told from other processes by containerd's socket on their command
// line.
func shims(l plan.Layout, n state.Node) ([]proc.ID, error) {
	all, err := proc.WithEnv(plan.EnvCluster + "=" + l.Cluster.ID)
	if err != nil {
		return nil, err
	}
	socket := l.ContainerdSocket(n)
	return slices.DeleteFunc(all, func(id proc.ID) bool {
		return !IsShim(id) || !slices.Contains(id.Args(), socket)
	}), nil
}

// IsShim says whether the process is one of containerd's helpers.
func IsShim(id proc.ID) bool {
	args := id.Args()
	return len(args) > 0 && strings.HasPrefix(filepath.Base(args[0]), "containerd-shim")
}

// Clear removes what the ended processes of the node left outside its data:
// shim sockets, mounts, run-time state, address leases and cgroups.
func Clear(l plan.Layout, n state.Node) error {
	errs := errors.Join(
		removeDeadSockets(),
		UnmountBelow(l.NodeDir(n)),
	)
	if errs != nil {
		return errs // never remove files below a mount that is still there
	}
	return errors.Join(
		removeAll(l.NodeRunDir(n)),
		removeAll(l.NodePath(n, "cni", "addresses")),
		removeLinks("/var/log/containers", l.NodeDir(n)),
		cgroup.Remove(l.NodeCgroup(n)),
	)
}

// shimSockets is where every containerd of the machine keeps the sockets of
// its shims, named by hashes.
const shimSockets = "/run/containerd/s"

// removeDeadSockets removes the sockets that shims left when they were killed.
// Their names do not tell whose they are; but one that refuses connections
// twice has no listener and is of no use to anybody. (A shim listens within
// microseconds of making its socket.)
func removeDeadSockets() error {
	sockets, err := filepath.Glob(filepath.Join(shimSockets, "*"))
	if err != nil {
		return err
	}
	dead := slices.DeleteFunc(sockets, func(socket string) bool { return !refuses(socket) })
	if len(dead) == 0 {
		return nil
	}
	time.Sleep(50 * time.Millisecond)
	var errs error
	for _, socket := range dead {
		if !refuses(socket) {
			continue
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, fmt.Errorf("removing shim socket: %w", err))
		}
	}
	return errs
}

func refuses(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// RemoveCNIResults removes what the CNI library cached of the network, in a
// folder that is the same for all users of the library.
func RemoveCNIResults(network string) error {
	files, err := filepath.Glob(filepath.Join("/var/lib/cni/results", network+"-*"))
	if err != nil {
		return err
	}
	var errs error
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// removeLinks removes the symbolic links of the folder that lead below target.
func removeLinks(folder, target string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs error
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		to, err := os.Readlink(path)
		if err == nil && strings.HasPrefix(to, target+"/") {
			errs = errors.Join(errs, os.Remove(path))
		}
	}
	return errs
}

func removeAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}
