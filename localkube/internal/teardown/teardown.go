// Package teardown stops and removes clusters from outside: it needs no
// supervisor, and trusts nothing but the layout, so that it also clears what
// a killed supervisor or a half-made cluster left. Every function is
// idempotent. Start reading at Stop.
package teardown

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/localkube/internal/cgroup"
	"github.com/landfall-dev/landfall/localkube/internal/network"
	"github.com/landfall-dev/landfall/localkube/internal/node"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/proc"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// grace is how long a leftover process may take to end.
const grace = 5 * time.Second

// Stop ends whatever of the cluster still runs and removes all that lives
// only while it runs: mounts, cgroups, namespaces and interfaces. The data
// stays.
func Stop(l plan.Layout) error {
	// Containers come back while a kubelet or containerd runs: they go first.
	if err := endProcesses(l); err != nil {
		return err
	}
	var errs error
	for _, n := range l.Cluster.Nodes {
		errs = errors.Join(errs, node.EndContainers(l, n), node.EndShims(l, n), node.Clear(l, n))
	}
	errs = errors.Join(errs, node.UnmountBelow(l.Dir))
	if errs != nil {
		return fmt.Errorf("stopping cluster %s: %w", l.Cluster.Name, errs)
	}
	errs = errors.Join(
		cgroup.Remove(l.Cgroup()),
		cgroup.RemoveIfEmpty(plan.CgroupRoot),
		node.RemoveCNIResults(l.CNINetwork()),
		network.Remove(l),
		os.RemoveAll(l.RunDir()),
	)
	if errs != nil {
		return fmt.Errorf("stopping cluster %s: %w", l.Cluster.Name, errs)
	}
	return nil
}

// Node removes all of a stopped node but its object in the API.
func Node(l plan.Layout, n state.Node) error {
	errs := errors.Join(
		node.UnmountBelow(l.NodeDir(n)),
		network.RemoveNode(l, n),
	)
	if errs != nil {
		return fmt.Errorf("removing node %s: %w", n.Name, errs)
	}
	if err := os.RemoveAll(l.NodeDir(n)); err != nil {
		return fmt.Errorf("removing node %s: %w", n.Name, err)
	}
	return nil
}

// Files removes all data of a stopped cluster, its state file last, so that a
// deletion that is cut short can be taken up again.
func Files(l plan.Layout) error {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return fmt.Errorf("removing cluster %s: %w", l.Cluster.Name, err)
	}
	var errs error
	for _, e := range entries {
		if e.Name() != state.FileName {
			errs = errors.Join(errs, os.RemoveAll(filepath.Join(l.Dir, e.Name())))
		}
	}
	if errs != nil {
		return fmt.Errorf("removing cluster %s: %w", l.Cluster.Name, errs)
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		return fmt.Errorf("removing cluster %s: %w", l.Cluster.Name, err)
	}
	return nil
}

// endProcesses ends every process that carries the cluster's mark, but for the
// shims, which hold containers.
func endProcesses(l plan.Layout) error {
	ids, err := proc.WithEnv(plan.EnvCluster + "=" + l.Cluster.ID)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, node.IsShim)
	for _, id := range ids {
		_ = id.Signal(unix.SIGTERM)
	}
	deadline := time.Now().Add(grace)
	var errs error
	for _, id := range ids {
		errs = errors.Join(errs, id.End(time.Until(deadline)))
	}
	return errs
}
