package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Kind is how the values of a parameter of an Array are written: the number of
// a type in the protocol, and a flag in the byte above.
type Kind uint16

// Kinds of parameters.
const (
	// Bytes are sent as they are.
	Bytes Kind = 0xfd
	// Signed and Unsigned are integers, given by their digits.
	Signed   Kind = 0x08
	Unsigned Kind = 0x08 | 0x80<<8
	// Double is given by its eight bytes, the lowest first.
	Double Kind = 0x05
	// Date and DateTime are given as servers print them: 2026-01-31,
	// 2026-01-31 12:30:00 and 2026-01-31 12:30:00.000001.
	Date     Kind = 0x0a
	DateTime Kind = 0x0c
)

// MostAdded is the most that Append adds to the length of a value.
const MostAdded = 13

// Append adds a value in the form of its kind; nil is NULL.
func (k Kind) Append(row, value []byte) ([]byte, error) {
	const isValue, isNull = 0, 1
	if value == nil {
		return append(row, isNull), nil
	}
	row = append(row, isValue)
	ok := true
	switch k {
	case Signed, Unsigned:
		row, ok = appendInteger(row, value, k == Signed)
	case Double:
		row, ok = append(row, value...), len(value) == 8
	case Date, DateTime:
		row, ok = appendTime(row, value)
	default:
		row = append(appendLength(row, len(value)), value...)
	}
	if !ok {
		return row, fmt.Errorf("the server sent %.40q, which is no value of its column's type", value)
	}
	return row, nil
}

func appendLength(row []byte, size int) []byte {
	switch {
	case size < 0xfb:
		return append(row, byte(size))
	case size < 1<<16:
		return append(row, 0xfc, byte(size), byte(size>>8))
	case size < 1<<24:
		return append(row, 0xfd, byte(size), byte(size>>8), byte(size>>16))
	}
	return binary.LittleEndian.AppendUint64(append(row, 0xfe), uint64(size))
}

func appendInteger(row, digits []byte, signed bool) ([]byte, bool) {
	// Nothing of so few digits can be too large.
	if number, ok := decimal(digits); ok && len(digits) <= 18 {
		return binary.LittleEndian.AppendUint64(row, number), true
	}
	if signed {
		number, err := strconv.ParseInt(string(digits), 10, 64)
		return binary.LittleEndian.AppendUint64(row, uint64(number)), err == nil
	}
	number, err := strconv.ParseUint(string(digits), 10, 64)
	return binary.LittleEndian.AppendUint64(row, number), err == nil
}

// decimal reads digits, and says whether there are any and nothing else.
func decimal(digits []byte) (number uint64, ok bool) {
	for _, b := range digits {
		if b -= '0'; b > 9 {
			return 0, false
		}
		number = number*10 + uint64(b)
	}
	return number, len(digits) > 0
}

// appendTime adds the parts of a moment behind their length. Parts that are
// zero at the end are left out, as the protocol has it: the hour with what
// follows, the fraction of a second.
func appendTime(row, text []byte) ([]byte, bool) {
	const date, moment, point = len("2026-01-31"), len("2026-01-31 12:30:00"), 1
	if len(text) != date && len(text) != moment && (len(text) <= moment+point || len(text) > moment+point+6) {
		return row, false
	}
	year, ok1 := decimal(text[:4])
	month, ok2 := decimal(text[5:7])
	day, ok3 := decimal(text[8:10])
	ok := ok1 && ok2 && ok3 && text[4] == '-' && text[7] == '-'
	var hour, minute, second, micro uint64
	if len(text) >= moment {
		hour, ok1 = decimal(text[11:13])
		minute, ok2 = decimal(text[14:16])
		second, ok3 = decimal(text[17:19])
		ok = ok && ok1 && ok2 && ok3 && text[10] == ' ' && text[13] == ':' && text[16] == ':'
	}
	if len(text) > moment {
		micro, ok1 = decimal(text[moment+point:])
		ok = ok && ok1 && text[moment] == '.'
		for range moment + point + 6 - len(text) {
			micro *= 10
		}
	}
	size := 4
	switch {
	case micro > 0:
		size = 11
	case hour|minute|second > 0:
		size = 7
	case year|month|day == 0:
		size = 0
	}
	var parts [11]byte
	binary.LittleEndian.PutUint16(parts[0:], uint16(year))
	parts[2], parts[3], parts[4], parts[5], parts[6] = byte(month), byte(day), byte(hour), byte(minute), byte(second)
	binary.LittleEndian.PutUint32(parts[7:], uint32(micro))
	return append(append(row, byte(size)), parts[:size]...), ok
}
