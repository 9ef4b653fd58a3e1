package s3

import (
	"context"
	"net"
	"time"
)

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialer makes connections that fail when nothing moves on them for so long.
// The SDK's own limit knows reading only, and so ends uploads that take longer.
func dialer(connect dial, stall time.Duration) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := connect(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &connection{Conn: conn, stall: stall}, nil
	}
}

// connection is one whose other end may be silent for so long. Each direction
// gives the other one time, too: who sends much hears nothing meanwhile.
type connection struct {
	net.Conn
	stall time.Duration
}

func (c *connection) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *connection) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
