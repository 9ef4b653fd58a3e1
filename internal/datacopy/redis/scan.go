package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// page is what one SCAN found.
type page struct {
	keys [][]byte
	// sizes are the keys' memory in bytes, expiries when they expire, where the
	// listing asks for it. The server has just looked a key up when it is asked
	// for both, which is half of what answering costs.
	sizes, expiries []int64
	// scanned counts all keys, also those that are not meant.
	scanned int
	// next is the cursor that goes on from here, "0" at the end.
	next string
}

// listing lists the keys of one node. SCAN may give a key more than once, and
// leaves out none that was there all the time.
type listing struct {
	server   *server
	side     side
	database int
	node     string
	// sizes asks for the memory of each key, expiries for when it expires, too.
	sizes, expiries bool
	// unmatched leaves it to us which keys are meant, so that pages tell how
	// many there are in all.
	unmatched bool
	// once makes a restart of the server an error, for those who count; others
	// get everything again.
	once  bool
	retry datacopy.Retry
}

// run calls emit with each page from a cursor on ("0" is the beginning). A
// listing that ends early is an error.
func (l *listing) run(ctx context.Context, cursor string, emit func(page) error) error {
	var failed error
	process := ""
	err := l.retry.Do(ctx, func(int) error {
		connections := newLines(l.server, l.database)
		defer connections.drop()
		w, err := connections.to(ctx, l.node)
		if err != nil {
			return err
		}
		id, err := runID(w)
		if err != nil {
			return err
		}
		if process != "" && process != id {
			// To another process the cursor says nothing.
			if cursor = atStart; l.once {
				return errRestarted
			}
		}
		process = id
		err = l.pages(w, cursor, func(p page) error {
			if failed = emit(p); failed != nil {
				return errStop
			}
			cursor = p.next
			return nil
		})
		if failed != nil {
			return nil
		}
		return err
	})
	if failed != nil {
		return failed
	}
	return l.server.failed("listing the keys of", err)
}

var errRestarted = errors.New("the server was started anew meanwhile: do it again")

// runID identifies the process of a server.
func runID(w *wire) (string, error) {
	w.command("INFO", "server")
	if err := w.flush(); err != nil {
		return "", err
	}
	info, _, err := w.bulk(nil)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(info), "run_id:")
	id, _, _ := strings.Cut(rest, "\r")
	return id, nil
}

// errStop ends a listing whose taker wants no more.
var errStop = errors.New("stopped")

// pages asks for the details of a page together with the page after it, so that
// a page costs one round trip.
func (l *listing) pages(w *wire, cursor string, emit func(page) error) error {
	var last *page
	for last == nil || last.next != "0" {
		if last != nil {
			cursor = last.next
			l.askDetails(w, last.keys)
		}
		l.ask(w, cursor)
		if err := w.flush(); err != nil {
			return err
		}
		if last != nil {
			if err := l.give(w, last, emit); err != nil {
				return err
			}
		}
		next, err := l.read(w)
		if err != nil {
			return err
		}
		last = next
	}
	l.askDetails(w, last.keys)
	if err := w.flush(); err != nil {
		return err
	}
	return l.give(w, last, emit)
}

func (l *listing) ask(w *wire, cursor string) {
	args := []string{"SCAN", cursor, "COUNT", strconv.Itoa(scanCount)}
	if match := l.side.match(); match != "" && !l.unmatched {
		args = append(args, "MATCH", match)
	}
	w.command(args...)
}

// read reads the reply to SCAN and keeps the keys that are meant. They share
// one buffer.
func (l *listing) read(w *wire) (*page, error) {
	if n, err := w.array(); err != nil || n != 2 {
		return nil, unlessNil(err, "reading the reply to SCAN: it has %d parts", n)
	}
	cursor, _, err := w.bulk(nil)
	if err != nil {
		return nil, err
	}
	n, err := w.array()
	if err != nil {
		return nil, err
	}
	found := &page{next: string(cursor), scanned: n}
	buf := make([]byte, 0, 24*scanCount)
	for range n {
		start := len(buf)
		if buf, _, err = w.bulk(buf); err != nil {
			return nil, err
		}
		if key := buf[start:len(buf):len(buf)]; l.side.has(key) {
			found.keys = append(found.keys, key)
		}
	}
	return found, nil
}

func (l *listing) askDetails(w *wire, keys [][]byte) {
	if !l.sizes {
		return
	}
	for _, key := range keys {
		w.begin(3)
		w.text("MEMORY")
		w.text("USAGE")
		w.arg(key)
		if l.expiries {
			askExpiry(w, l.server, key)
		}
	}
}

// give reads the details that were asked for and hands the page on. A key that
// is gone meanwhile is left out where its expiry tells that; else it stays
// without a size, and whoever reads it finds that out.
func (l *listing) give(w *wire, p *page, emit func(page) error) error {
	if !l.sizes {
		return emit(*p)
	}
	keys := p.keys
	p.keys, p.sizes = keys[:0], make([]int64, 0, len(keys))
	for _, key := range keys {
		kind, rest, err := w.line()
		if err != nil {
			return err
		}
		var size int64
		if kind == ':' {
			size, _ = strconv.ParseInt(string(rest), 10, 64)
		}
		if l.expiries {
			expiry, err := readExpiry(w, l.server)
			if err != nil {
				return err
			}
			if expiry == expiryOfNone {
				continue
			}
			p.expiries = append(p.expiries, expiry)
		}
		p.keys, p.sizes = append(p.keys, key), append(p.sizes, size)
	}
	return emit(*p)
}

// unlessNil is err, or when that is nil the text.
func unlessNil(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format, args...)
}
