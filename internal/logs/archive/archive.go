// Package archive keeps the output of containers in files, so that it can be
// read when the pods are gone. New lines are appended to a tail segment in
// small compressed blocks; a tail that is full is rewritten, in the
// background, as a sealed segment: sorted by component and time, in large
// blocks, with an index. Nothing that is written is ever changed; age and size
// decide when whole segments go.
//
// A crash at any moment loses only what was not flushed, and the archive's
// positions say exactly what that is, so that it can be fetched again. Start
// at Archive; record.go is the format of the files.
package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"golang.org/x/sys/unix"
)

// Stream is what lines are gathered by: one container of one pod.
type Stream struct {
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Component   string `json:"component,omitempty"`
	Pod         string `json:"pod"`
	UID         string `json:"uid"`
	Container   string `json:"container"`
	Only        bool   `json:"only,omitempty"`
}

// Origin is the stream as a line's origin.
func (s *Stream) Origin() *logs.Origin {
	return &logs.Origin{Component: s.Component, Pod: s.Pod, Container: s.Container, Only: s.Only}
}

// Checkpoint is how far a container's output is in the archive.
type Checkpoint struct {
	Instance int32         `json:"instance"`
	Position logs.Position `json:"position"`
}

// Options bound the archive. Zero fields take the defaults.
type Options struct {
	// MaxAge is how long lines are kept. Default 7 days.
	MaxAge time.Duration
	// MaxSize is how much the files may take together, in bytes. Default 1 GiB.
	MaxSize int64
	// FlushAfter is how long a line may wait in memory. Default 1 s.
	FlushAfter time.Duration
	// SegmentText is how much text a segment holds, in bytes before
	// compression. Default 32 MiB.
	SegmentText int
	// SegmentAge is after how long a tail is sealed although it is not full.
	// Default 1 h.
	SegmentAge time.Duration
	// Log takes remarks about damage and clean-up. Default none.
	Log *slog.Logger
	// Clock is for tests.
	Clock func() time.Time
}

func (o *Options) setDefaults() {
	if o.MaxAge == 0 {
		o.MaxAge = 7 * 24 * time.Hour
	}
	if o.MaxSize == 0 {
		o.MaxSize = 1 << 30
	}
	if o.FlushAfter == 0 {
		o.FlushAfter = time.Second
	}
	if o.SegmentText == 0 {
		o.SegmentText = 32 << 20
	}
	if o.SegmentAge == 0 {
		o.SegmentAge = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

// Archive is a folder of gathered logs, open in one process at a time. It is
// safe for concurrent use and implements logs.Source.
type Archive struct {
	dir  string
	opts Options
	lock *os.File
	seal chan struct{} // wakes the sealing

	mu          sync.Mutex
	segments    []*segment // by number; the last is the tail that is written
	checkpoints map[checkpointKey]Checkpoint
	pending     pending
	closed      bool
}

type checkpointKey struct{ uid, container string }

// Open opens the archive in dir, which is made if it is not there, and repairs
// what a crash left behind.
func Open(dir string, opts Options) (*Archive, error) {
	opts.setDefaults()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the log archive's folder: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	a := &Archive{
		dir: dir, opts: opts, lock: lock, seal: make(chan struct{}, 1),
		checkpoints: map[checkpointKey]Checkpoint{},
	}
	if err := a.load(); err != nil {
		_ = a.closeFiles()
		return nil, fmt.Errorf("opening the log archive %s: %w", dir, err)
	}
	return a, nil
}

func acquire(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("locking the log archive: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fault.New(fault.Refused, "Stop the other `landfall serve`, or give this one another folder.",
			"locking the log archive %s: it is in use by another process: %w", filepath.Dir(path), err)
	}
	return lock, nil
}

// load opens the segments that are there and takes their checkpoints.
func (a *Archive) load() error {
	files, err := findSegments(a.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		s, err := openSegment(f, a.opts.Log)
		if err != nil {
			if err := setAside(f, err, a.opts.Log); err != nil {
				return err
			}
			continue
		}
		a.segments = append(a.segments, s)
		for i, c := range s.checkpoints {
			if c != (Checkpoint{}) { // a stream whose lines were torn off has none
				a.checkpoints[keyOf(&s.streams[i])] = c
			}
		}
	}
	if n := len(a.segments); n == 0 || a.segments[n-1].sealed || a.segments[n-1].full(&a.opts) {
		return a.startTail()
	}
	return nil
}

func keyOf(s *Stream) checkpointKey { return checkpointKey{s.UID, s.Container} }

// startTail begins a new tail segment.
func (a *Archive) startTail() error {
	number := uint64(1)
	if n := len(a.segments); n > 0 {
		number = a.segments[n-1].number + 1
	}
	tail, err := createTail(a.dir, number, a.opts.Clock())
	if err != nil {
		return err
	}
	a.segments = append(a.segments, tail)
	return nil
}

func (a *Archive) tail() *segment { return a.segments[len(a.segments)-1] }

// Checkpoint says how far the container's output was gathered.
func (a *Archive) Checkpoint(uid, container string) (c Checkpoint, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, known = a.pending.checkpoint(uid, container); known {
		return c, true
	}
	c, known = a.checkpoints[checkpointKey{uid, container}]
	return c, known
}

// Append takes lines of one stream, in their order, and how far they reach.
// Lines and checkpoint become durable together. An error means that nothing
// of pending lines can be written at present (a full disk); the lines are
// kept, within bounds, and the call may block writing others.
func (a *Archive) Append(s Stream, lines []logs.Line, c Checkpoint) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	if a.pending.size >= maxPending {
		if err := a.flush(); err != nil {
			return err
		}
	}
	a.pending.add(s, lines, c)
	if a.pending.size >= blockText {
		return a.flush()
	}
	return nil
}

// ErrClosed says that the archive was closed.
var ErrClosed = errors.New("the log archive is closed")

// Sizes of blocks, in bytes of text.
const (
	blockText  = 256 << 10
	maxPending = 2 << 20
)

// Flush writes what waits in memory.
func (a *Archive) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	return a.flush()
}

func (a *Archive) flush() error {
	if len(a.pending.entries) == 0 {
		return nil
	}
	if a.tail().full(&a.opts) {
		if err := a.startTail(); err != nil {
			return fmt.Errorf("starting a log segment: %w", err)
		}
		select {
		case a.seal <- struct{}{}:
		default:
		}
	}
	if err := a.tail().append(&a.pending); err != nil {
		return fmt.Errorf("writing gathered logs: %w", err)
	}
	for _, e := range a.pending.entries {
		a.checkpoints[keyOf(&e.stream)] = e.checkpoint
	}
	a.pending.reset()
	return nil
}

// Run flushes, seals and cleans up until the context ends.
func (a *Archive) Run(ctx context.Context) error {
	flush := time.NewTicker(a.opts.FlushAfter)
	defer flush.Stop()
	clean := time.NewTicker(time.Minute)
	defer clean.Stop()
	a.maintain()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-flush.C:
			if err := a.Flush(); err != nil && !errors.Is(err, ErrClosed) {
				a.opts.Log.Error("flushing gathered logs", "error", err)
			}
		case <-a.seal:
			a.maintain()
		case <-clean.C:
			a.maintain()
		}
	}
}

// maintain seals full tails and removes what is too old or too much.
func (a *Archive) maintain() {
	if err := a.sealFull(); err != nil {
		a.opts.Log.Error("sealing gathered logs", "error", err)
	}
	if err := a.expire(); err != nil {
		a.opts.Log.Error("removing old gathered logs", "error", err)
	}
}

// sealFull rewrites the tails that are no longer written.
func (a *Archive) sealFull() error {
	for {
		a.mu.Lock()
		i := slices.IndexFunc(a.segments[:len(a.segments)-1], func(s *segment) bool { return !s.sealed })
		if i < 0 || a.closed {
			a.mu.Unlock()
			return nil
		}
		tail := a.segments[i]
		tail.acquire()
		a.mu.Unlock()
		sealed, err := sealSegment(a.dir, tail)
		tail.release()
		if err != nil {
			return err
		}
		if !a.replace(tail, sealed) {
			sealed.release()
			return nil
		}
	}
}

// replace puts the sealed segment in the tail's place.
func (a *Archive) replace(tail, sealed *segment) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.segments, tail)
	if i < 0 || a.closed {
		return false
	}
	a.segments = slices.Clone(a.segments)
	a.segments[i] = sealed
	if err := os.Remove(tail.path); err != nil {
		a.opts.Log.Error("removing a sealed tail", "error", err)
	}
	tail.release()
	return true
}

// expire removes the oldest segments while they are too old or together too
// large. The tail that is written stays.
func (a *Archive) expire() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	total := int64(0)
	for _, s := range a.segments {
		total += s.size
	}
	oldest := a.opts.Clock().Add(-a.opts.MaxAge).UnixNano()
	var failed error
	kept := make([]*segment, 0, len(a.segments))
	for i, s := range a.segments {
		expired := s.newest < oldest && len(s.blocks) > 0 || total > a.opts.MaxSize
		if i == len(a.segments)-1 || !expired {
			kept = append(kept, s)
			continue
		}
		total -= s.size
		if err := os.Remove(s.path); err != nil {
			failed = errors.Join(failed, err)
		}
		a.forget(s)
		s.release()
	}
	a.segments = kept
	return failed
}

// forget drops the checkpoints that only this segment held. A container that
// still runs has newer ones, or will be read again from its beginning.
func (a *Archive) forget(s *segment) {
	for i, c := range s.checkpoints {
		key := keyOf(&s.streams[i])
		if a.checkpoints[key] == c {
			delete(a.checkpoints, key)
		}
	}
}

// Stats says what the archive holds.
type Stats struct {
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`
	Streams  int   `json:"streams"`
}

// Stats gives the figures of now.
func (a *Archive) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := Stats{Segments: len(a.segments), Streams: len(a.checkpoints)}
	for _, s := range a.segments {
		stats.Bytes += s.size
	}
	return stats
}

// Close flushes and closes the archive. Readers under way end well.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	err := a.flush()
	a.closed = true
	return errors.Join(err, a.closeFiles())
}

func (a *Archive) closeFiles() error {
	for _, s := range a.segments {
		s.release()
	}
	return a.lock.Close()
}
