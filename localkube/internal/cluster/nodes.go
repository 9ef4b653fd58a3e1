package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/node"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// SetNode starts or stops one node, as if its power were switched, and waits
// until that is done.
func (m Manager) SetNode(ctx context.Context, name, nodeName string, phase state.Phase) error {
	return m.changeNode(ctx, name, nodeName, func(c *state.Cluster, n *state.Node) error {
		n.Phase = phase
		return m.apply(ctx, c)
	})
}

// DeleteNode stops one node and removes it from the cluster.
func (m Manager) DeleteNode(ctx context.Context, name, nodeName string) error {
	return m.changeNode(ctx, name, nodeName, func(c *state.Cluster, n *state.Node) error {
		n.Phase = state.Deleting
		if err := m.apply(ctx, c); err != nil {
			return err
		}
		c.RemoveNode(nodeName)
		return m.Store.Save(c)
	})
}

func (m Manager) changeNode(ctx context.Context, name, nodeName string, change func(*state.Cluster, *state.Node) error) error {
	c, unlock, err := m.open(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	n, ok := c.Node(nodeName)
	if !ok {
		return fault.New(fault.Failed, fmt.Errorf("changing cluster %s: it has no node %q", name, nodeName),
			"See its nodes: localkube list -o json")
	}
	if c.Phase != state.Running {
		return fault.New(fault.Failed, fmt.Errorf("changing node %s: the cluster is stopped", nodeName),
			"Start it first: localkube start "+name)
	}
	return change(c, n)
}

// apply saves the state and waits until the supervisor has reached it.
func (m Manager) apply(ctx context.Context, c *state.Cluster) error {
	if err := m.Store.Save(c); err != nil {
		return err
	}
	_, err := m.up(ctx, c)
	return err
}

// LoadArchive imports an OCI or Docker archive into every running node.
func (m Manager) LoadArchive(ctx context.Context, name, archive string) error {
	c, unlock, err := m.open(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	if c.Phase != state.Running {
		return fault.New(fault.Failed, fmt.Errorf("loading %s: cluster %s is stopped", filepath.Base(archive), name),
			"Start it first: localkube start "+name)
	}
	l := plan.New(m.Store, c)
	parts, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes {
		if n.Phase == state.Running {
			parts.Go(func() error { return node.Import(ctx, l, n, archive) })
		}
	}
	return parts.Wait()
}
