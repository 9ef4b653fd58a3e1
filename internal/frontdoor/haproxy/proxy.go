package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/frontdoor"
	"github.com/landfall-dev/landfall/internal/haproxy"
)

const (
	// reloadTimeout bounds how long a new worker may take to serve.
	reloadTimeout = 20 * time.Second
	socketTimeout = 5 * time.Second
	// stopGrace is how long requests under way may take when all ends.
	stopGrace = 15 * time.Second
)

// Proxy is one HAProxy in master-worker mode. Apply may be called
// concurrently.
type Proxy struct {
	Options
	// Program is the HAProxy binary.
	Program string
	// Env is added to the program's environment.
	Env []string
	// Log receives HAProxy's output: its access log and its complaints.
	Log io.Writer

	mu      sync.Mutex
	command *exec.Cmd
	exited  chan struct{}
	live    files // what HAProxy runs, nil before the start
	slots   slots
	stopped bool
}

// Outcome says what Apply did.
type Outcome string

// Outcomes of Apply.
const (
	Unchanged Outcome = "unchanged"
	Started   Outcome = "started"
	// Adjusted: servers changed at run time.
	Adjusted Outcome = "adjusted"
	// Reloaded: a new worker took over the listening sockets.
	Reloaded Outcome = "reloaded"
)

// Apply makes HAProxy serve the table and returns when it does. A table that
// HAProxy refuses is an error and leaves the one before in service.
func (p *Proxy) Apply(ctx context.Context, t frontdoor.Table) (Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return "", errors.New("the front door is closed")
	}
	next := assign(p.slots, t)
	wanted := render(p.Options, t, next)
	if p.live == nil || !p.alive() {
		return Started, p.keep(wanted, next, p.start(ctx, wanted))
	}
	if maps.Equal(wanted, p.live) {
		return Unchanged, nil
	}
	if outcome, err := p.adjust(ctx, wanted, next); err == nil && outcome == Adjusted {
		return Adjusted, nil
	}
	return Reloaded, p.keep(wanted, next, p.reload(ctx, wanted))
}

// WouldReload says whether Apply of the table would need a reload, which the
// caller may want to put off for a moment to gather more changes.
func (p *Proxy) WouldReload(t frontdoor.Table) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		return false
	}
	next := assign(p.slots, t)
	wanted := render(p.Options, t, next)
	_, adjustable := changes(p.slots, next)
	return !maps.Equal(wanted, p.live) && (!adjustable || !p.sameRoutes(wanted))
}

// Done is closed when HAProxy has ended, asked to or not. It is nil before the
// first Apply.
func (p *Proxy) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// Stop ends HAProxy after the requests under way.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if !p.alive() {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGUSR1)
	select {
	case <-p.exited:
	case <-time.After(stopGrace):
		_ = p.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(socketTimeout):
			_ = p.command.Process.Kill()
			<-p.exited
		}
	}
}

func (p *Proxy) keep(wanted files, next slots, err error) error {
	if err == nil {
		p.live, p.slots = wanted, next
	}
	return err
}

func (p *Proxy) alive() bool {
	if p.command == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *Proxy) sameRoutes(wanted files) bool {
	return wanted[exactMap] == p.live[exactMap] && wanted[prefixMap] == p.live[prefixMap]
}

// adjust changes servers over the runtime interface, and writes the files, so
// that a later reload begins from the same.
func (p *Proxy) adjust(ctx context.Context, wanted files, next slots) (Outcome, error) {
	commands, ok := changes(p.slots, next)
	if !ok || !p.sameRoutes(wanted) {
		return "", nil
	}
	for _, command := range commands {
		if err := p.tell(ctx, command); err != nil {
			return "", err
		}
	}
	if err := p.write(wanted, ""); err != nil {
		return "", err
	}
	p.live, p.slots = wanted, next
	return Adjusted, nil
}

// tell gives one command to the worker. Replies of "set server" are empty, or
// say what changed.
func (p *Proxy) tell(ctx context.Context, command string) error {
	reply, err := p.socket(statsSock).Ask(ctx, command)
	if err != nil {
		return err
	}
	for _, bad := range []string{"No such", "Unknown", "Invalid", "Permission", "Can't", "Require"} {
		if strings.Contains(reply, bad) {
			return fmt.Errorf("HAProxy: %s: %s", command, strings.TrimSpace(reply))
		}
	}
	return nil
}

func (p *Proxy) start(ctx context.Context, wanted files) error {
	if err := p.check(ctx, wanted); err != nil {
		return err
	}
	p.command = exec.Command( //nolint:noctx // it is told to stop in order: see Stop
		p.Program, "-W", "-db", "-f", filepath.Join(p.Dir, configFile), "-S", filepath.Join(p.Dir, masterSock)+",mode,600")
	p.command.Env = append(os.Environ(), p.Env...)
	p.command.Stdout, p.command.Stderr = p.Log, p.Log
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.command.Start(); err != nil {
		p.command = nil
		return fmt.Errorf("starting HAProxy: %w", err)
	}
	exited, command := make(chan struct{}), p.command
	p.exited = exited
	go func() {
		_ = command.Wait() // Done says that it ended; its own words are in the log
		close(exited)
	}()
	return p.awaitWorker(ctx, "")
}

// reload checks the configuration, then lets the master start a worker with
// it, which takes over the sockets without a gap.
func (p *Proxy) reload(ctx context.Context, wanted files) error {
	before := p.worker(ctx)
	if err := p.check(ctx, wanted); err != nil {
		return err
	}
	if err := p.command.Process.Signal(syscall.SIGUSR2); err != nil {
		return fmt.Errorf("reloading HAProxy: %w", err)
	}
	if err := p.awaitWorker(ctx, before); err != nil {
		return errors.Join(err, p.write(p.live, ""))
	}
	return nil
}

// check puts the files in place if HAProxy accepts them.
func (p *Proxy) check(ctx context.Context, wanted files) error {
	trial := filepath.Join(p.Dir, "trial")
	if err := os.MkdirAll(trial, 0o755); err != nil {
		return fmt.Errorf("checking HAProxy's configuration: %w", err)
	}
	moved := files{}
	for name, content := range wanted {
		moved[name] = strings.ReplaceAll(content, p.Dir+"/", trial+"/")
	}
	if err := p.write(moved, "trial"); err != nil {
		return err
	}
	if err := haproxy.Check(ctx, p.Program, p.Env, filepath.Join(trial, configFile)); err != nil {
		return fmt.Errorf("trying the new configuration, the one before stays: %w", err)
	}
	return p.write(wanted, "")
}

// write replaces files one by one; the configuration file comes last.
func (p *Proxy) write(wanted files, below string) error {
	for _, name := range []string{exactMap, prefixMap, configFile} {
		file := filepath.Join(p.Dir, below, name)
		if err := os.WriteFile(file+".new", []byte(wanted[name]), 0o600); err != nil {
			return fmt.Errorf("writing HAProxy's configuration: %w", err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			return fmt.Errorf("writing HAProxy's configuration: %w", err)
		}
	}
	return nil
}

// awaitWorker waits until a worker other than before serves.
func (p *Proxy) awaitWorker(ctx context.Context, before string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	for {
		if worker := p.worker(ctx); worker != "" && worker != before {
			if _, err := p.socket(statsSock).Ask(ctx, "show info"); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("HAProxy got no new worker ready in time, see its log")
		case <-p.exited:
			return errors.New("HAProxy ended, see its log")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// worker gives the process id of the current worker, "" if there is none.
func (p *Proxy) worker(ctx context.Context) string {
	worker, err := haproxy.Worker(ctx, p.socket(masterSock))
	if err != nil {
		return "" // the master is starting or gone
	}
	return worker
}

func (p *Proxy) socket(name string) haproxy.Socket {
	return haproxy.UnixSocket(filepath.Join(p.Dir, name))
}
