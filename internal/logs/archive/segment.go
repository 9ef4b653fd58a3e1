package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// segment is one file of the archive. What is known of its blocks only grows,
// under the archive's lock; a reader takes a snapshot.
type segment struct {
	number uint64
	path   string
	sealed bool
	file   *os.File
	refs   atomic.Int32

	size           int64 // of the file, up to the last good record
	text           int   // bytes before compression
	oldest, newest int64
	born           time.Time
	blocks         []blockRef
	streams        []Stream
	checkpoints    []Checkpoint // by stream
	numbers        map[Stream]uint32
}

// blockRef is where a block is and what is in it.
type blockRef struct {
	Offset  int64    `json:"o"`
	Length  int      `json:"l"`
	Oldest  int64    `json:"a"`
	Newest  int64    `json:"z"`
	Lines   int      `json:"n"`
	Streams []uint32 `json:"s"`
}

// fileIndex is the index of a sealed segment.
type fileIndex struct {
	Streams     []Stream     `json:"streams"`
	Checkpoints []Checkpoint `json:"checkpoints"`
	Blocks      []blockRef   `json:"blocks"`
	Text        int          `json:"text"`
}

const (
	tailSuffix   = ".tail"
	sealedSuffix = ".logs"
)

func segmentPath(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", number, suffix))
}

// segmentFile is a file that was found.
type segmentFile struct {
	path   string
	number uint64
	sealed bool
}

// findSegments lists the segments in order. A tail whose sealed form is
// complete is removed, and so is what a crash left half-written.
func findSegments(dir string) ([]segmentFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []segmentFile
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		base, suffix, _ := strings.Cut(e.Name(), ".")
		number, err := strconv.ParseUint(base, 10, 63)
		if err != nil || "."+suffix != tailSuffix && "."+suffix != sealedSuffix {
			continue
		}
		// Sealed sorts before tail, by name.
		if n := len(found); n > 0 && found[n-1].number == number {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		found = append(found, segmentFile{path, number, "."+suffix == sealedSuffix})
	}
	slices.SortFunc(found, func(a, b segmentFile) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return found, nil
}

// setAside renames a file that cannot be read at all, so that the rest can.
func setAside(f segmentFile, cause error, log *slog.Logger) error {
	aside := f.path + ".damaged"
	log.Error("a file of gathered logs cannot be read and is set aside", "file", aside, "error", cause)
	return os.Rename(f.path, aside)
}

// createTail makes a new segment to write.
func createTail(dir string, number uint64, now time.Time) (*segment, error) {
	path := segmentPath(dir, number, tailSuffix)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if _, err := file.WriteString(magic); err != nil {
		_ = file.Close()
		_ = os.Remove(path)
		return nil, err
	}
	s := &segment{number: number, path: path, file: file, size: int64(len(magic)), born: now, numbers: map[Stream]uint32{}}
	s.refs.Store(1)
	return s, nil
}

// openSegment opens a file and learns what is in it.
func openSegment(f segmentFile, log *slog.Logger) (*segment, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &segment{number: f.number, path: f.path, sealed: f.sealed, file: file, numbers: map[Stream]uint32{}}
	s.refs.Store(1)
	if err := s.learn(log); err != nil {
		_ = file.Close()
		return nil, err
	}
	return s, nil
}

func (s *segment) learn(log *slog.Logger) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.born = info.ModTime()
	if s.sealed {
		return s.readIndex(info.Size())
	}
	good, err := s.scan(info.Size())
	if err != nil {
		return err
	}
	if good < info.Size() {
		log.Warn("the end of a file of gathered logs was torn; what is missing is gathered again", "file", s.path, "bytes", info.Size()-good)
		return s.file.Truncate(good)
	}
	return nil
}

// scan reads the records of a tail up to the first that is not whole, and
// says where that is.
func (s *segment) scan(size int64) (good int64, err error) {
	start := make([]byte, len(magic))
	if _, err := s.file.ReadAt(start, 0); err != nil || string(start) != magic {
		if size < int64(len(magic)) {
			// Torn while it was made.
			_, err := s.file.WriteAt([]byte(magic), 0)
			s.size = int64(len(magic))
			return s.size, err
		}
		return 0, fmt.Errorf("%w: not a file of gathered logs", errDamaged)
	}
	s.size = int64(len(magic))
	for s.size < size {
		kind, body, err := s.record(s.size, size)
		if errors.Is(err, errDamaged) {
			break
		}
		if err != nil {
			return 0, err
		}
		if err := s.note(kind, body, s.size); err != nil {
			break
		}
		s.size += int64(recordHead + len(body))
	}
	return s.size, nil
}

// record reads and checks the record at the offset.
func (s *segment) record(offset, size int64) (kind byte, body []byte, err error) {
	var head [recordHead]byte
	if _, err := s.file.ReadAt(head[:], offset); err != nil {
		return 0, nil, torn(err)
	}
	length, crc, kind, err := readHead(head[:])
	if err != nil {
		return 0, nil, err
	}
	if offset+recordHead+int64(length) > size {
		return 0, nil, fmt.Errorf("%w: a record beyond the end", errDamaged)
	}
	body = make([]byte, length)
	if _, err := s.file.ReadAt(body, offset+recordHead); err != nil {
		return 0, nil, torn(err)
	}
	if !intact(crc, kind, body) {
		return 0, nil, fmt.Errorf("%w: a record's checksum", errDamaged)
	}
	return kind, body, nil
}

func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the file ends", errDamaged)
	}
	return err
}

// note takes a record into what is known of the segment.
func (s *segment) note(kind byte, body []byte, offset int64) error {
	switch kind {
	case kindStreams:
		var streams []Stream
		if err := json.Unmarshal(body, &streams); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		s.addStreams(streams)
	case kindBlock:
		h, _, err := decodeHead(body)
		if err != nil {
			return err
		}
		for _, e := range h.Entries {
			if int(e.Stream) >= len(s.streams) {
				return fmt.Errorf("%w: a block of an unknown stream", errDamaged)
			}
		}
		s.addBlock(h, offset, recordHead+len(body))
	}
	return nil
}

func (s *segment) addStreams(streams []Stream) {
	for _, stream := range streams {
		s.numbers[stream] = uint32(len(s.streams))
		s.streams = append(s.streams, stream)
		s.checkpoints = append(s.checkpoints, Checkpoint{})
	}
}

func (s *segment) addBlock(h blockHead, offset int64, length int) {
	ref := blockRef{Offset: offset, Length: length, Oldest: h.Oldest, Newest: h.Newest, Lines: h.Lines}
	for _, e := range h.Entries {
		ref.Streams = append(ref.Streams, e.Stream)
		s.checkpoints[e.Stream] = e.Checkpoint
	}
	s.text += h.TextLen
	s.extend(ref)
}

func (s *segment) extend(ref blockRef) {
	if len(s.blocks) == 0 || ref.Oldest < s.oldest {
		s.oldest = ref.Oldest
	}
	if len(s.blocks) == 0 || ref.Newest > s.newest {
		s.newest = ref.Newest
	}
	s.blocks = append(s.blocks, ref)
}

// maxTailBlocks bounds the small blocks of a tail.
const maxTailBlocks = 4096

// full says that the tail has had enough.
func (s *segment) full(opts *Options) bool {
	return s.text >= opts.SegmentText || len(s.blocks) >= maxTailBlocks ||
		len(s.blocks) > 0 && opts.Clock().Sub(s.born) >= opts.SegmentAge
}

// append writes the pending lines: new streams and the block in one write, so
// that a failure leaves the file as it was.
func (s *segment) append(p *pending) error {
	var fresh []Stream
	h, text := p.block(func(stream Stream) uint32 {
		if n, known := s.numbers[stream]; known {
			return n
		}
		fresh = append(fresh, stream)
		return uint32(len(s.streams) + len(fresh) - 1)
	})
	var record []byte
	if len(fresh) > 0 {
		body, err := json.Marshal(fresh)
		if err != nil {
			return err
		}
		record = appendRecord(record, kindStreams, body)
	}
	offset := s.size + int64(len(record))
	record = appendRecord(record, kindBlock, encodeBlock(h, text, fastEncoder))
	if _, err := s.file.WriteAt(record, s.size); err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.addStreams(fresh)
	s.size += int64(len(record))
	s.addBlock(h, offset, int(s.size-offset))
	return nil
}

func (s *segment) acquire() { s.refs.Add(1) }

// release closes the file with the last user.
func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		_ = s.file.Close() // written data is behind WriteAt's errors already
	}
}
