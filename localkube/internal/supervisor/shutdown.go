package supervisor

import (
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/teardown"
)

// shutDown stops the cluster in order: the nodes, so that nothing starts
// containers again, then the control plane, then what they stood on.
func (s *supervisor) shutDown() error {
	c, err := s.store.Load(s.name)
	if err != nil {
		return err
	}
	l := plan.New(s.store, c)
	s.forward.close()
	var nodes errgroup.Group
	for _, n := range c.Nodes {
		nodes.Go(func() error { return s.stopNode(l, n) })
	}
	err = nodes.Wait()
	// The API server writes to etcd as it ends.
	etcd := l.Etcd().Name
	s.group.StopAll(slices.DeleteFunc(s.group.Names(), func(name string) bool { return name == etcd })...)
	s.group.Stop(etcd)
	// The socket is in a folder that teardown removes: it ends with us.
	return errors.Join(err, teardown.Stop(l))
}
