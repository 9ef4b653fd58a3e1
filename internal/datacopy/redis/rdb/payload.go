package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
)

// FooterSize is that of what a payload ends with.
const FooterSize = 10

// Footer appends what makes a payload for RESTORE of a type and its raw value:
// the payload is the type's byte, raw, and this. version is Reader.Version.
func Footer(to []byte, t Type, raw []byte, version int) []byte {
	begin := len(to)
	to = binary.LittleEndian.AppendUint16(to, uint16(version))
	sum := checksum(0, []byte{byte(t)})
	sum = checksum(sum, raw)
	sum = checksum(sum, to[begin:])
	return binary.LittleEndian.AppendUint64(to, sum)
}

// AppendString decodes the raw value of a String that came whole.
func AppendString(to, raw []byte) ([]byte, error) {
	to, rest, err := appendString(to, raw)
	if err == nil && len(rest) > 0 {
		err = errBroken
	}
	return to, err
}

// Decodes says whether Elements knows the parts of a type.
func Decodes(t Type) bool {
	switch t {
	case List, Set, Hash, Zset, Zset2:
		return true
	}
	return false
}

// Elements decodes a part: elements of a list or set, fields and values, or
// members and scores one after the other. They are appended to elements and
// their bytes to memory, which they share.
func Elements(t Type, raw []byte, elements [][]byte, memory []byte) ([][]byte, []byte, error) {
	var err error
	add := func(from int) { elements = append(elements, memory[from:len(memory):len(memory)]) }
	for len(raw) > 0 {
		from := len(memory)
		if memory, raw, err = appendString(memory, raw); err != nil {
			return elements, memory, err
		}
		add(from)
		from = len(memory)
		switch t {
		case Zset:
			memory, raw, err = appendScore(memory, raw)
		case Zset2:
			memory, raw, err = appendDouble(memory, raw)
		default:
			continue
		}
		if err != nil {
			return elements, memory, err
		}
		add(from)
	}
	return elements, memory, nil
}

// appendScore decodes a score as text.
func appendScore(to, raw []byte) (grown, rest []byte, err error) {
	if len(raw) == 0 {
		return to, nil, errBroken
	}
	n := int(raw[0])
	switch raw = raw[1:]; n {
	case scoreNaN:
		return append(to, "nan"...), raw, nil
	case scoreInf:
		return append(to, "inf"...), raw, nil
	case scoreMinusInf:
		return append(to, "-inf"...), raw, nil
	}
	if n > len(raw) {
		return to, nil, errBroken
	}
	return append(to, raw[:n]...), raw[n:], nil
}

// appendDouble decodes a score of eight bytes.
func appendDouble(to, raw []byte) (grown, rest []byte, err error) {
	if len(raw) < 8 {
		return to, nil, errBroken
	}
	score := math.Float64frombits(binary.LittleEndian.Uint64(raw))
	if math.IsInf(score, 1) {
		return append(to, "inf"...), raw[8:], nil
	}
	return strconv.AppendFloat(to, score, 'g', -1, 64), raw[8:], nil
}
