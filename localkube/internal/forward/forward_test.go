package forward

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers each connection with what it read, once the client has ended
// its half.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	listener := listen(t)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				data, _ := io.ReadAll(conn)
				_, _ = conn.Write(data)
			}()
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String())
}

func TestBothHalvesAreForwarded(t *testing.T) {
	server := echo(t)
	f, address := open(t, func() (netip.AddrPort, error) { return server, nil })
	want := bytes.Repeat([]byte("landfall"), 1<<17) // 1 MiB
	conn := dial(t, address)
	go func() {
		_, _ = conn.Write(want)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(want), err)
	}
	waitIdle(t, f)
}

func TestTargetIsAskedForEachConnection(t *testing.T) {
	server := echo(t)
	var asked atomic.Int32
	_, address := open(t, func() (netip.AddrPort, error) {
		if asked.Add(1) == 1 {
			return netip.AddrPort{}, errors.New("no node is running")
		}
		return server, nil
	})
	if _, err := dial(t, address).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("without a target: %v", err)
	}
	conn := dial(t, address)
	_, _ = conn.Write([]byte("x"))
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "x" {
		t.Errorf("with a target: %q, %v", got, err)
	}
}

func TestCloseCutsConnections(t *testing.T) {
	server := echo(t)
	f, address := open(t, func() (netip.AddrPort, error) { return server, nil })
	conn := dial(t, address)
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(conn); errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the open connection: %v", err)
	}
	if c, err := net.Dial("tcp", address.String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestTakenPortIsAnError(t *testing.T) {
	taken := netip.MustParseAddrPort(listen(t).Addr().String())
	if _, err := Listen(taken, nil, slog.Default()); err == nil {
		t.Error("no error")
	}
}

func open(t *testing.T, target func() (netip.AddrPort, error)) (*Forward, netip.AddrPort) {
	t.Helper()
	f, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), target, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, netip.MustParseAddrPort(f.listener.Addr().String())
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func dial(t *testing.T, address netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// waitIdle fails if connections are kept after their end.
func waitIdle(t *testing.T, f *Forward) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		f.mu.Lock()
		open := len(f.conns)
		f.mu.Unlock()
		if open == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("connections are kept after their end")
}
