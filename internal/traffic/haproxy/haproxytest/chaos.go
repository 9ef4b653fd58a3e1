package haproxytest

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/internal/haproxy"
)

// Mood is what a Relay does with questions.
type Mood string

// Moods of a relay.
const (
	// Honest passes questions and replies on.
	Honest Mood = "honest"
	// Cutting obeys the first command of a line that changes something and
	// closes.
	Cutting Mood = "cutting"
	// Garbling passes half of each second reply on, and rubbish for the others.
	Garbling Mood = "garbling"
	// Denying asks a socket that may change nothing.
	Denying Mood = "denying"
)

// Relay stands between a router and a runtime interface, and disturbs them.
type Relay struct {
	// Socket is where the router asks.
	Socket haproxy.Socket

	proxy *Proxy
	mu    sync.Mutex
	mood  Mood
	asked int
}

// NewRelay starts one in front of a HAProxy.
func NewRelay(t testing.TB, proxy *Proxy) *Relay {
	t.Helper()
	path := filepath.Join(proxy.Dir, "relay.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); os.Remove(path) })
	r := &Relay{Socket: haproxy.UnixSocket(path), proxy: proxy, mood: Honest}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

// Set changes what the relay does from now on.
func (r *Relay) Set(mood Mood) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = mood
}

func (r *Relay) serve(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	r.mu.Lock()
	mood := r.mood
	r.asked++
	odd := r.asked%2 == 1
	r.mu.Unlock()
	socket := r.proxy.Socket
	switch {
	case mood == Cutting && strings.Contains(line, "set server"):
		first, _, _ := strings.Cut(line, ";")
		_, _ = ask(socket, strings.TrimSpace(first)+"\n")
		return
	case mood == Garbling && odd:
		_, _ = io.WriteString(conn, "# pxname,svname\n\x00\xff,99\n\nPid: x\n\n1\n\n\n")
		return
	case mood == Denying:
		socket = r.proxy.Operator
	}
	reply, err := ask(socket, line)
	if err != nil {
		return
	}
	if mood == Garbling {
		reply = reply[:len(reply)/2]
	}
	_, _ = conn.Write(reply)
}

// ask is haproxy.Socket.Ask without its care.
func ask(socket haproxy.Socket, line string) ([]byte, error) {
	conn, err := net.Dial(socket.Network, socket.Address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line); err != nil {
		return nil, err
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}
