// Package cluster carries out what people ask of clusters: create, start,
// stop, delete, and the same of nodes. It writes the desired state and lets
// the cluster's supervisor reach it. It must not know of command lines. Start
// reading at Manager.Create.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/host"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
	"github.com/landfall-dev/landfall/localkube/internal/teardown"
)

// maxSocketPath is the longest path of a unix socket.
const maxSocketPath = 107

// machineLock is the folder whose lock serialises the creation of clusters of
// all stores, from the choice of ports and networks until they are taken.
const machineLock = "/run"

// Manager works on the clusters of one store.
type Manager struct {
	Store state.Store
	// Progress gets the supervisor's report each time it has changed.
	Progress func(supervisor.Report)
}

// Request is what a new cluster should be.
type Request struct {
	Name    string
	Nodes   int
	Publish []state.Publish
	// Network is the /16 to use; the zero value lets Create choose.
	Network netip.Prefix
	// RegistriesOf names clusters whose images nodes can pull, too, under the
	// names that they have there.
	RegistriesOf []string
}

// Create makes a cluster and waits until it is ready or ctx ends. What a
// failed Create leaves is removed by Delete.
func (m Manager) Create(ctx context.Context, r Request) (*Info, error) {
	if err := r.validate(); err != nil {
		return nil, fault.New(fault.Usage, err, "")
	}
	if err := host.Check(m.Store.Dir); err != nil {
		return nil, err
	}
	if _, err := host.FindCompanions(); err != nil {
		return nil, err
	}
	settled, err := state.LockDir(ctx, machineLock)
	if err != nil {
		return nil, err
	}
	settled = sync.OnceFunc(settled)
	defer settled()
	c, err := m.reserve(ctx, r)
	if err != nil {
		return nil, err
	}
	unlock, err := m.Store.Lock(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	progress := m.Progress
	m.Progress = func(r supervisor.Report) {
		if r.Settled {
			settled()
		}
		progress(r)
	}
	return m.up(ctx, c)
}

func (r Request) validate() error {
	if err := state.ValidateName(r.Name); err != nil {
		return err
	}
	if r.Nodes < 1 || r.Nodes > state.MaxNodes {
		return fmt.Errorf("number of nodes %d: must be from 1 to %d", r.Nodes, state.MaxNodes)
	}
	if r.Network.IsValid() && (!r.Network.Addr().Is4() || r.Network.Bits() != 16 || r.Network != r.Network.Masked()) {
		return fmt.Errorf("network %s: must be an IPv4 /16 such as 10.100.0.0/16", r.Network)
	}
	return nil
}

// reserve chooses what must be unique on the machine, and writes the state
// file before anything else is made.
func (m Manager) reserve(ctx context.Context, r Request) (*state.Cluster, error) {
	unlock, err := m.Store.LockAll(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := m.refuseExisting(r.Name); err != nil {
		return nil, err
	}
	others, err := m.clusters()
	if err != nil {
		return nil, err
	}
	c := &state.Cluster{
		Name: r.Name, ID: m.Store.NewID(r.Name), Created: time.Now().UTC().Truncate(time.Second),
		Phase: state.Running, Publish: r.Publish,
	}
	if c.Network, err = chooseNetwork(r.Network, others); err != nil {
		return nil, err
	}
	if err := choosePorts(c, others); err != nil {
		return nil, err
	}
	if c.Registries, err = m.registries(r.RegistriesOf, others); err != nil {
		return nil, err
	}
	for range r.Nodes {
		c.AddNode()
	}
	l := plan.New(m.Store, c)
	if path := l.ContainerdSocket(c.Nodes[r.Nodes-1]); len(path) > maxSocketPath-len(".ttrpc") {
		return nil, fault.New(fault.Refused, fmt.Errorf("creating cluster %s: the path %s is too long for a socket", c.Name, path),
			"Choose a shorter --state-dir or name.")
	}
	return c, m.Store.Save(c)
}

// registries finds those of other clusters. They keep their addresses for as
// long as they exist.
func (m Manager) registries(names []string, others []*state.Cluster) ([]state.Registry, error) {
	var all []state.Registry
	for _, name := range names {
		i := slices.IndexFunc(others, func(o *state.Cluster) bool { return o.Name == name && o.Phase != state.Deleting })
		if i < 0 {
			return nil, fault.New(fault.Usage, fmt.Errorf("sharing the registry of cluster %s: it does not exist", name), "See what there is: localkube list")
		}
		l := plan.New(m.Store, others[i])
		all = append(all, state.Registry{Host: l.RegistryHost(), Address: l.Registry()})
	}
	return all, nil
}

func (m Manager) refuseExisting(name string) error {
	c, err := m.Store.Load(name)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Refused, err, "Remove what is left of it: localkube delete "+name)
	}
	if c.Phase == state.Deleting {
		return fault.New(fault.Refused, fmt.Errorf("creating cluster %s: its deletion has not finished", name),
			"Finish it: localkube delete "+name)
	}
	return fault.New(fault.Refused, fmt.Errorf("creating cluster %s: it exists already", name),
		fmt.Sprintf("Use it: localkube start %[1]s. Or remove it first: localkube delete %[1]s", name))
}

// Start brings an existing cluster up again, whatever state it was left in,
// and waits until it is ready.
func (m Manager) Start(ctx context.Context, name string) (*Info, error) {
	if err := host.Check(m.Store.ClusterDir(name)); err != nil {
		return nil, err
	}
	c, unlock, err := m.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c.Phase = state.Running
	if err := m.Store.Save(c); err != nil {
		return nil, err
	}
	return m.up(ctx, c)
}

// open locks and loads a cluster that is not being deleted.
func (m Manager) open(ctx context.Context, name string) (*state.Cluster, func(), error) {
	unlock, err := m.Store.Lock(ctx, name)
	if err != nil {
		return nil, nil, notFound(name, err)
	}
	c, err := m.Store.Load(name)
	if err == nil && c.Phase == state.Deleting {
		err = fault.New(fault.Refused, fmt.Errorf("opening cluster %s: its deletion has not finished", name),
			"Finish it: localkube delete "+name)
	}
	if err != nil {
		unlock()
		return nil, nil, notFound(name, err)
	}
	return c, unlock, nil
}

func notFound(name string, err error) error {
	if errors.Is(err, state.ErrNotFound) {
		return fault.New(fault.Failed, err, "See which there are: localkube list. Or make it: localkube create "+name)
	}
	return err
}

// Stop ends every process of the cluster; its data stays.
func (m Manager) Stop(ctx context.Context, name string) error {
	c, unlock, err := m.open(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	c.Phase = state.Stopped
	if err := m.Store.Save(c); err != nil {
		return err
	}
	return m.down(ctx, plan.New(m.Store, c))
}

// Delete removes the cluster and all that it made on the machine, however far
// its creation came. Absent is a success, told by existed.
func (m Manager) Delete(ctx context.Context, name string) (existed bool, err error) {
	if os.Geteuid() != 0 {
		return false, host.Check(m.Store.Dir)
	}
	if err := state.ValidateName(name); err != nil {
		return false, fault.New(fault.Usage, err, "")
	}
	unlock, err := m.Store.Lock(ctx, name)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	c, err := m.Store.Load(name)
	if errors.Is(err, state.ErrNotFound) {
		_ = os.Remove(m.Store.ClusterDir(name)) // empty, if it was to be a cluster's
		return false, nil
	}
	if err != nil {
		c = m.guess(name) // unreadable: what is left of it has to go all the same
	}
	c.Phase = state.Deleting
	if err := m.Store.Save(c); err != nil {
		return true, err
	}
	l := plan.New(m.Store, c)
	if err := m.down(ctx, l); err != nil {
		return true, err
	}
	return true, m.remove(l)
}

func (m Manager) remove(l plan.Layout) error {
	if err := teardown.Files(l); err != nil {
		return err
	}
	// The store's folder goes with its last cluster.
	_ = os.Remove(m.Store.Dir)
	return nil
}
