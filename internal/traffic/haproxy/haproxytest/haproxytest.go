// Package haproxytest runs real HAProxy processes over servers of two sides, for
// the tests of what moves traffic between them. Start at Start.
package haproxytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// Options of a HAProxy.
type Options struct {
	// Backends are the sections behind the frontend's `default_backend shop`.
	Backends string
	// Defaults are added to the section of that name, Global to that one.
	Defaults, Global string
	// Folder with more configuration, if any.
	Folder string
	// StateFile: the configuration has a server-state-file, Dir/state.
	StateFile bool
}

// Proxy is a HAProxy in master-worker mode. It ends with the test.
type Proxy struct {
	// URL of its frontend.
	URL string
	// Socket has the level of an administrator, Operator less.
	Socket, Operator, Master haproxy.Socket
	// Dir holds its files: haproxy.cfg, state.
	Dir string

	t       testing.TB
	configs []string
	server  *servertest.Server
}

// Program finds HAProxy or skips the test.
func Program(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("needs HAProxy: apt-get install haproxy")
	}
	return path
}

// Start runs a HAProxy and waits until it serves.
func Start(t testing.TB, o Options) *Proxy {
	t.Helper()
	program := Program(t)
	dir, err := os.MkdirTemp("", "hp") // short: the path of a socket may have 100 characters
	if err != nil {
		t.Fatal(err)
	}
	listen := servertest.FreeAddress(t)
	p := &Proxy{
		URL: "http://" + listen, Dir: dir, t: t,
		Socket:   haproxy.UnixSocket(filepath.Join(dir, "admin.sock")),
		Operator: haproxy.UnixSocket(filepath.Join(dir, "operator.sock")),
		Master:   haproxy.UnixSocket(filepath.Join(dir, "master.sock")),
	}
	p.WriteConfig(o)
	p.configs = []string{p.Config()}
	if o.Folder != "" {
		p.configs = append(p.configs, o.Folder)
	}
	if err := haproxy.Check(context.Background(), program, nil, p.configs...); err != nil {
		t.Fatal(err)
	}
	p.start(program)
	t.Cleanup(func() {
		p.Kill()
		_ = os.RemoveAll(dir)
	})
	return p
}

// Config is the path of its configuration.
func (p *Proxy) Config() string { return filepath.Join(p.Dir, "haproxy.cfg") }

// WriteConfig replaces the configuration; Reload makes it so.
func (p *Proxy) WriteConfig(o Options) {
	p.t.Helper()
	if o.StateFile {
		o.Global += "\n    server-state-file " + filepath.Join(p.Dir, "state")
	}
	text := fmt.Sprintf(`global
    stats socket unix@%s mode 600 level admin expose-fd listeners
    stats socket unix@%s mode 600 level operator
    nbthread 1
    %s
defaults
    mode http
    timeout connect 1s
    timeout client 20s
    timeout server 20s
    timeout http-request 5s
    # Checks are quick here, but the machine may not be.
    timeout check 5s
    option redispatch 1
    retries 2
    %s
frontend http
    bind %s
    default_backend shop
%s
`, p.Socket.Address, p.Operator.Address, o.Global, o.Defaults, strings.TrimPrefix(p.URL, "http://"), o.Backends)
	if err := os.WriteFile(p.Config(), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Proxy) start(program string) {
	p.t.Helper()
	args := []string{"-W", "-db", "-S", p.Master.Address + ",mode,600"}
	for _, config := range p.configs {
		args = append(args, "-f", config)
	}
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // its workers end with it
	p.server = servertest.Run(p.t, cmd, func(ctx context.Context) error {
		_, err := p.Socket.Ask(ctx, "show info")
		return err
	})
}

// Ask gives commands as an administrator.
func (p *Proxy) Ask(commands ...string) string {
	p.t.Helper()
	reply, err := p.Socket.Ask(context.Background(), commands...)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply
}

// Reload has a new worker take over, as `systemctl reload` does, without
// writing the server-state file.
func (p *Proxy) Reload() {
	p.t.Helper()
	before := ""
	p.server.Await("its master does not answer", func(ctx context.Context) (err error) { // it may come from a reload
		before, err = p.worker(ctx)
		return err
	})
	p.server.Signal(syscall.SIGUSR2)
	p.server.Await("it did not reload", func(ctx context.Context) error {
		worker, err := p.worker(ctx)
		if err != nil {
			return err
		}
		reply, err := p.Socket.Ask(ctx, "show info")
		if err == nil && (worker == before || !strings.Contains(reply, "Pid: "+worker+"\n")) {
			err = errOldWorker
		}
		return err
	})
}

// worker is the process that serves.
func (p *Proxy) worker(ctx context.Context) (string, error) {
	worker, err := haproxy.Worker(ctx, p.Master)
	if err == nil && worker == "" {
		err = errNoWorker
	}
	return worker, err
}

// Kill ends it at once, all its connections with it. It may be called again.
func (p *Proxy) Kill() {
	worker, err := p.worker(context.Background())
	if pid, is := strconv.Atoi(worker); err == nil && is == nil {
		p.server.Signal(syscall.SIGKILL) // first, lest it starts another
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.server.Kill()
}

var (
	errNobody    = errors.New("nobody said who answered")
	errNoWorker  = errors.New("it has no worker")
	errOldWorker = errors.New("the worker from before still serves")
)
