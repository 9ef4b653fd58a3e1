// Package haproxy speaks to HAProxy: the runtime interface over its sockets, the
// master's socket, and the check of a configuration. It knows nothing of what is
// asked for. Start at Socket.Ask.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// askTimeout bounds one question when its context does not: HAProxy answers
// from memory, within milliseconds.
const askTimeout = 5 * time.Second

// maxReply bounds what is read of one reply: half a thousand bytes a server.
const maxReply = 16 << 20

// Socket is the address of a runtime interface or of a master. It is a value;
// every question has a connection of its own.
type Socket struct {
	// Network is unix or tcp, Address what net.Dial takes for it.
	Network, Address string
}

// UnixSocket is the socket in a file.
func UnixSocket(path string) Socket { return Socket{"unix", path} }

// ParseSocket reads unix:///path or tcp://host:port.
func ParseSocket(address string) (Socket, error) {
	const hint = "Write unix:///run/haproxy/admin.sock or tcp://host:port, as in HAProxy's `stats socket`."
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Socket{}, fault.New(fault.Invalid, hint, "reading the address of HAProxy %q: not an address", address)
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return UnixSocket(u.Path), nil
	case u.Scheme == "tcp" && u.Port() != "" && u.Hostname() != "" && u.Path == "":
		return Socket{"tcp", u.Host}, nil
	}
	return Socket{}, fault.New(fault.Invalid, hint, "reading the address of HAProxy %q: neither unix:///path nor tcp://host:port", address)
}

// String is the address as ParseSocket reads it.
func (s Socket) String() string { return s.Network + "://" + s.Address }

// Ask sends commands and gives the whole reply to all of them: each command's
// output and an empty line. A context that has ended sends nothing.
//
// The interface says nothing about how long a reply is, so that one that was
// cut looks like a short one; callers look at what must be there. Commands are
// sent as they are: put no foreign text in without IsName.
func (s Socket) Ask(ctx context.Context, commands ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, s.Network, s.Address)
	if err != nil {
		return "", s.explain(err)
	}
	defer conn.Close()
	// Reads and writes that wait end with the context.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := send(conn, strings.Join(commands, ";")+"\n"); err != nil {
		return "", s.explain(errors.Join(ctx.Err(), err))
	}
	reply, err := io.ReadAll(io.LimitReader(conn, maxReply+1))
	switch {
	case err != nil:
		return "", s.explain(errors.Join(ctx.Err(), err))
	case len(reply) > maxReply:
		return "", fmt.Errorf("asking HAProxy at %s: the reply has more than %d bytes", s, maxReply)
	}
	return string(reply), nil
}

// send writes a line and ends the writing side: the master's socket waits for
// more until it is told that none follows.
func send(conn net.Conn, line string) error {
	if _, err := io.WriteString(conn, line); err != nil {
		return err
	}
	return conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (s Socket) explain(err error) error {
	err = fmt.Errorf("asking HAProxy at %s: %w", s, err)
	switch {
	case errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.Refused, err, "Let this user open the socket: `stats socket … mode 660 group …` in HAProxy's configuration.")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault.Wrap(fault.Failed, err, "Is HAProxy running, and does its configuration have a `stats socket` there?")
	}
	return err
}

// IsName tells whether s can be the name of a proxy or server: letters, digits,
// and - _ . : (HAProxy's configuration manual, section 2.2 and "proxy names").
// Nothing else may get into a command.
func IsName(s string) bool {
	const others = "-_.:"
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(others, c)
	})
}
