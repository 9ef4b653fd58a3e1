package servertest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/internal/servertest"
)

// says is ready when a program has said something.
func says(log func() string, what string) func(context.Context) error {
	return func(context.Context) error {
		if !strings.Contains(log(), what) {
			return fmt.Errorf("nobody said %q", what)
		}
		return nil
	}
}

func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

func TestAServerEndsAsItIsTold(t *testing.T) {
	s := servertest.Run(t, shell("trap 'echo in order; exit' TERM; echo up; while :; do sleep 0.05; done"), nil)
	s.Await("it did not come up", says(s.Log.String, "up"))
	s.Signal(syscall.SIGSTOP)
	s.Signal(syscall.SIGCONT)
	s.Stop()
	if !strings.Contains(s.Log.String(), "in order") {
		t.Errorf("it said %q", s.Log)
	}
	select {
	case <-s.Exited():
	default:
		t.Error("it is still there")
	}
	s.Kill()
}

// failing is a test that says why it failed.
type failing struct {
	testing.TB
	why string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	panic(f)
}

func TestAServerThatEndsFailsTheTest(t *testing.T) {
	f := &failing{TB: t}
	defer func() {
		if recover() != f || !strings.Contains(f.why, "sh: it does not answer: it ended: exit status 3") {
			t.Errorf("it failed with %q", f.why)
		}
	}()
	servertest.Run(f, shell("exit 3"), func(context.Context) error { return errors.New("not yet") })
}

func TestWhatListens(t *testing.T) {
	address := servertest.FreeAddress(t)
	if err := servertest.Listens(address)(t.Context()); err == nil {
		t.Error("a free address has a listener")
	}
	address = servertest.Accept(t, func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	if err := servertest.Listens(address)(t.Context()); err != nil {
		t.Error(err)
	}
	if err := servertest.Answers("http://" + address)(t.Context()); err != nil {
		t.Error(err)
	}
	if err := servertest.Answers("http://" + servertest.Accept(t, func(net.Conn) {}))(t.Context()); err == nil {
		t.Error("a connection that is closed is an answer")
	}
}
