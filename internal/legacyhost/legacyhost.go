// Package legacyhost runs small fleets of Debian servers on this machine, the
// way they ran before containers: each host has an init, sshd, cron and syslog
// of its own in its own Linux namespaces, and is reached by SSH over an own
// network. What is installed on them is a recipe (examples/legacy-shop); the
// package itself knows no shop.
//
// Nothing is mounted in this machine's own mount namespace and every process
// of a host lives in the host's process namespace, so that ending its init
// ends and unmounts everything. Start at Manager.Create.
package legacyhost

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// DefaultDir is where local things live; EnvDir overrides it, as it does for
// localkube.
const (
	DefaultDir = "/var/lib/landfall/local"
	EnvDir     = "LANDFALL_LOCAL_DIR"
)

// Folder is the name of the fleet's folder below the local folder, where local
// clusters have theirs: no cluster may have this name.
const Folder = "legacy"

// Manager creates and deletes the fleet of one folder. There is one fleet per
// folder; commands on it exclude each other by a lock file.
type Manager struct {
	// Dir is the absolute path of the fleet's folder.
	Dir string
	// Progress hears of the steps.
	Progress progress.Reporter
}

// NewManager is the Manager for a local folder: dir, else $LANDFALL_LOCAL_DIR,
// else DefaultDir.
func NewManager(dir string, getenv func(string) string, p progress.Reporter) (*Manager, error) {
	if dir == "" {
		dir = getenv(EnvDir)
	}
	if dir == "" {
		dir = DefaultDir
	}
	abs, err := filepath.Abs(filepath.Join(dir, Folder))
	if err != nil {
		return nil, fmt.Errorf("finding the local folder: %w", err)
	}
	return &Manager{Dir: abs, Progress: p}, nil
}

// Request says what to create.
type Request struct {
	// Recipe is what the hosts are made of.
	Recipe *Recipe
	// Hosts is how many there are of the group that the recipe leaves open.
	Hosts int
	// Subnet is the /24 for the hosts; the zero value takes a free one.
	Subnet netip.Prefix
}

// Create makes the fleet, or what is missing of it: hosts that run stay as
// they are, stopped ones are started, half-made ones are made again. It
// returns when every host answers on the ports that the recipe names.
func (m *Manager) Create(ctx context.Context, r Request) (*Fleet, error) {
	if err := checkMachine(); err != nil {
		return nil, err
	}
	hosts, err := r.Recipe.hosts(r.Hosts)
	if err != nil {
		return nil, err
	}
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()

	if err := usablePath(m.Dir); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "Choose another with --state-dir.")
	}
	if err := m.sameRecipe(r.Recipe, hosts); err != nil {
		return nil, err
	}
	layers, err := m.layers(ctx, r.Recipe)
	if err != nil {
		return nil, err
	}
	net, err := m.network(ctx, r.Subnet)
	if err != nil {
		return nil, err
	}
	key, err := m.key()
	if err != nil {
		return nil, err
	}
	common := spot{layers: layers, network: net, key: key, recipe: r.Recipe, members: hosts}
	for _, h := range hosts {
		if err := m.ensureHost(ctx, h, common); err != nil {
			return nil, err
		}
	}
	if err := m.writeAccess(r.Recipe); err != nil {
		return nil, err
	}
	if err := m.awaitReady(ctx); err != nil {
		return nil, err
	}
	return m.List()
}

// Delete ends the hosts and removes everything that Create made; the layers
// stay as a cache for the next Create unless base is set. Deleting what is not
// there is no error.
func (m *Manager) Delete(ctx context.Context, base bool) error {
	if _, err := os.Stat(m.Dir); os.IsNotExist(err) {
		return nil
	}
	if err := checkRoot(); err != nil {
		return err
	}
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	hosts, err := m.hosts()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := m.deleteHost(h); err != nil {
			return err
		}
	}
	if err := m.deleteNetwork(ctx); err != nil {
		return err
	}
	return m.deleteFiles(base)
}

// deleteFiles removes the folder, but for the layers where they are kept.
func (m *Manager) deleteFiles(base bool) error {
	remove := []string{"hosts", "key", "key.pub", "ssh_config", "known_hosts", "network.json", "fleet.json", "build.log", "recipe"}
	if base {
		remove = append(remove, "layers", "packages")
	}
	for _, name := range remove {
		if err := os.RemoveAll(m.path(name)); err != nil {
			return fmt.Errorf("deleting the legacy hosts: %w", err)
		}
	}
	if !base {
		return nil
	}
	// The folders above may be shared with clusters: only empty ones go.
	_ = os.Remove(m.path(".lock"))
	_ = os.Remove(m.Dir)
	return nil
}

func (m *Manager) path(names ...string) string {
	return filepath.Join(append([]string{m.Dir}, names...)...)
}

// lock excludes other commands on the same fleet; it waits for nobody, since
// two people creating one fleet at once is a mistake.
func (m *Manager) lock() (unlock func(), err error) {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the legacy hosts: %w", err)
	}
	file, err := os.OpenFile(m.path(".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the legacy hosts: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fault.New(fault.Failed, "Wait until it is done, then repeat.",
			"locking the legacy hosts in %s: another command is at work on them", m.Dir)
	}
	return func() { _ = file.Close() }, nil
}

// pause waits a moment, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
