package haproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestParseSocket(t *testing.T) {
	for address, want := range map[string]Socket{
		"unix:///run/haproxy/admin.sock": {"unix", "/run/haproxy/admin.sock"},
		"tcp://10.0.0.5:9999":            {"tcp", "10.0.0.5:9999"},
		"tcp://[fd00::5]:9999":           {"tcp", "[fd00::5]:9999"},
	} {
		got, err := ParseSocket(address)
		if err != nil || got != want || got.String() != address {
			t.Errorf("%s: %+v (%s), %v", address, got, got, err)
		}
	}
	for _, address := range []string{"", "/run/x.sock", "unix://run/x.sock", "unix:x", "tcp://host", "tcp://:1", "tcp://host:1/x", "http://host:1", "\x00"} {
		if got, err := ParseSocket(address); fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v", address, got, err)
		}
	}
}

func TestIsName(t *testing.T) {
	for _, name := range []string{"shop", "web-1", "a.b:c_D9"} {
		if !IsName(name) {
			t.Errorf("%q is one", name)
		}
	}
	for _, name := range []string{"", "a b", "a;b", "a\nb", "a/b", "a\\b", "ä", "a#b", strings.Repeat("x", 256)} {
		if IsName(name) {
			t.Errorf("%q is none", name)
		}
	}
}

// answering is a socket whose other end does as it likes.
func answering(t *testing.T, answer func(net.Conn)) Socket {
	t.Helper()
	dir, err := os.MkdirTemp("", "hp")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); os.RemoveAll(dir) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return UnixSocket(listener.Addr().String())
}

func TestAskSendsOneLineAndReadsToTheEnd(t *testing.T) {
	socket := answering(t, func(conn net.Conn) {
		line, _ := io.ReadAll(conn) // ends: the writing side is closed
		_, _ = conn.Write(append([]byte("got "), line...))
	})
	reply, err := socket.Ask(t.Context(), "show info", "show env")
	if err != nil || reply != "got show info;show env\n" {
		t.Errorf("%q, %v", reply, err)
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	socket := answering(t, func(net.Conn) { time.Sleep(3 * time.Second) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := socket.Ask(ctx, "show info"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestAskReadsNoEndlessReply(t *testing.T) {
	socket := answering(t, func(conn net.Conn) {
		for block := make([]byte, 1<<20); ; {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := socket.Ask(t.Context(), "show info"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

func TestAskSaysWhatToDo(t *testing.T) {
	_, err := UnixSocket("/nowhere/admin.sock").Ask(t.Context(), "show info")
	if fault.ClassOf(err) != fault.Failed || !strings.Contains(fault.HintOf(err), "stats socket") {
		t.Errorf("%v (hint %q)", err, fault.HintOf(err))
	}
}

func TestHalfOfTheServerStatesIsNotKept(t *testing.T) {
	socket := answering(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "1\n# be_id be_name\n4 shop 1 we") })
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("before"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := socket.KeepServerStates(t.Context(), file); err == nil {
		t.Error("half a reply was kept")
	}
	if content, _ := os.ReadFile(file); string(content) != "before" {
		t.Errorf("the file has %q", content)
	}
	if err := ReplaceFile(file, []byte("after")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
