// Package gather keeps an archive up with the output of running environments:
// it follows every container of theirs and goes on where the archive ends,
// after a crash too. Start at Gatherer.
package gather

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/live"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Environment is one to gather from. Equal keys are the same environment.
type Environment struct {
	Project, Name string
	Namespace     string
	// Config reaches the cluster; another pointer is another way there.
	Config *rest.Config
}

// Options of a Gatherer. Zero fields take the defaults.
type Options struct {
	// MaxAge is how old lines are fetched at most; it should be the archive's.
	// Default 7 days.
	MaxAge time.Duration
	// Timing of the following. The defaults are more patient than those of
	// people who look on.
	Timing live.Timing
	// Log takes remarks. Default none.
	Log *slog.Logger
}

// Gatherer follows environments into an archive. It is safe for concurrent
// use.
type Gatherer struct {
	archive *archive.Archive
	opts    Options

	mu        sync.Mutex
	following map[Environment]context.CancelFunc
	clients   map[*rest.Config]*live.Client
	running   sync.WaitGroup
}

// New makes a gatherer that follows nothing yet.
func New(a *archive.Archive, opts Options) *Gatherer {
	if opts.MaxAge == 0 {
		opts.MaxAge = 7 * 24 * time.Hour
	}
	if opts.Timing == (live.Timing{}) {
		opts.Timing = live.Timing{Answer: 5 * time.Second, Probe: 2 * time.Minute, Retry: time.Second, MaxRetry: time.Minute}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Gatherer{archive: a, opts: opts, following: map[Environment]context.CancelFunc{}, clients: map[*rest.Config]*live.Client{}}
}

// Set says which environments there are: others are let go, those that are
// new are followed until the context ends or they are let go.
func (g *Gatherer) Set(ctx context.Context, environments []Environment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wanted := map[Environment]bool{}
	configs := map[*rest.Config]bool{}
	for _, e := range environments {
		wanted[e] = true
		configs[e.Config] = true
	}
	for e, stop := range g.following {
		if !wanted[e] {
			stop()
			delete(g.following, e)
		}
	}
	for config := range g.clients {
		if !configs[config] {
			delete(g.clients, config)
		}
	}
	for e := range wanted {
		if g.following[e] == nil {
			g.start(ctx, e)
		}
	}
}

// Wait waits until nothing is followed any more: after the context's end.
func (g *Gatherer) Wait() { g.running.Wait() }

// start follows one environment.
func (g *Gatherer) start(ctx context.Context, e Environment) {
	client := g.clients[e.Config]
	if client == nil {
		made, err := live.New(e.Config, g.opts.Timing)
		if err != nil {
			g.opts.Log.Error("gathering logs", "project", e.Project, "environment", e.Name, "error", err)
			return
		}
		client = made
		g.clients[e.Config] = client
	}
	ctx, stop := context.WithCancel(ctx)
	g.following[e] = stop
	g.running.Go(func() {
		defer stop()
		g.follow(ctx, client, e)
	})
}

// Pauses between attempts to watch an environment's pods.
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

// follow watches the environment's pods until the context ends.
func (g *Gatherer) follow(ctx context.Context, client *live.Client, e Environment) {
	var streams sync.WaitGroup
	defer streams.Wait()
	for pause := firstPause; ctx.Err() == nil; pause = min(maxPause, 2*pause) {
		session, err := client.Open(ctx, live.Options{
			Namespace: e.Namespace, Follow: true, History: true, From: g.from,
			Query: logs.Query{Since: time.Now().Add(-g.opts.MaxAge)},
		})
		if err == nil {
			join := func(s live.Stream) { streams.Go(func() { g.gather(ctx, e, s) }) }
			for _, s := range session.Initial {
				join(s)
			}
			err = session.Run(ctx, join) // ends with the context only
		}
		if ctx.Err() != nil {
			return
		}
		g.opts.Log.Warn("gathering logs: trying again", "project", e.Project, "environment", e.Name, "in", pause, "error", err)
		sleep(ctx, pause)
	}
}

// from is where the archive ends.
func (g *Gatherer) from(pod types.UID, container string) (instance int32, position logs.Position, known bool) {
	c, known := g.archive.Checkpoint(string(pod), container)
	return c.Instance, c.Position, known
}

// gather copies one container's output.
func (g *Gatherer) gather(ctx context.Context, e Environment, s live.Stream) {
	defer s.Close()
	stream := archive.Stream{
		Project: e.Project, Environment: e.Name, Component: s.Origin.Component, Pod: s.Origin.Pod,
		UID: string(s.Pod), Container: s.Origin.Container, Only: s.Origin.Only,
	}
	for {
		b, err := s.Next(ctx)
		if err != nil {
			return // the pod is gone, or the context is done
		}
		lines := worthKeeping(b.Lines)
		for len(lines) > 0 {
			err := g.archive.Append(stream, lines, archive.Checkpoint{Instance: b.Instance, Position: b.Position})
			if err == nil {
				break
			}
			// A full disk, say: the node keeps the lines meanwhile.
			g.opts.Log.Error("keeping logs: trying again", "pod", s.Origin.Pod, "error", err)
			if sleep(ctx, firstPause); ctx.Err() != nil || errors.Is(err, archive.ErrClosed) {
				return
			}
		}
		b.Release()
	}
}

// worthKeeping leaves out remarks that matter only to who looks on.
func worthKeeping(lines []logs.Line) []logs.Line {
	kept := lines[:0]
	for _, l := range lines {
		if l.Mark != logs.MarkStalled && l.Mark != logs.MarkResumed {
			kept = append(kept, l)
		}
	}
	return kept
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
