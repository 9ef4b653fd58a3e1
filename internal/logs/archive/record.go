package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
	"github.com/landfall-dev/landfall/internal/logs"
)

// The format of a segment file:
//
//	file    = magic record*                    a tail
//	        | magic record* index trailer      sealed
//	record  = length:u32 crc:u32 kind:u8 body  crc32c of kind and body; length is theirs
//	block   = header text                      kind 2
//	streams = JSON array of Stream             kind 1: numbered on from those before
//	index   = zstd of the JSON of fileIndex    kind 3
//	trailer = offset of the index:u64 magic
//
// A block's header is a list of varints: lines, oldest and newest time,
// entries (stream, lines, checkpoint), length of the text. The text, a zstd
// frame, holds the lines one after the other in ascending order of time:
// entry, time since the line before, mark, length, bytes.
const (
	magic      = "LFLOGS1\n"
	recordHead = 9

	kindStreams = 1
	kindBlock   = 2
	kindIndex   = 3
)

// Limits of what is accepted from a file, so that damage cannot exhaust
// memory.
const (
	maxRecord = 64 << 20
	maxText   = 64 << 20
)

var errDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Coders are shared: EncodeAll and DecodeAll keep no state between calls.
var (
	fastEncoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)))
	fineEncoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)))
	decoder     = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxText)))
)

// must is for coders, whose making fails only on wrong options.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// appendRecord appends a record of the kind and body.
func appendRecord(b []byte, kind byte, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)+1))
	crc := crc32.Update(crc32.Checksum([]byte{kind}, castagnoli), castagnoli, body)
	b = binary.LittleEndian.AppendUint32(b, crc)
	return append(append(b, kind), body...)
}

// readHead reads a record's head: the length of its body and its kind.
func readHead(head []byte) (length int, crc uint32, kind byte, err error) {
	n := binary.LittleEndian.Uint32(head)
	if n < 1 || n > maxRecord {
		return 0, 0, 0, fmt.Errorf("%w: a record of %d bytes", errDamaged, n)
	}
	return int(n - 1), binary.LittleEndian.Uint32(head[4:]), head[8], nil
}

// intact says whether the body is what was written.
func intact(crc uint32, kind byte, body []byte) bool {
	return crc == crc32.Update(crc32.Checksum([]byte{kind}, castagnoli), castagnoli, body)
}

// blockEntry is one stream's part of a block.
type blockEntry struct {
	Stream     uint32
	Lines      int
	Checkpoint Checkpoint
}

// blockHead is what is known of a block without its text.
type blockHead struct {
	Lines          int
	Oldest, Newest int64
	Entries        []blockEntry
	TextLen        int
}

// line is one line in a block; entry is the place in the block's entries.
type line struct {
	entry int
	at    int64
	mark  logs.Mark
	text  []byte
}

// appendText appends a line to a block's text.
func appendText(b []byte, l line, before int64) []byte {
	b = binary.AppendUvarint(b, uint64(l.entry))
	b = binary.AppendVarint(b, l.at-before)
	b = append(b, markCode(l.mark))
	b = binary.AppendUvarint(b, uint64(len(l.text)))
	return append(b, l.text...)
}

var markCodes = []logs.Mark{"", logs.MarkGap, logs.MarkRestart, logs.MarkStalled, logs.MarkResumed}

func markCode(m logs.Mark) byte {
	for i, known := range markCodes {
		if known == m {
			return byte(i)
		}
	}
	return 1 // a remark of a kind that is not known here still is one
}

// encodeBlock gives the body of a block record.
func encodeBlock(h blockHead, text []byte, encoder *zstd.Encoder) []byte {
	b := binary.AppendUvarint(nil, uint64(h.Lines))
	b = binary.AppendVarint(b, h.Oldest)
	b = binary.AppendVarint(b, h.Newest)
	b = binary.AppendUvarint(b, uint64(len(h.Entries)))
	for _, e := range h.Entries {
		b = binary.AppendUvarint(b, uint64(e.Stream))
		b = binary.AppendUvarint(b, uint64(e.Lines))
		b = binary.AppendVarint(b, int64(e.Checkpoint.Instance))
		b = binary.AppendVarint(b, e.Checkpoint.Position.First)
		b = binary.AppendVarint(b, e.Checkpoint.Position.Last)
		b = binary.AppendVarint(b, e.Checkpoint.Position.Count)
	}
	b = binary.AppendUvarint(b, uint64(len(text)))
	return encoder.EncodeAll(text, b)
}

// decodeHead reads a block's header and gives the compressed text behind it.
func decodeHead(body []byte) (h blockHead, frame []byte, err error) {
	d := varints{rest: body}
	h.Lines = int(d.unsigned(maxText))
	h.Oldest, h.Newest = d.signed(), d.signed()
	n := int(d.unsigned(uint64(len(body))))
	for range n {
		e := blockEntry{Stream: uint32(d.unsigned(1 << 31)), Lines: int(d.unsigned(maxText))}
		e.Checkpoint.Instance = int32(d.signed())
		e.Checkpoint.Position = logs.Position{First: d.signed(), Last: d.signed(), Count: d.signed()}
		if d.bad {
			break
		}
		h.Entries = append(h.Entries, e)
	}
	h.TextLen = int(d.unsigned(maxText))
	if d.bad {
		return blockHead{}, nil, fmt.Errorf("%w: a block's header", errDamaged)
	}
	return h, d.rest, nil
}

// decodeText unpacks a block's text into buf's memory.
func decodeText(h blockHead, frame, buf []byte) ([]byte, error) {
	text, err := decoder.DecodeAll(frame, buf[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: a block's text: %w", errDamaged, err)
	}
	if len(text) != h.TextLen {
		return nil, fmt.Errorf("%w: a block's text has %d bytes instead of %d", errDamaged, len(text), h.TextLen)
	}
	return text, nil
}

// lineReader goes over the lines of a block's text.
type lineReader struct {
	d       varints
	entries int
	at      int64
}

func newLineReader(h blockHead, text []byte) lineReader {
	return lineReader{d: varints{rest: text}, entries: len(h.Entries), at: 0}
}

// next gives the next line; ok is false at the end, or where the text is
// damaged, which err tells.
func (r *lineReader) next() (l line, ok bool, err error) {
	if len(r.d.rest) == 0 {
		return line{}, false, nil
	}
	l.entry = int(r.d.unsigned(uint64(max(0, r.entries-1))))
	r.at += r.d.signed()
	l.at = r.at
	code := int(r.d.byte())
	l.text = r.d.bytes()
	if r.d.bad || code >= len(markCodes) || r.entries == 0 {
		return line{}, false, fmt.Errorf("%w: a line", errDamaged)
	}
	l.mark = markCodes[code]
	return l, true, nil
}

// varints reads numbers off a buffer; bad says that one was not there.
type varints struct {
	rest []byte
	bad  bool
}

func (d *varints) unsigned(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *varints) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *varints) byte() byte {
	if len(d.rest) == 0 {
		d.bad = true
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *varints) bytes() []byte {
	n := d.unsigned(uint64(len(d.rest)))
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}
