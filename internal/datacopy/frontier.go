package datacopy

import (
	"sync"
	"time"
)

// Frontier keeps in the journal how far a copy is that goes through a store in
// the store's own order, with many workers: the position before which
// everything is done. It is one entry, however much there is to copy, written
// at most every quarter of a second. Safe for concurrent use.
type Frontier struct {
	journal Journal
	// ended is the position at the end of the store.
	ended string

	mu    sync.Mutex
	entry Entry
	open  []*Stretch

	// recording is held by who writes to the journal: the others go on, since
	// a disk that a copy keeps busy takes its time. It guards recorded.
	recording sync.Mutex
	recorded  time.Time
}

// Stretch is a part between two positions that is under way.
type Stretch struct {
	frontier *Frontier
	until    string
	count    int64
	bytes    int64
	// left is how much of it is still to be done, its listing included.
	left int
}

const recordEvery = 250 * time.Millisecond

// NewFrontier reads where an earlier run came: entry.Note is the position, ""
// when there was none. The position called ended is recorded at once.
func NewFrontier(journal Journal, unit, chunk, ended string) *Frontier {
	entry, found := journal.Lookup(unit, chunk)
	if !found {
		entry = Entry{Unit: unit, Chunk: chunk}
	}
	return &Frontier{journal: journal, entry: entry, ended: ended}
}

// Done is the entry as it is now: how much is done, and until where.
func (f *Frontier) Done() Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entry
}

// Restart forgets the position, which means nothing any more.
func (f *Frontier) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entry = Entry{Unit: f.entry.Unit, Chunk: f.entry.Chunk}
}

// Begin adds the next stretch, which is copied in so many parts.
func (f *Frontier) Begin(until string, parts int, count, bytes int64) *Stretch {
	s := &Stretch{frontier: f, until: until, count: count, bytes: bytes, left: parts + 1}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = append(f.open, s)
	return s
}

// Listed says that all parts of the stretch are handed out.
func (s *Stretch) Listed() error { return s.Part() }

// Part says that a part of the stretch is done.
func (s *Stretch) Part() error {
	f := s.frontier
	moved, ended := s.done()
	switch {
	case !moved:
		return nil
	case ended:
		f.recording.Lock()
	case !f.recording.TryLock():
		return nil
	}
	defer f.recording.Unlock()
	if !ended && time.Since(f.recorded) < recordEvery {
		return nil
	}
	f.recorded = time.Now()
	return f.journal.Record(f.Done())
}

// done takes note of a part. It says whether the position moved by it, and to
// the end of the store.
func (s *Stretch) done() (moved, ended bool) {
	f := s.frontier
	f.mu.Lock()
	defer f.mu.Unlock()
	s.left--
	for len(f.open) > 0 && f.open[0].left == 0 {
		first := f.open[0]
		f.open = f.open[1:]
		f.entry.Count += first.count
		f.entry.Bytes += first.bytes
		f.entry.Note = first.until
		moved = true
	}
	return moved, f.entry.Note == f.ended
}
