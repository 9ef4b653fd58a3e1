// Package supervisor is the process behind a running cluster: it brings the
// machine to the cluster's desired state and keeps it there. The state is a
// file; a message on the socket says that it has changed. Killed at any time,
// the next supervisor takes over the processes that still run. It must not
// decide what is desired. Start reading at Run and converge.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/child"
	"github.com/landfall-dev/landfall/localkube/internal/host"
	"github.com/landfall-dev/landfall/localkube/internal/kube"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	// attemptTimeout bounds one attempt to reach the desired state.
	attemptTimeout = 3 * time.Minute
	// retryAfter is the pause after a failed attempt.
	retryAfter = 3 * time.Second
	// rotateEvery is how often log files are looked at.
	rotateEvery = 15 * time.Second
)

// ErrAlreadyRunning means that the cluster has a supervisor.
var ErrAlreadyRunning = errors.New("the cluster has a supervisor already")

type supervisor struct {
	store   state.Store
	name    string
	machine plan.Machine
	logger  *slog.Logger
	group   *child.Group
	board   board
	forward *forwards
	changed chan struct{}
	client  *kube.Client
}

// Run supervises the named cluster until ctx ends or it is told to stop, then
// stops the cluster in order. Killed, it leaves the cluster running.
func Run(ctx context.Context, store state.Store, name string, logger *slog.Logger) error {
	c, err := store.Load(name)
	if err != nil {
		return err
	}
	l := plan.New(store, c)
	for _, dir := range []string{l.RunDir(), l.LogDir(), l.PKI(""), l.VolumeDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("preparing cluster %s: %w", name, err)
		}
	}
	unlock, ok, err := state.TryLockDir(l.RunDir())
	if err != nil {
		return err
	}
	if !ok {
		return ErrAlreadyRunning
	}
	defer unlock()
	s, err := newSupervisor(store, l, logger)
	if err != nil {
		return err
	}
	return s.run(ctx, l)
}

func newSupervisor(store state.Store, l plan.Layout, logger *slog.Logger) (*supervisor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding own executable: %w", err)
	}
	machine, err := host.Inspect(l.Dir)
	if err != nil {
		return nil, err
	}
	build, err := child.BuildOf(self)
	if err != nil {
		return nil, fmt.Errorf("reading own executable: %w", err)
	}
	return &supervisor{
		board: board{report: Report{PID: os.Getpid(), Build: build}},
		store: store, name: l.Cluster.Name, machine: machine, logger: logger,
		group: &child.Group{
			Self:       self,
			LogFile:    l.Log,
			RecordFile: func(name string) string { return filepath.Join(l.RunDir(), name+".pid") },
			Logger:     logger,
		},
		forward: newForwards(logger),
		changed: make(chan struct{}, 1),
	}, nil
}

func (s *supervisor) run(ctx context.Context, l plan.Layout) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server, err := s.listen(l.Socket(), stop)
	if err != nil {
		return err
	}
	defer server.Close()
	go s.rotateLogs(ctx, l.LogDir())

	s.board.change()
	for {
		err := s.attempt(ctx)
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			s.logger.Error("not converged", "error", err)
			again = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
			return s.shutDown()
		case <-s.changed:
		case <-again:
		}
	}
}

// attempt reads the desired state and tries to reach it.
func (s *supervisor) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	generation := s.board.begin()
	c, err := s.store.Load(s.name)
	if err == nil {
		err = s.converge(ctx, plan.New(s.store, c))
	}
	s.board.finish(generation, err)
	return err
}

// change makes the loop read the desired state again.
func (s *supervisor) change() int {
	generation := s.board.change()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return generation
}

func (s *supervisor) rotateLogs(ctx context.Context, dir string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rotateEvery):
			if err := child.RotateLogs(dir); err != nil {
				s.logger.Warn("rotating logs", "error", err)
			}
		}
	}
}
