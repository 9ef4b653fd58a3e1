// Package child keeps processes running: each in its network namespace, with
// a log file, restarted when it dies. A process outlives its supervisor, and
// the next supervisor takes it over if it is still the one wanted. It must
// not know what the processes do. Start reading at Group.
package child

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/netns"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/proc"
	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 15 * time.Second
	// steady is how long a process must run for its backoff to start anew.
	steady = 30 * time.Second
	// leftoverGrace is how long a process of an earlier supervisor may take
	// to end.
	leftoverGrace = 10 * time.Second
)

// Group is the set of processes of one cluster. It is safe for concurrent use.
type Group struct {
	// Self is the executable of processes that name none.
	Self string
	// LogFile and RecordFile map a process name to its files.
	LogFile    func(name string) string
	RecordFile func(name string) string
	Logger     *slog.Logger

	mu       sync.Mutex
	children map[string]*child
}

// Status is what one process is doing.
type Status struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid,omitempty"`
	Running  bool      `json:"running"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	// LastExit says how the process ended last.
	LastExit string `json:"lastExit,omitempty"`
}

type child struct {
	spec   plan.Process
	digest string
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	id     proc.ID
	status Status
}

// record is what the next supervisor needs to take a process over.
type record struct {
	proc.ID
	// Boot is the boot in which the identity holds.
	Boot    string    `json:"boot"`
	Started time.Time `json:"started"`
	// Digest stands for the executable, the arguments and the environment.
	Digest string `json:"digest"`
}

// Run starts the process, or takes over the one that a previous supervisor
// left, and keeps it running until Stop. A process that runs already with the
// same specification is left alone; with another it is replaced.
func (g *Group) Run(spec plan.Process) error {
	if spec.Program == "" {
		spec.Program = g.Self
	}
	digest, err := digestOf(spec)
	if err != nil {
		return err
	}
	g.mu.Lock()
	old := g.children[spec.Name]
	g.mu.Unlock()
	if old != nil {
		if old.digest == digest {
			return nil
		}
		g.Stop(spec.Name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &child{spec: spec, digest: digest, cancel: cancel, done: make(chan struct{}),
		status: Status{Name: spec.Name}}
	first, err := g.begin(c)
	if err != nil {
		cancel()
		return err
	}
	g.mu.Lock()
	if g.children == nil {
		g.children = map[string]*child{}
	}
	g.children[spec.Name] = c
	g.mu.Unlock()
	go g.keep(ctx, c, first)
	return nil
}

// begin adopts what runs already, or starts the process.
func (g *Group) begin(c *child) (exit func() string, err error) {
	if old, ok := g.readRecord(c.spec.Name); ok && old.Alive() {
		if old.Digest == c.digest {
			c.running(old.ID, old.Started)
			g.Logger.Info("took over", "process", c.spec.Name, "pid", old.PID)
			return waitAdopted(old.ID), nil
		}
		if err := old.End(c.spec.Grace); err != nil {
			return nil, fmt.Errorf("ending old %s: %w", c.spec.Name, err)
		}
	}
	return g.start(c)
}

// keep restarts the process whenever it ends, until ctx ends.
func (g *Group) keep(ctx context.Context, c *child, exit func() string) {
	defer close(c.done)
	backoff := firstBackoff
	for {
		started := time.Now()
		if exit != nil {
			reason := exit()
			c.ended(reason)
			if ctx.Err() != nil {
				return
			}
			g.Logger.Warn("ended", "process", c.spec.Name, "reason", reason)
		}
		if time.Since(started) > steady {
			backoff = firstBackoff
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
		var err error
		if exit, err = g.start(c); err != nil {
			g.Logger.Error("cannot start", "process", c.spec.Name, "error", err)
		}
	}
}

// start forks the process and records it. exit waits for its end and says how
// it came.
func (g *Group) start(c *child) (exit func() string, err error) {
	log, err := os.OpenFile(g.LogFile(c.spec.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening log of %s: %w", c.spec.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(c.spec.Program, c.spec.Args...)
	cmd.Env = c.spec.Env
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: neither the terminal nor the supervisor's end
	// takes the process down.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := startIn(c.spec.NetNS, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.spec.Name, err)
	}
	id, err := proc.Identify(cmd.Process.Pid)
	if err == nil {
		now := time.Now()
		c.running(id, now)
		err = g.writeRecord(c.spec.Name, record{ID: id, Boot: proc.BootID(), Started: now, Digest: c.digest})
	}
	if err != nil {
		g.Logger.Warn("cannot record", "process", c.spec.Name, "error", err)
	}
	return func() string {
		_ = cmd.Wait()
		return cmd.ProcessState.String()
	}, nil
}

func startIn(namespace string, cmd *exec.Cmd) error {
	if namespace == "" {
		return cmd.Start()
	}
	return netns.Do(namespace, cmd.Start)
}

func waitAdopted(id proc.ID) func() string {
	return func() string {
		if err := id.Wait(context.Background()); err != nil {
			return err.Error()
		}
		return "ended (started by an earlier supervisor)"
	}
}

// Stop ends the named process and forgets it. Absent is a success.
func (g *Group) Stop(name string) {
	g.mu.Lock()
	c := g.children[name]
	delete(g.children, name)
	g.mu.Unlock()
	if c == nil {
		g.endLeftover(name)
		return
	}
	c.cancel()
	for {
		if id := c.current(); id.PID != 0 {
			if err := id.End(c.spec.Grace); err != nil {
				g.Logger.Warn("ending", "process", name, "error", err)
			}
		}
		select {
		case <-c.done:
			os.Remove(g.RecordFile(name))
			return
		case <-time.After(50 * time.Millisecond): // it was between two runs
		}
	}
}

// endLeftover ends what an earlier supervisor left running under the name.
func (g *Group) endLeftover(name string) {
	if old, ok := g.readRecord(name); ok {
		if err := old.End(leftoverGrace); err != nil {
			g.Logger.Warn("ending leftover", "process", name, "error", err)
		}
		os.Remove(g.RecordFile(name))
	}
}

// StopAll ends the named processes at once and waits for all of them.
func (g *Group) StopAll(names ...string) {
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() { g.Stop(name) })
	}
	wg.Wait()
}

// Names returns the names of the processes that are to run.
func (g *Group) Names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := make([]string, 0, len(g.children))
	for name := range g.children {
		names = append(names, name)
	}
	return names
}

// Status returns what each process is doing.
func (g *Group) Status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	statuses := make([]Status, 0, len(g.children))
	for _, c := range g.children {
		c.mu.Lock()
		statuses = append(statuses, c.status)
		c.mu.Unlock()
	}
	return statuses
}

// Since returns when the named process was last started, or the zero time if
// it is not to run.
func (g *Group) Since(name string) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.children[name]
	if c == nil {
		return time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status.Since
}

func (c *child) running(id proc.ID, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.status.Since.IsZero() {
		c.status.Restarts++
	}
	c.id = id
	c.status.PID, c.status.Running, c.status.Since = id.PID, true, since
}

func (c *child) ended(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = proc.ID{}
	c.status.PID, c.status.Running, c.status.LastExit = 0, false, reason
}

func (c *child) current() proc.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (g *Group) readRecord(name string) (record, bool) {
	var r record
	data, err := os.ReadFile(g.RecordFile(name))
	if err != nil || json.Unmarshal(data, &r) != nil || r.PID == 0 || r.Boot != proc.BootID() {
		return record{}, false
	}
	return r, true
}

func (g *Group) writeRecord(name string, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return state.WriteFile(g.RecordFile(name), data, 0o600)
}
