package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	wireBuffer = 64 << 10
	// stall is how long a server may take for one reply or one read of ours
	// before the connection counts as lost.
	stall = 60 * time.Second
	// maxBulk is the longest string that Redis knows (proto-max-bulk-len).
	maxBulk = 512 << 20
)

// wire is one connection that speaks the Redis protocol (RESP2) without
// making an object of each value: a copy moves millions of payloads from one
// connection to another, and a payload goes from buffer to buffer. Commands are
// gathered and sent by flush; replies are read in the order of the commands.
// One goroutine may write while another reads. Everything that is not on that
// path uses go-redis.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	// number is room for formatting.
	number [24]byte
	// patience is stall, but in tests.
	patience time.Duration
}

// replyError is an error that the server answered with; the connection is as
// good as before.
type replyError string

// Error is the server's text.
func (e replyError) Error() string { return string(e) }

// kindOf gives the first word of a server's error, such as MOVED, or "".
func kindOf(err error) string {
	var text string
	var ours replyError
	var theirs redis.Error // of what goes by go-redis
	switch {
	case errors.As(err, &ours):
		text = ours.Error()
	case errors.As(err, &theirs):
		text = theirs.Error()
	}
	kind, _, _ := strings.Cut(text, " ")
	return kind
}

func newWire(conn net.Conn) *wire {
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, wireBuffer), out: bufio.NewWriterSize(conn, wireBuffer), patience: stall}
}

func (w *wire) close() { _ = w.conn.Close() }

// until closes the connection, and with it ends reads and writes that are
// under way, when ctx ends. The returned function ends the watch.
func (w *wire) until(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, w.close)
}

// begin starts a command of n arguments, its name included. Errors of writing
// stay with the writer and show in flush.
func (w *wire) begin(n int) { w.header('*', n) }

func (w *wire) header(kind byte, n int) {
	line := append(w.number[:0], kind)
	line = strconv.AppendInt(line, int64(n), 10)
	_, _ = w.out.Write(append(line, '\r', '\n'))
}

func (w *wire) arg(value []byte) {
	w.header('$', len(value))
	_, _ = w.out.Write(value)
	_, _ = w.out.WriteString("\r\n")
}

func (w *wire) text(value string) {
	w.header('$', len(value))
	_, _ = w.out.WriteString(value)
	_, _ = w.out.WriteString("\r\n")
}

func (w *wire) integer(value int64) {
	var digits [24]byte
	w.arg(strconv.AppendInt(digits[:0], value, 10))
}

// command gathers a whole command.
func (w *wire) command(args ...string) {
	w.begin(len(args))
	for _, arg := range args {
		w.text(arg)
	}
}

func (w *wire) flush() error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return err
	}
	return w.out.Flush()
}

// line reads one line of the protocol and gives its kind and the rest, which
// is valid until the next read.
func (w *wire) line() (byte, []byte, error) {
	if w.in.Buffered() == 0 {
		if err := w.conn.SetReadDeadline(time.Now().Add(w.patience)); err != nil {
			return 0, nil, err
		}
	}
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, nil, fmt.Errorf("reading a reply: %q is not of the Redis protocol", line[:min(len(line), 40)])
	}
	kind, rest := line[0], line[1:len(line)-2]
	if kind == '-' {
		return kind, nil, replyError(rest)
	}
	return kind, rest, nil
}

// length reads the header of a reply of this kind and gives its number.
func (w *wire) length(want byte) (int64, error) {
	kind, rest, err := w.line()
	if err != nil {
		return 0, err
	}
	if kind != want {
		return 0, fmt.Errorf("reading a reply: it begins with %q instead of %q", kind, want)
	}
	n, err := strconv.ParseInt(string(rest), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading a reply: %q is not a number", rest[:min(len(rest), 40)])
	}
	return n, nil
}

// integerReply reads an integer reply.
func (w *wire) integerReply() (int64, error) { return w.length(':') }

// ok reads a reply of which only the success matters: one line, or a list of
// such.
func (w *wire) ok() error {
	kind, rest, err := w.line()
	if err != nil || kind != '*' {
		return err
	}
	n, err := strconv.Atoi(string(rest))
	for ; err == nil && n > 0; n-- {
		_, _, err = w.line()
	}
	return err
}

// bulkHeader reads the length of a string reply; -1 says there is no value.
func (w *wire) bulkHeader() (int, error) {
	n, err := w.length('$')
	if err != nil {
		return 0, err
	}
	if n < -1 || n > maxBulk {
		return 0, fmt.Errorf("reading a reply: a string of %d bytes", n)
	}
	return int(n), nil
}

// array reads the header of an array reply; -1 says there is none.
func (w *wire) array() (int, error) {
	n, err := w.length('*')
	if err != nil {
		return 0, err
	}
	if n < -1 || n > maxBulk {
		return 0, fmt.Errorf("reading a reply: a list of %d", n)
	}
	return int(n), nil
}

// bulk appends a string reply to buf. found is false where there is no value.
func (w *wire) bulk(buf []byte) (grown []byte, found bool, err error) {
	n, err := w.bulkHeader()
	if err != nil || n < 0 {
		return buf, false, err
	}
	return w.payload(buf, n)
}

// payload appends n bytes and reads the line's end.
func (w *wire) payload(buf []byte, n int) ([]byte, bool, error) {
	start := len(buf)
	// Grown as the bytes come: a lying header costs no memory.
	for left := n; left > 0; {
		step := min(left, 1<<20)
		at := len(buf)
		buf = append(buf, make([]byte, step)...)
		if err := w.full(buf[at:]); err != nil {
			return buf[:start], false, err
		}
		left -= step
	}
	return buf, true, w.lineEnd()
}

// pass moves n bytes of a string reply to another connection's gathered
// command.
func (w *wire) pass(to *wire, n int) error {
	to.header('$', n)
	for left := n; left > 0; {
		if w.in.Buffered() == 0 {
			if err := w.conn.SetReadDeadline(time.Now().Add(w.patience)); err != nil {
				return err
			}
			if _, err := w.in.Peek(1); err != nil {
				return unexpected(err)
			}
		}
		chunk, _ := w.in.Peek(min(left, w.in.Buffered()))
		if _, err := to.out.Write(chunk); err != nil {
			return err
		}
		_, _ = w.in.Discard(len(chunk))
		left -= len(chunk)
	}
	_, _ = to.out.WriteString("\r\n")
	return w.lineEnd()
}

func (w *wire) full(buf []byte) error {
	if w.in.Buffered() >= len(buf) {
		_, err := io.ReadFull(w.in, buf)
		return err
	}
	if err := w.conn.SetReadDeadline(time.Now().Add(w.patience)); err != nil {
		return err
	}
	_, err := io.ReadFull(w.in, buf)
	return unexpected(err)
}

func (w *wire) lineEnd() error {
	end, err := w.in.Peek(2)
	if err != nil {
		return unexpected(err)
	}
	if end[0] != '\r' || end[1] != '\n' {
		return errors.New("reading a reply: a string does not end where it should")
	}
	_, err = w.in.Discard(2)
	return err
}

// unexpected says that an end of the connection within a reply is none that
// was agreed on.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
