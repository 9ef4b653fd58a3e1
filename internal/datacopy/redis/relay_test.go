package redis_test

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// change changes what a server answers; without more the connection ends then.
type change func(reply []byte) (changed []byte, more bool)

// relay stands before a server.
func relay(t *testing.T, server datacopy.Address, change change) datacopy.Address {
	t.Helper()
	host := servertest.Accept(t, func(client net.Conn) {
		backend, err := net.Dial("tcp", server.Host())
		if err != nil {
			return
		}
		go func() {
			defer backend.Close()
			_, _ = io.Copy(backend, client)
		}()
		answer(client, backend, change)
	})
	return address(t, "redis://:"+storetest.Secret+"@"+host)
}

func answer(client, backend net.Conn, change change) {
	buf := make([]byte, 64<<10)
	for more := true; more; {
		n, err := backend.Read(buf)
		if err != nil {
			return
		}
		var reply []byte
		reply, more = change(buf[:n])
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// relayOnce changes one answer about keys, and notes that.
func relayOnce(t *testing.T, server datacopy.Address, did *atomic.Bool, once change) datacopy.Address {
	t.Helper()
	return relay(t, server, func(reply []byte) ([]byte, bool) {
		if len(reply) < 500 || bytes.Contains(reply, []byte("redis_version")) || !did.CompareAndSwap(false, true) {
			return reply, true
		}
		return once(reply)
	})
}
