// Package wire speaks the text protocol of MySQL and MariaDB at full speed:
// rows are handed out where they lie in the read buffer, and LOAD DATA LOCAL
// and MariaDB's arrays of parameters take theirs from memory. Logging in, with
// all its plugins, is go-mysql's; what comes after is here, because drivers copy
// and convert every value. Start at Dial.
package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// Options are how to reach a server.
type Options struct {
	// Addr is HOST:PORT.
	Addr, User, Password, Database string
	// TLS is nil for a connection in the clear.
	TLS *tls.Config
	// Timeout is for connecting and logging in.
	Timeout time.Duration
}

// Error is a server's answer to a statement.
type Error struct {
	Code    uint16
	State   string
	Message string
}

// Error gives code and message as clients show them.
func (e *Error) Error() string { return fmt.Sprintf("%s (error %d)", e.Message, e.Code) }

// Code gives the server's error number in err's chain, 0 when there is none.
func Code(err error) uint16 {
	var reply *Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// ErrBroken is in the chain of errors after which the connection is of no more
// use: it ended, or its context did in the middle of an answer.
var ErrBroken = errors.New("the connection to the server is gone")

// Conn is one connection. It is not safe for concurrent use; Close is.
type Conn struct {
	// Version is what the server says of itself.
	Version string
	// ID is the connection's number at the server.
	ID uint32

	net net.Conn
	// arrays says that the server takes arrays; statement is the one for them.
	arrays    bool
	statement prepared

	reader   *bufio.Reader
	sequence byte
	// held is how much of the reader's buffer the last packet still uses.
	held  int
	spill []byte
	out   []byte
	bad   error
}

const readBuffer = 256 << 10

// Dial connects and logs in. The connection's character set is binary: nothing
// is converted on the way.
func Dial(whole context.Context, o Options) (*Conn, error) {
	ctx, cancel := context.WithTimeout(whole, o.Timeout)
	defer cancel()
	stop := func() bool { return true }
	greeting := &greeting{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		}
		greeting.Conn = conn
		return greeting, err
	}
	logged, err := client.ConnectWithDialer(ctx, "tcp", o.Addr, o.User, o.Password, o.Database, dial, func(c *client.Conn) error {
		if o.TLS != nil {
			c.SetTLSConfig(o.TLS)
		}
		c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF)
		c.UnsetCapability(mysql.CLIENT_QUERY_ATTRIBUTES)
		return errors.Join(c.SetCapability(mysql.CLIENT_LOCAL_FILES), c.SetCollation("utf8mb4_general_ci"))
	})
	if !stop() && err == nil {
		_ = logged.Close()
		err = ctx.Err()
	}
	if err != nil && ctx.Err() != nil && whole.Err() == nil {
		return nil, fmt.Errorf("%w: it does not answer within %s", ErrBroken, o.Timeout)
	}
	if err != nil {
		return nil, loginError(ctx, err)
	}
	c := &Conn{Version: logged.GetServerVersion(), ID: logged.GetConnectionID(), net: logged.Conn.Conn, arrays: greeting.arrays}
	if c.net == greeting {
		c.net = greeting.Conn
	}
	c.reader = bufio.NewReaderSize(c.net, readBuffer)
	if err := c.net.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	_, err = c.Exec(ctx, "SET NAMES binary")
	return c, err
}

// loginError keeps the server's own words and drops the library's traces.
func loginError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var reply *mysql.MyError
	if errors.As(err, &reply) {
		return &Error{Code: reply.Code, State: reply.State, Message: reply.Message}
	}
	var network net.Error
	if errors.As(err, &network) {
		return fmt.Errorf("%w: %w", ErrBroken, network)
	}
	return fmt.Errorf("%w: %s", ErrBroken, err.Error())
}

// Close ends the connection without a word to the server, which rolls back
// what was not committed.
func (c *Conn) Close() error { return c.net.Close() }

// Broken says that the connection is of no more use.
func (c *Conn) Broken() bool { return c.bad != nil }

// watch ends waiting for the server when ctx ends. The result is called when
// the answer is read; it makes err, if any, the connection's last.
func (c *Conn) watch(ctx context.Context) func(err error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	return func(err error) error {
		if !stop() {
			err = errors.Join(ctx.Err(), err)
		}
		var reply *Error
		if err == nil || (errors.As(err, &reply) && ctx.Err() == nil) {
			return err
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if c.bad == nil {
			c.bad = fmt.Errorf("%w: %w", ErrBroken, err)
			_ = c.net.Close()
		}
		return c.bad
	}
}

// read gives the next packet, valid until the next read.
func (c *Conn) read() ([]byte, error) {
	payload, more, err := c.readPart()
	if err != nil || !more {
		return payload, err
	}
	// A value of 16 MB or more comes in several packets.
	c.spill = append(c.spill[:0], payload...)
	for more {
		if payload, more, err = c.readPart(); err != nil {
			return nil, err
		}
		c.spill = append(c.spill, payload...)
	}
	return c.spill, nil
}

const maxPayload = 1<<24 - 1

func (c *Conn) readPart() (payload []byte, more bool, err error) {
	if _, err := c.reader.Discard(c.held); err != nil {
		return nil, false, err
	}
	c.held = 0
	header, err := c.reader.Peek(4)
	if err != nil {
		return nil, false, ended(err)
	}
	size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if header[3] != c.sequence {
		return nil, false, errors.New("the server's packets are out of order")
	}
	c.sequence++
	if 4+size <= readBuffer {
		packet, err := c.reader.Peek(4 + size)
		if err != nil {
			return nil, false, ended(err)
		}
		c.held = 4 + size
		return packet[4:], false, nil
	}
	if _, err := c.reader.Discard(4); err != nil {
		return nil, false, err
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		return nil, false, ended(err)
	}
	return payload, size == maxPayload, nil
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server ended it in the middle of an answer")
	}
	return err
}

// command sends a command with a statement; long ones in several packets.
func (c *Conn) command(code byte, statement string) error {
	if c.bad != nil {
		return c.bad
	}
	c.sequence = 0
	rest := append(append(c.out[:0], code), statement...)
	c.out = rest
	for {
		part := rest[:min(len(rest), maxPayload)]
		if err := c.write(part); err != nil {
			return err
		}
		rest = rest[len(part):]
		if len(part) < maxPayload {
			return nil
		}
	}
}

// write sends one packet, put together from parts.
func (c *Conn) write(parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	header := binary.LittleEndian.AppendUint32(nil, uint32(size))
	header[3] = c.sequence
	c.sequence++
	if _, secure := c.net.(*tls.Conn); !secure {
		buffers := append(net.Buffers{header}, parts...)
		_, err := buffers.WriteTo(c.net)
		return err
	}
	parts[0] = append(header, parts[0]...)
	for _, part := range parts {
		if _, err := c.net.Write(part); err != nil {
			return err
		}
	}
	return nil
}
