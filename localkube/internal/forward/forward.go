// Package forward leads TCP ports of the host's loopback interface to
// addresses inside a cluster. Start reading at Listen.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// dialTimeout bounds the connection to the target.
const dialTimeout = 5 * time.Second

// Forward is one listening port.
type Forward struct {
	listener net.Listener
	target   func() (netip.AddrPort, error)
	logger   *slog.Logger

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Listen opens the port and forwards until Close. target is asked at each
// connection, and may be called concurrently.
func Listen(address netip.AddrPort, target func() (netip.AddrPort, error), logger *slog.Logger) (*Forward, error) {
	listener, err := net.Listen("tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("opening port %s: %w", address, err)
	}
	f := &Forward{listener: listener, target: target, logger: logger, conns: map[net.Conn]struct{}{}}
	go f.serve()
	return f, nil
}

// Close stops listening and cuts the open connections.
func (f *Forward) Close() error {
	err := f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
	}
	return err
}

func (f *Forward) serve() {
	for {
		conn, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.logger.Warn("accepting", "port", f.listener.Addr(), "error", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		go f.handle(conn)
	}
}

func (f *Forward) handle(client net.Conn) {
	defer f.track(client)()
	target, err := f.target()
	if err != nil {
		f.logger.Warn("no target", "port", f.listener.Addr(), "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", target.String())
	cancel()
	if err != nil {
		f.logger.Warn("target does not answer", "port", f.listener.Addr(), "error", err)
		return
	}
	defer f.track(server)()
	var both sync.WaitGroup
	both.Go(func() { pipe(server, client) })
	both.Go(func() { pipe(client, server) })
	both.Wait()
}

// pipe copies one direction, inside the kernel where it can, and passes its
// end on, so that the other direction may go on.
func pipe(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil {
		// A broken connection ends both directions.
		to.Close()
		from.Close()
		return
	}
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}

// track registers a connection to be cut by Close; the result ends it.
func (f *Forward) track(conn net.Conn) (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[conn] = struct{}{}
	return func() {
		conn.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.conns, conn)
	}
}
