package supervisor

import (
	"errors"

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
	s.group.StopAll(s.group.Names()...)
	// The socket is in a folder that teardown removes: it ends with us.
	return errors.Join(err, teardown.Stop(l))
}
