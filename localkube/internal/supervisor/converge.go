package supervisor

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/localkube/internal/credentials"
	"github.com/landfall-dev/landfall/localkube/internal/kube"
	"github.com/landfall-dev/landfall/localkube/internal/network"
	"github.com/landfall-dev/landfall/localkube/internal/node"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/teardown"
)

// converge takes every step towards the desired state. Each step is harmless
// when its work has been done before.
func (s *supervisor) converge(ctx context.Context, l plan.Layout) error {
	running, leaving := split(l.Cluster.Nodes)
	for _, n := range leaving {
		err := s.board.step("stopping node "+n.Name, func() error { return s.stopNode(l, n) })
		if err != nil {
			return err
		}
	}
	if err := raiseLimits(); err != nil {
		s.logger.Warn("a busy machine may run out of file watches", "error", err)
	}
	if err := s.board.step("network", func() error { return network.Ensure(l) }); err != nil {
		return err
	}
	if err := s.board.step("ports", func() error { return s.forward.set(l) }); err != nil {
		return err
	}
	s.board.settle()
	if err := s.board.step("certificates", func() error { return credentials.Ensure(l) }); err != nil {
		return err
	}
	if err := s.startMachinery(ctx, l, running); err != nil {
		return err
	}
	if err := s.board.step("controllers", func() error { return s.startControllers(l) }); err != nil {
		return err
	}
	if err := s.startRest(ctx, l, running); err != nil {
		return err
	}
	return s.forgetNodes(ctx, leaving)
}

// split separates the nodes to run from those to be stopped or deleted.
func split(nodes []state.Node) (running, leaving []state.Node) {
	for _, n := range nodes {
		if n.Phase == state.Running {
			running = append(running, n)
		} else {
			leaving = append(leaving, n)
		}
	}
	return running, leaving
}

// startMachinery starts at once what needs nothing else: the API server with
// its database, the registry, and the nodes' containerd.
func (s *supervisor) startMachinery(ctx context.Context, l plan.Layout, nodes []state.Node) error {
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		return s.board.step("API server", func() error { return s.startAPIServer(ctx, l) })
	})
	parts.Go(func() error {
		return s.board.step("containerd", func() error { return s.startContainerd(ctx, l, nodes) })
	})
	return parts.Wait()
}

func (s *supervisor) startAPIServer(ctx context.Context, l plan.Layout) error {
	for _, p := range []plan.Process{l.Etcd(), l.APIServerProcess()} {
		if err := s.group.Run(p); err != nil {
			return err
		}
	}
	if s.client == nil {
		client, err := kube.NewClient(l.ClientConfig("supervisor"))
		if err != nil {
			return err
		}
		s.client = client
	}
	if err := s.client.WaitReady(ctx); err != nil {
		return fmt.Errorf("%w (see %s)", err, l.Log("kube-apiserver"))
	}
	return nil
}

func (s *supervisor) startContainerd(ctx context.Context, l plan.Layout, nodes []state.Node) error {
	if err := ensurePauseArchive(l); err != nil {
		return err
	}
	if err := ensureCNIPlugins(l, s.machine); err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		parts.Go(func() error {
			if err := node.Prepare(l, n, s.machine); err != nil {
				return err
			}
			if err := s.group.Run(l.Containerd(n, s.machine.Programs)); err != nil {
				return err
			}
			if err := node.WaitContainerd(ctx, l, n); err != nil {
				return fmt.Errorf("%w (see %s)", err, l.Log("containerd@"+n.Name))
			}
			return node.EnsureImage(ctx, l, n, plan.PauseImage, l.PauseArchive())
		})
	}
	return parts.Wait()
}

func (s *supervisor) startControllers(l plan.Layout) error {
	for _, p := range []plan.Process{l.ControllerManager(), l.Scheduler()} {
		if err := s.group.Run(p); err != nil {
			return err
		}
	}
	return nil
}

// startRest starts at once what only needs the API server.
func (s *supervisor) startRest(ctx context.Context, l plan.Layout, nodes []state.Node) error {
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		return s.board.step("nodes", func() error { return s.startNodes(ctx, l, nodes) })
	})
	parts.Go(func() error {
		return s.board.step("add-ons", func() error { return s.startAddons(ctx, l) })
	})
	return parts.Wait()
}

func (s *supervisor) startNodes(ctx context.Context, l plan.Layout, nodes []state.Node) error {
	for _, n := range nodes {
		for _, p := range l.NodeAgents(n) {
			if err := s.group.Run(p); err != nil {
				return err
			}
		}
	}
	for _, n := range nodes {
		since := s.group.Since(l.Kubelet(n).Name)
		if err := s.client.WaitNode(ctx, n.Name, l.NodePods(n).String(), since); err != nil {
			return fmt.Errorf("%w (see %s)", err, l.Log("kubelet@"+n.Name))
		}
	}
	return nil
}

// stopNode ends a node as a power failure would, but for a moment's notice to
// its containers. Its data stays, unless it is being deleted.
func (s *supervisor) stopNode(l plan.Layout, n state.Node) error {
	var agents []string
	for _, p := range l.NodeAgents(n) {
		agents = append(agents, p.Name)
	}
	s.group.StopAll(agents...)
	if err := node.EndContainers(l, n); err != nil {
		return err
	}
	s.group.Stop(l.Containerd(n, s.machine.Programs).Name)
	if err := node.EndShims(l, n); err != nil {
		return err
	}
	if err := node.Clear(l, n); err != nil {
		return err
	}
	if n.Phase != state.Deleting {
		return nil
	}
	return teardown.Node(l, n)
}

// forgetNodes takes deleted nodes out of the cluster.
func (s *supervisor) forgetNodes(ctx context.Context, nodes []state.Node) error {
	for _, n := range nodes {
		if n.Phase != state.Deleting {
			continue
		}
		if err := s.client.DeleteNode(ctx, n.Name); err != nil {
			return err
		}
	}
	return nil
}
