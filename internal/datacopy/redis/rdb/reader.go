package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	bufferSize = 256 << 10
	// largestElement is the longest string that is kept whole as one element of
	// a part; a value with a longer one is left.
	largestElement = 16 << 20
)

// Reader reads a snapshot. It is for one goroutine.
type Reader struct {
	in       io.Reader
	buf      []byte
	pos, end int
	// keep is where what must stay in the buffer begins, while keeping.
	keep    int
	keeping bool
	// most is how much may be kept, packed by how much what is kept stands for
	// more than its bytes.
	most, packed int

	// limit is the size from which values come in parts, part that of a part.
	limit, part int
	version     int
	valkey      bool
	record      Record
	name        []byte
	// open is the value whose parts are being given.
	open *parts
}

// parts is what is left of a large value.
type parts struct {
	shape shape
	left  int64
	// header is the size of what stands before the elements of the first part.
	header int
}

// NewReader begins to read a snapshot. Values of limit bytes and more come in
// parts of about part bytes.
func NewReader(in io.Reader, limit, part int) (*Reader, error) {
	r := &Reader{in: in, buf: make([]byte, bufferSize), limit: limit, part: part}
	if err := r.fill(9); err != nil {
		return nil, fmt.Errorf("reading the head of the snapshot: %w", err)
	}
	head := string(r.buf[:9])
	r.pos = 9
	digits := head[5:]
	if head[:5] != "REDIS" {
		r.valkey, digits = true, head[6:]
		if head[:6] != "VALKEY" {
			return nil, fmt.Errorf("reading the head of the snapshot: %q is none of Redis", head)
		}
	}
	version, err := strconv.Atoi(digits)
	if err != nil || version < 1 {
		return nil, fmt.Errorf("reading the head of the snapshot: %q is no version", digits)
	}
	r.version = version
	return r, nil
}

// Version is that of the format, which payloads made of it carry.
func (r *Reader) Version() int { return r.version }

// Next gives the next value or part of one, and io.EOF at the end of the
// snapshot: an end that comes earlier is io.ErrUnexpectedEOF.
func (r *Reader) Next() (*Record, error) {
	r.keeping, r.packed = false, 0
	if r.open != nil {
		return r.nextPart()
	}
	r.record.Expiry = -1
	for {
		op, err := r.byte()
		if err != nil {
			return nil, err
		}
		if op == opEnd {
			return nil, r.finish()
		}
		if op < opLeast {
			return r.value(Type(op))
		}
		if err := r.aside(op); err != nil {
			return nil, err
		}
	}
}

// finish reads the checksum at the end, which versions from 5 on have.
func (r *Reader) finish() error {
	if r.version >= 5 {
		if err := r.skip(8); err != nil {
			return err
		}
	}
	return io.EOF
}

// Rest reads so many bytes behind the end of the snapshot, as the mark that a
// server ends its stream with.
func (r *Reader) Rest(n int) ([]byte, error) {
	if err := r.fill(n); err != nil {
		return nil, err
	}
	r.pos += n
	return r.buf[r.pos-n : r.pos], nil
}

// aside reads what is no value: what belongs to the next one is noted.
func (r *Reader) aside(op byte) (err error) {
	switch op {
	case opSelect:
		var database int64
		database, err = r.length()
		r.record.Database = int(database)
	case opExpiryMillis:
		var text []byte
		if text, err = r.bytes(8); err == nil {
			r.record.Expiry = int64(binary.LittleEndian.Uint64(text))
		}
	case opExpiry:
		var text []byte
		if text, err = r.bytes(4); err == nil {
			r.record.Expiry = 1000 * int64(int32(binary.LittleEndian.Uint32(text)))
		}
	case opResize:
		err = r.lengths(2)
	case opSlotInfo:
		err = r.lengths(3)
	case opIdle:
		err = r.lengths(1)
	case opFreq:
		err = r.skip(1)
	case opAux:
		err = r.strings(2)
	case opFunction2:
		err = r.strings(1)
	case opModuleAux:
		if err = r.lengths(1); err == nil {
			err = r.module()
		}
	default:
		err = fmt.Errorf("reading the snapshot: %w: %d", ErrUnknown, op)
	}
	return err
}

// value reads the value after its type: all of it, or its first part.
func (r *Reader) value(t Type) (*Record, error) {
	key, err := r.key(t)
	if err != nil {
		return nil, err
	}
	r.record = Record{Database: r.record.Database, Key: key, Expiry: r.record.Expiry, Type: t, First: true}
	r.keep, r.keeping, r.packed, r.most = r.pos, true, 0, r.limit
	if t == String {
		return r.stringValue()
	}
	shape, has := shapes[t]
	if !has {
		if err := r.walk(t); err != nil {
			return nil, err
		}
		return r.whole(), nil
	}
	r.most += largestElement
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	return r.elements(&parts{shape: shape, left: n, header: r.pos - r.keep})
}

// key reads the key of a value.
func (r *Reader) key(t Type) ([]byte, error) {
	r.keep, r.keeping, r.packed, r.most = r.pos, true, 0, largestElement
	if err := r.string(); err != nil {
		return nil, err
	}
	if !r.keeping {
		return nil, fmt.Errorf("reading the snapshot: %w: a name of more than %d bytes, of type %d", ErrUnknown, largestElement, t)
	}
	var err error
	r.name, _, err = appendString(r.name[:0], r.buf[r.keep:r.pos])
	return r.name, err
}

// whole gives what is kept as the whole value.
func (r *Reader) whole() *Record {
	r.record.Last, r.record.Left = true, !r.keeping
	if r.keeping {
		r.take(r.keep)
	}
	return &r.record
}

// take puts what is kept, from a place on, into the record.
func (r *Reader) take(from int) {
	r.record.Raw = r.buf[from:r.pos:r.pos]
	r.record.Size = r.pos - from + r.packed
}

// kept is the size of what is kept.
func (r *Reader) kept() int { return r.pos - r.keep + r.packed }

// elements reads elements until all are there, or as many as make a part.
func (r *Reader) elements(p *parts) (*Record, error) {
	limit := r.part
	if r.record.First {
		limit = r.limit
	}
	r.record.Count = 0
	for ; p.left > 0 && r.keeping && r.kept() < limit; p.left-- {
		if err := r.element(p.shape); err != nil {
			return nil, err
		}
		r.record.Count++
	}
	if !r.keeping {
		// Nothing can be made of it: the rest is passed over.
		r.open = nil
		for ; p.left > 0; p.left-- {
			if err := r.element(p.shape); err != nil {
				return nil, err
			}
		}
	}
	if p.left == 0 && (r.record.First || !r.keeping) {
		return r.whole(), nil
	}
	if r.open = p; p.left == 0 {
		r.record.Last, r.open = true, nil
	}
	r.take(r.keep + p.header)
	p.header = 0
	return &r.record, nil
}

// nextPart goes on with a value that comes in parts.
func (r *Reader) nextPart() (*Record, error) {
	r.record.First, r.keep, r.keeping = false, r.pos, true
	if r.record.Type == String {
		return r.stringPart()
	}
	return r.elements(r.open)
}

// stringValue reads a string: one that is long and not packed comes in parts.
func (r *Reader) stringValue() (*Record, error) {
	n, encoding, err := r.head()
	if err != nil {
		return nil, err
	}
	if encoding == plain && n >= int64(r.limit) {
		r.open, r.keep = &parts{left: n}, r.pos
		return r.stringPart()
	}
	if err := r.body(n, encoding); err != nil {
		return nil, err
	}
	return r.whole(), nil
}

func (r *Reader) stringPart() (*Record, error) {
	n := min(r.open.left, int64(r.part))
	if err := r.skip(n); err != nil {
		return nil, err
	}
	r.open.left -= n
	r.take(r.keep)
	r.record.Count = 1
	if r.record.Last = r.open.left == 0; r.record.Last {
		r.open = nil
	}
	return &r.record, nil
}

// fill makes so many bytes ready behind the position.
func (r *Reader) fill(n int) error {
	if r.end-r.pos >= n {
		return nil
	}
	if !r.keeping {
		r.keep = r.pos
	}
	if r.keep > 0 {
		copy(r.buf, r.buf[r.keep:r.end])
		r.pos, r.end, r.keep = r.pos-r.keep, r.end-r.keep, 0
	}
	for r.end-r.pos < n {
		if r.end == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		m, err := r.in.Read(r.buf[r.end:])
		r.end += m
		if err != nil && r.end-r.pos < n {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// skip goes on by so many bytes. They stay in the buffer while keeping, as long
// as they are not too many.
func (r *Reader) skip(n int64) error {
	if r.keeping && n <= int64(r.most-r.kept()) {
		if err := r.fill(int(n)); err != nil {
			return err
		}
		r.pos += int(n)
		return nil
	}
	r.keeping = false
	for n > 0 {
		if err := r.fill(1); err != nil {
			return err
		}
		step := min(n, int64(r.end-r.pos))
		r.pos += int(step)
		n -= step
	}
	return nil
}

func (r *Reader) byte() (byte, error) {
	if r.pos == r.end {
		if err := r.fill(1); err != nil {
			return 0, err
		}
	}
	r.pos++
	return r.buf[r.pos-1], nil
}

// bytes gives a few bytes, valid until the next read.
func (r *Reader) bytes(n int) ([]byte, error) {
	if err := r.fill(n); err != nil {
		return nil, err
	}
	r.pos += n
	return r.buf[r.pos-n : r.pos], nil
}
