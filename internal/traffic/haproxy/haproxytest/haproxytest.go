// Package haproxytest runs real HAProxy processes over servers of two sides, for
// the tests of what moves traffic between them. Start at Start.
package haproxytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/haproxy"
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
	command *exec.Cmd
	exited  chan struct{}
	log     *output
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
	listen := FreeAddress(t)
	p := &Proxy{
		URL: "http://" + listen, Dir: dir, t: t, log: &output{},
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
		if t.Failed() {
			t.Logf("HAProxy's log:\n%s", p.log)
		}
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
	p.command = exec.Command(program, args...)
	p.command.Stdout, p.command.Stderr = p.log, p.log
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited, command := make(chan struct{}), p.command
	p.exited = exited
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	p.await("HAProxy did not come up", func(ctx context.Context) bool {
		_, err := p.Socket.Ask(ctx, "show info")
		return err == nil
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
	p.await("HAProxy's master does not answer", func(ctx context.Context) bool { // it may come from a reload
		worker, err := haproxy.Worker(ctx, p.Master)
		before = worker
		return err == nil && worker != ""
	})
	if err := p.command.Process.Signal(syscall.SIGUSR2); err != nil {
		p.t.Fatal(err)
	}
	p.await("HAProxy did not reload", func(ctx context.Context) bool {
		worker, err := haproxy.Worker(ctx, p.Master)
		if err != nil || worker == "" || worker == before {
			return false
		}
		reply, err := p.Socket.Ask(ctx, "show info")
		return err == nil && strings.Contains(reply, "Pid: "+worker+"\n")
	})
}

// Kill ends it at once, all its connections with it. It may be called again.
func (p *Proxy) Kill() {
	worker, err := haproxy.Worker(context.Background(), p.Master)
	_ = p.command.Process.Kill()
	<-p.exited
	var pid int
	if _, scanned := fmt.Sscan(worker, &pid); err == nil && scanned == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (p *Proxy) await(what string, ready func(context.Context) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for !ready(ctx) {
		select {
		case <-ctx.Done():
			p.t.Fatalf("%s:\n%s", what, p.log)
		case <-p.exited:
			p.t.Fatalf("%s: it ended:\n%s", what, p.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// FreeAddress is one that nobody listens on at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// output is a log that HAProxy and the test use at once.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

var errNobody = errors.New("nobody said who answered")
