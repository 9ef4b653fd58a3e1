package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Lengths of scores that stand for what is no number.
const (
	scoreNaN      = 253
	scoreInf      = 254
	scoreMinusInf = 255
)

// encoding is how a string is written.
type encoding byte

const (
	plain encoding = 0xff
	// int8, int16 and int32 are numbers of one, two and four bytes.
	int8Number  encoding = 0
	int16Number encoding = 1
	int32Number encoding = 2
	// lzf is a string that is packed.
	lzf encoding = 3
)

var errBroken = errors.New("reading the snapshot: a value is broken")

// longest is the longest string that is believed: more than servers hold.
const longest = 1 << 40

// string goes past a string.
func (r *Reader) string() error {
	n, encoding, err := r.head()
	if err != nil {
		return err
	}
	return r.body(n, encoding)
}

// body goes past a string behind its head.
func (r *Reader) body(n int64, encoding encoding) error {
	switch encoding {
	case lzf:
		packed, err := r.length()
		if err != nil {
			return err
		}
		size, err := r.length()
		if err != nil {
			return err
		}
		r.packed += int(max(min(size, longest)-packed, 0))
		return r.skip(packed)
	case int8Number, int16Number, int32Number:
		return r.skip(1 << encoding)
	}
	return r.skip(n)
}

// head reads how a string is written, and its length where it is plain.
func (r *Reader) head() (n int64, e encoding, err error) {
	first, err := r.byte()
	if err != nil {
		return 0, 0, err
	}
	switch first >> 6 {
	case 0:
		return int64(first), plain, nil
	case 3:
		if e = encoding(first & 0x3f); e > lzf {
			return 0, 0, fmt.Errorf("reading the snapshot: %w: encoding %d", ErrUnknown, e)
		}
		return 0, e, nil
	}
	n, err = r.longer(first)
	return n, plain, err
}

// length reads a number.
func (r *Reader) length() (int64, error) {
	n, e, err := r.head()
	if err == nil && e != plain {
		err = errBroken
	}
	return n, err
}

// longer reads the rest of a number of more than six bits.
func (r *Reader) longer(first byte) (int64, error) {
	switch {
	case first>>6 == 1:
		second, err := r.byte()
		return int64(first&0x3f)<<8 | int64(second), err
	case first == 0x80:
		text, err := r.bytes(4)
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint32(text)), nil
	case first == 0x81:
		text, err := r.bytes(8)
		if err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint64(text)
		return int64(n & math.MaxInt64), nil
	}
	return 0, errBroken
}

// appendString decodes the string at the beginning of raw, and gives what is
// behind it.
func appendString(to, raw []byte) (grown, rest []byte, err error) {
	n, e, rest, err := cutHead(raw)
	if err != nil {
		return to, nil, err
	}
	switch e {
	case plain:
		if n > int64(len(rest)) {
			return to, nil, errBroken
		}
		return append(to, rest[:n]...), rest[n:], nil
	case lzf:
		return appendPacked(to, rest)
	}
	size := 1 << e
	if len(rest) < size {
		return to, nil, errBroken
	}
	var number int64
	switch e {
	case int8Number:
		number = int64(int8(rest[0]))
	case int16Number:
		number = int64(int16(binary.LittleEndian.Uint16(rest)))
	default:
		number = int64(int32(binary.LittleEndian.Uint32(rest)))
	}
	return strconv.AppendInt(to, number, 10), rest[size:], nil
}

// appendPacked decodes a packed string behind its head.
func appendPacked(to, raw []byte) (grown, rest []byte, err error) {
	packed, rest, err := cutLength(raw)
	if err != nil {
		return to, nil, err
	}
	size, rest, err := cutLength(rest)
	if err != nil || packed > int64(len(rest)) || size > maxUnpacked*packed+maxUnpacked {
		return to, nil, errBroken
	}
	if to, err = unpack(to, rest[:packed], int(size)); err != nil {
		return to, nil, err
	}
	return to, rest[packed:], nil
}

// cutHead is Reader.head of bytes.
func cutHead(raw []byte) (n int64, e encoding, rest []byte, err error) {
	if len(raw) == 0 {
		return 0, 0, nil, errBroken
	}
	first := raw[0]
	switch {
	case first>>6 == 0:
		return int64(first), plain, raw[1:], nil
	case first>>6 == 1 && len(raw) >= 2:
		return int64(first&0x3f)<<8 | int64(raw[1]), plain, raw[2:], nil
	case first == 0x80 && len(raw) >= 5:
		return int64(binary.BigEndian.Uint32(raw[1:])), plain, raw[5:], nil
	case first == 0x81 && len(raw) >= 9:
		return int64(binary.BigEndian.Uint64(raw[1:]) & math.MaxInt64), plain, raw[9:], nil
	case first>>6 == 3 && encoding(first&0x3f) <= lzf:
		return 0, encoding(first & 0x3f), raw[1:], nil
	}
	return 0, 0, nil, errBroken
}

func cutLength(raw []byte) (int64, []byte, error) {
	n, e, rest, err := cutHead(raw)
	if err == nil && e != plain {
		err = errBroken
	}
	return n, rest, err
}
