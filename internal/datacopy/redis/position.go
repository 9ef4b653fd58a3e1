package redis

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// position is how far the copy of one node's keys is: the cursor of SCAN
// before which everything is copied. It is one entry of the journal, "scan
// NODE", whatever the number of keys. A cursor means something only to the
// process that gave it: a server that was restarted is listed from the start.
// Safe for concurrent use.
type position struct {
	journal datacopy.Journal
	entry   datacopy.Entry
	runID   string
	// cursor is where to begin.
	cursor string

	mu sync.Mutex
	// open are the pages that were begun, in order; those at the front leave
	// when they are done.
	open     []*chunk
	recorded time.Time
}

// chunk is one page under way.
type chunk struct {
	position *position
	next     string
	keys     int
	bytes    int64
	// left are the pieces to do, and one for the listing itself.
	left int
}

const atEnd = "0"

// position reads where an earlier run came.
func (u *unitCopy) position(ctx context.Context, node string) (*position, error) {
	info, err := u.source.info(ctx, node)
	if err != nil {
		return nil, u.source.failed("connecting to node "+node+" of", err)
	}
	p := &position{
		journal: u.journal, runID: info["Server"]["run_id"], cursor: "0",
		entry: datacopy.Entry{Unit: u.unit.Name, Chunk: "scan " + node},
	}
	known, found := u.journal.Lookup(u.unit.Name, p.entry.Chunk)
	runID, cursor, _ := strings.Cut(known.Note, " ")
	if found && runID == p.runID {
		p.entry, p.cursor = known, cursor
		u.skipped.Add(known.Count)
		u.done.Add(known.Count)
	}
	return p, nil
}

// ended says that the journal has the whole node.
func (p *position) ended() bool { return p.entry.Note != "" && p.cursor == atEnd }

// begin adds a page that is copied in so many pieces.
func (p *position) begin(found page, pieces int) *chunk {
	c := &chunk{position: p, next: found.next, keys: len(found.keys), left: pieces + 1}
	for _, size := range found.sizes {
		c.bytes += size
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
	return c
}

// listed says that all of the page is handed out or noted.
func (c *chunk) listed() error { return c.pieceDone() }

// pieceDone says that a piece is copied, and records the position now and then.
func (c *chunk) pieceDone() error {
	p := c.position
	p.mu.Lock()
	defer p.mu.Unlock()
	c.left--
	moved := false
	for len(p.open) > 0 && p.open[0].left == 0 {
		first := p.open[0]
		p.open = p.open[1:]
		p.entry.Count += int64(first.keys)
		p.entry.Bytes += first.bytes
		p.entry.Note = p.runID + " " + first.next
		moved = true
	}
	ended := strings.HasSuffix(p.entry.Note, " "+atEnd)
	if !moved || (!ended && time.Since(p.recorded) < recordEvery) {
		return nil
	}
	p.recorded = time.Now()
	return p.journal.Record(p.entry)
}

// Large keys have entries of their own, so that the position need not wait
// for them.
const (
	largeChunk   = "key "
	largePending = "pending"
)

// noteLarge puts a large key into the journal as still to do and gives what
// takes it out.
func (u *unitCopy) noteLarge(node string, key []byte, size int64) (finished func() error, err error) {
	entry := datacopy.Entry{
		Unit: u.unit.Name, Chunk: largeChunk + base64.RawURLEncoding.EncodeToString(key), Note: largePending + " " + node,
	}
	done := entry
	done.Note, done.Count, done.Bytes = "", 1, size
	return func() error { return u.journal.Record(done) }, u.journal.Record(entry)
}

// resumeLarge hands out the large keys that an earlier run left to do.
func (u *unitCopy) resumeLarge(ctx context.Context) error {
	for entry := range u.journal.Entries(u.unit.Name) {
		encoded, large := strings.CutPrefix(entry.Chunk, largeChunk)
		state, node, _ := strings.Cut(entry.Note, " ")
		if !large || state != largePending {
			continue
		}
		key, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		done := entry
		done.Note, done.Count = "", 1
		p := &piece{node: node, keys: [][]byte{key}, bytes: largeKey, finished: func() error { return u.journal.Record(done) }}
		if err := u.send(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
