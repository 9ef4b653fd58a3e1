// Package servertest runs programs that serve something while a test lasts, and
// gives the addresses that they listen on. Start at Run.
package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long something may take on a busy machine.
	patience = time.Minute
	// often is how long to wait before something is looked at again.
	often = 10 * time.Millisecond
	// shown is how many bytes of what a program said a failed test shows, the last.
	shown = 8000
)

// Server is a program that runs until its test ends, or until it is ended.
type Server struct {
	// Log is what it said so far, on standard output and standard error.
	Log *Log

	t      testing.TB
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Run starts a program and waits until ready gives nil; a nil ready waits for
// nothing. When the test ends the program is killed, and what it said is shown
// if the test failed. The program does not outlive the test's process either.
func Run(t testing.TB, cmd *exec.Cmd, ready func(context.Context) error) *Server {
	t.Helper()
	s := &Server{Log: &Log{}, t: t, name: filepath.Base(cmd.Path), cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.Log, s.Log
	cmd.WaitDelay = time.Second // a child that it left behind may hold its output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", s.name, s.Log.tail())
		}
	})
	if ready != nil {
		s.Await("it does not answer", ready)
	}
	return s
}

// Await waits until ready gives nil. It fails the test, with what was waited
// for and the last error of ready, when the program ends or a minute is over.
func (s *Server) Await(otherwise string, ready func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-s.exited:
			s.t.Fatalf("%s: %s: it ended: %s", s.name, otherwise, s.cmd.ProcessState)
		case <-ctx.Done():
			s.t.Fatalf("%s: %s: %v", s.name, otherwise, err)
		case <-time.After(often):
		}
	}
}

// PID is the number of its process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Exited is closed when the program has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Signal sends a signal: SIGSTOP has the program pause, SIGCONT go on.
func (s *Server) Signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Stop asks the program to end and waits until it has. One that takes too long
// is killed.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.Kill()
	}
}

// Kill ends the program as a crash would. It may be called again.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Dies waits until the program was killed, by itself or by another. It fails the
// test when the program ends in another way, or not in time.
func (s *Server) Dies(within time.Duration) {
	s.t.Helper()
	select {
	case <-s.exited:
		if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			s.t.Fatalf("%s was not killed, but ended: %s", s.name, s.cmd.ProcessState)
		}
	case <-time.After(within):
		s.t.Fatalf("%s was not killed within %s", s.name, within)
	}
}

// Listens is ready when something accepts connections at an address.
func Listens(address string) (ready func(context.Context) error) {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Answers is ready when an URL is answered with status 200.
func Answers(url string) (ready func(context.Context) error) {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", response.Status)
		}
		return nil
	}
}

// There is ready when a file exists: the socket of a server, say.
func There(path string) (ready func(context.Context) error) {
	return func(context.Context) error {
		_, err := os.Stat(path)
		return err
	}
}

// Log is what a program says, written and read at once. The zero value is empty.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is part of io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all of it so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *Log) tail() string {
	text := l.String()
	return text[max(0, len(text)-shown):]
}
