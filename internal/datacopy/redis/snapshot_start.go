package redis

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// beginning is how long a source may take until its snapshot begins, beside the
// wait that it is set to.
const beginning = 30 * time.Second

// refusal says that a source gives no snapshot: what it has is listed then.
type refusal struct{ cause error }

func (r *refusal) Error() string { return "the source gives no snapshot: " + r.cause.Error() }
func (r *refusal) Unwrap() error { return r.cause }

// startSnapshot asks for a snapshot as a replica does that wants nothing else,
// and gives it with the mark that ends it. A server that has none to give is a
// refusal.
func startSnapshot(w *wire, version string, wait time.Duration) (stream io.Reader, mark []byte, err error) {
	if err := offerReplica(w, version); err != nil {
		return nil, nil, err
	}
	w.command("SYNC")
	if err := w.flush(); err != nil {
		return nil, nil, err
	}
	kind, head, err := w.patientLine(wait + beginning)
	if err != nil {
		return nil, nil, refused(err)
	}
	stream = io.MultiReader(io.LimitReader(w.in, int64(w.in.Buffered())), &patientReader{w.conn})
	if text, marked := strings.CutPrefix(string(head), "EOF:"); kind == '$' && marked {
		return stream, []byte(text), nil
	}
	length, err := strconv.ParseInt(string(head), 10, 64)
	if kind != '$' || err != nil {
		return nil, nil, fmt.Errorf("starting the snapshot: %q was answered", head)
	}
	return io.LimitReader(stream, length), nil, nil
}

// offerReplica says what this side understands. Servers before 7 do not know
// replicas that want no changes, and only some want to know a version.
func offerReplica(w *wire, version string) error {
	w.command("REPLCONF", "capa", "eof")
	w.command("REPLCONF", "rdb-only", "1")
	further := 1
	if version != "" {
		w.command("REPLCONF", "version", version)
		further++
	}
	if err := w.flush(); err != nil {
		return err
	}
	err := w.ok()
	for range further {
		var reply replyError
		if other := w.ok(); other != nil && !errors.As(other, &reply) {
			return other
		}
	}
	return refused(err)
}

// refused makes a refusal of an error that the server answered with, or did
// not answer in time.
func refused(err error) error {
	var reply replyError
	if errors.As(err, &reply) || errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{err}
	}
	return err
}

// patientLine is line of a server that may need long, and sends empty lines
// meanwhile.
func (w *wire) patientLine(patience time.Duration) (byte, []byte, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	for {
		b, err := w.in.ReadByte()
		if err != nil {
			return 0, nil, unexpected(err)
		}
		if b != '\n' {
			break
		}
	}
	if err := w.in.UnreadByte(); err != nil {
		return 0, nil, err
	}
	return w.line()
}

// patientReader gives each read the time that one reply may take.
type patientReader struct{ conn net.Conn }

func (r *patientReader) Read(buf []byte) (int, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return r.conn.Read(buf)
}
