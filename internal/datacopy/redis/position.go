package redis

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// position is how far the copy of one node's keys is: the cursor of SCAN
// before which everything is copied, after the identity of the process that
// gave it. To any other process the cursor means nothing: a server that was
// restarted is listed from the start.
type position struct {
	*datacopy.Frontier
	runID string
	// cursor is where to begin.
	cursor string
}

const (
	atStart = "0"
	atEnd   = "0"
	// inSnapshot is no position to go on from: a snapshot has none.
	inSnapshot = "snapshot"
)

// position reads where an earlier run came.
func (u *unitCopy) position(ctx context.Context, node string) (*position, error) {
	info, err := u.source.info(ctx, node)
	if err != nil {
		return nil, u.source.failed("connecting to node "+node+" of", err)
	}
	p := &position{runID: info["Server"]["run_id"], cursor: atStart}
	p.Frontier = datacopy.NewFrontier(u.journal, u.unit.Name, "scan "+node, p.at(atEnd))
	known := p.Done()
	if runID, cursor, found := strings.Cut(known.Note, " "); found && runID == p.runID && cursor != inSnapshot {
		p.cursor = cursor
		u.skipped.Add((known.Count + scanCount - 1) / scanCount)
		u.done.Add(known.Count)
	} else {
		p.Restart()
	}
	return p, nil
}

func (p *position) at(cursor string) string { return p.runID + " " + cursor }

// ended says that the journal has the whole node.
func (p *position) ended() bool { return p.Done().Note == p.at(atEnd) }

// begin adds a page that is copied in so many pieces.
func (p *position) begin(found page, pieces int) *datacopy.Stretch {
	var bytes int64
	for _, size := range found.sizes {
		bytes += size
	}
	return p.Begin(p.at(found.next), pieces, int64(len(found.keys)), bytes)
}

// Large keys have entries of their own, so that the position need not wait
// for them.
const (
	largeChunk   = "key "
	largePending = "pending"
)

// sendLarge hands a large key out, after the journal has it as still to do.
// SCAN may give it again: then it is under way already.
func (u *unitCopy) sendLarge(ctx context.Context, p *piece) error {
	key := p.keys[0]
	if u.large[string(key)] {
		return nil
	}
	if u.large == nil {
		u.large = map[string]bool{}
	}
	u.large[string(key)] = true
	entry := datacopy.Entry{
		Unit: u.unit.Name, Chunk: largeChunk + base64.RawURLEncoding.EncodeToString(key), Note: largePending + " " + p.node,
	}
	if err := u.journal.Record(entry); err != nil {
		return err
	}
	entry.Note, entry.Count, entry.Bytes = "", 1, p.bytes
	p.finished = func() error { return u.journal.Record(entry) }
	return u.send(ctx, p)
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
			return fmt.Errorf("reading the journal: %q names no key: %w", entry.Chunk, err)
		}
		if err := u.sendLarge(ctx, &piece{node: node, keys: [][]byte{key}, bytes: largeKey}); err != nil {
			return err
		}
	}
	return nil
}
