package archive

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// sealedBlockText is how much text a block of a sealed segment holds, in
// bytes: enough to compress well, little enough to hold several at once.
const sealedBlockText = 256 << 10

// sealSegment writes the tail's lines sorted and indexed, beside it. The tail
// stays as it is. A crash leaves a file that the next start removes.
func sealSegment(dir string, tail *segment) (*segment, error) {
	lines, err := tail.allLines()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", tail.path, err)
	}
	path := segmentPath(dir, tail.number, sealedSuffix)
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	sealed := &segment{
		number: tail.number, path: path, sealed: true, file: file, text: tail.text, born: tail.born,
		streams: tail.streams, checkpoints: tail.checkpoints,
	}
	sealed.refs.Store(1)
	if err := sealed.writeSealed(lines); err != nil {
		sealed.release()
		_ = os.Remove(path + ".tmp")
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return sealed, nil
}

// allLines reads the whole tail; a segment's text fits memory.
func (s *segment) allLines() (lines []line, err error) {
	for _, ref := range s.blocks {
		h, text, err := s.block(ref, nil)
		if err != nil {
			return nil, err
		}
		r := newLineReader(h, text)
		for {
			l, ok, err := r.next()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			l.entry = int(h.Entries[l.entry].Stream)
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// block reads a block's header and text; buf's memory is used for the text.
func (s *segment) block(ref blockRef, buf []byte) (blockHead, []byte, error) {
	kind, body, err := s.record(ref.Offset, ref.Offset+int64(ref.Length))
	if err != nil {
		return blockHead{}, nil, err
	}
	if kind != kindBlock {
		return blockHead{}, nil, fmt.Errorf("%w: no block at %d", errDamaged, ref.Offset)
	}
	h, frame, err := decodeHead(body)
	if err != nil {
		return blockHead{}, nil, err
	}
	text, err := decodeText(h, frame, buf)
	return h, text, err
}

// writeSealed writes the lines by component and time, the index, and makes the
// file durable under its name.
func (s *segment) writeSealed(lines []line) error {
	out := &fileWriter{file: s.file}
	out.write([]byte(magic))
	group := s.groups()
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(group[a.entry], group[b.entry]), byTime(a, b))
	})
	for len(lines) > 0 {
		n := 1
		for size := len(lines[0].text); n < len(lines) && size < sealedBlockText && group[lines[n].entry] == group[lines[0].entry]; n++ {
			size += len(lines[n].text)
		}
		s.writeBlock(out, lines[:n])
		lines = lines[n:]
	}
	index, err := json.Marshal(fileIndex{Streams: s.streams, Checkpoints: s.checkpoints, Blocks: s.blocks, Text: s.text})
	if err != nil {
		return err
	}
	at := out.offset
	out.write(appendRecord(nil, kindIndex, fineEncoder.EncodeAll(index, nil)))
	out.write(append(binary.LittleEndian.AppendUint64(nil, uint64(at)), magic...))
	s.size = out.offset
	if out.err != nil {
		return out.err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	return os.Rename(s.path+".tmp", s.path)
}

// groups numbers the environments' components in a fixed order, by stream.
func (s *segment) groups() []int {
	type key struct{ project, environment, component string }
	numbers := map[key]int{}
	groups := make([]int, len(s.streams))
	for i, stream := range s.streams {
		k := key{stream.Project, stream.Environment, stream.Component}
		if _, known := numbers[k]; !known {
			numbers[k] = len(numbers)
		}
		groups[i] = numbers[k]
	}
	return groups
}

// writeBlock writes sorted lines of one component.
func (s *segment) writeBlock(out *fileWriter, lines []line) {
	h := blockHead{Lines: len(lines)}
	entries := map[int]int{}
	mapped := make([]line, len(lines))
	for i, l := range lines {
		e, known := entries[l.entry]
		if !known {
			e = len(h.Entries)
			entries[l.entry] = e
			h.Entries = append(h.Entries, blockEntry{Stream: uint32(l.entry), Checkpoint: s.checkpoints[l.entry]})
		}
		h.Entries[e].Lines++
		l.entry = e
		mapped[i] = l
	}
	text := h.fill(mapped)
	record := appendRecord(nil, kindBlock, encodeBlock(h, text, fineEncoder))
	ref := blockRef{Offset: out.offset, Length: len(record), Oldest: h.Oldest, Newest: h.Newest, Lines: h.Lines}
	for _, e := range h.Entries {
		ref.Streams = append(ref.Streams, e.Stream)
	}
	out.write(record)
	s.extend(ref)
}

// fileWriter counts what it writes and keeps the first error.
type fileWriter struct {
	file   *os.File
	offset int64
	err    error
}

func (w *fileWriter) write(b []byte) {
	if w.err != nil {
		return
	}
	_, w.err = w.file.WriteAt(b, w.offset)
	w.offset += int64(len(b))
}

// readIndex learns a sealed segment from its index.
func (s *segment) readIndex(size int64) error {
	trailer := make([]byte, 8+len(magic))
	if _, err := s.file.ReadAt(trailer, max(0, size-int64(len(trailer)))); err != nil && err != io.EOF {
		return err
	}
	if string(trailer[8:]) != magic {
		return fmt.Errorf("%w: no trailer", errDamaged)
	}
	at := binary.LittleEndian.Uint64(trailer)
	if at >= uint64(size) {
		return fmt.Errorf("%w: the index is beyond the end", errDamaged)
	}
	kind, body, err := s.record(int64(at), size)
	if err != nil {
		return err
	}
	if kind != kindIndex {
		return fmt.Errorf("%w: no index", errDamaged)
	}
	text, err := decoder.DecodeAll(body, nil)
	if err != nil {
		return fmt.Errorf("%w: the index: %w", errDamaged, err)
	}
	return s.takeIndex(text, size)
}

func (s *segment) takeIndex(text []byte, size int64) error {
	var index fileIndex
	if err := json.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("%w: the index: %w", errDamaged, err)
	}
	if len(index.Checkpoints) != len(index.Streams) {
		return fmt.Errorf("%w: the index has %d streams and %d checkpoints", errDamaged, len(index.Streams), len(index.Checkpoints))
	}
	for _, ref := range index.Blocks {
		if ref.Offset < 0 || ref.Length < recordHead || ref.Offset+int64(ref.Length) > size {
			return fmt.Errorf("%w: the index names a block outside the file", errDamaged)
		}
		for _, n := range ref.Streams {
			if int(n) >= len(index.Streams) {
				return fmt.Errorf("%w: the index names an unknown stream", errDamaged)
			}
		}
		s.extend(ref)
	}
	s.streams, s.checkpoints, s.text, s.size = index.Streams, index.Checkpoints, index.Text, size
	return nil
}
