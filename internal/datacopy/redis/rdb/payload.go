package rdb

import (
	"encoding/binary"
	"fmt"
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

// Decodes says whether Elements and WholeElements know a type.
func Decodes(t Type) bool {
	_, has := decoders[t]
	return has
}

// decoders are by type, of what stands behind the number of elements where
// there is one.
var decoders = map[Type]func(d *decoded, raw []byte) error{
	List: (*decoded).strings, Set: (*decoded).strings, Hash: (*decoded).strings,
	Zset: (*decoded).scores, Zset2: (*decoded).doubles,
	ListQuicklist: (*decoded).quicklist, ListQuicklist2: (*decoded).quicklist2,
	HashListpack: packed((*decoded).listpack), ZsetListpack: packed((*decoded).listpack), SetListpack: packed((*decoded).listpack),
	ListZiplist: packed((*decoded).ziplist), HashZiplist: packed((*decoded).ziplist), ZsetZiplist: packed((*decoded).ziplist),
	SetIntset: packed((*decoded).intset),
}

// Elements decodes a part: elements of a list or set, fields and values, or
// members and scores one after the other. They are appended to elements, and
// their bytes to memory, which they share with each other and with raw.
func Elements(t Type, raw []byte, elements [][]byte, memory []byte) ([][]byte, []byte, error) {
	decode, has := decoders[t]
	if !has {
		return elements, memory, fmt.Errorf("decoding a value: %w: type %d", ErrUnknown, t)
	}
	d := &decoded{elements: elements, memory: memory}
	err := decode(d, raw)
	return d.elements, d.memory, err
}

// WholeElements is Elements of a value that came whole.
func WholeElements(t Type, raw []byte, elements [][]byte, memory []byte) ([][]byte, []byte, error) {
	if _, counted := shapes[t]; counted {
		var err error
		if _, raw, err = cutLength(raw); err != nil {
			return elements, memory, err
		}
	}
	return Elements(t, raw, elements, memory)
}

// packed decodes a type that is one string, in which all elements are packed.
func packed(decode func(*decoded, []byte) error) func(*decoded, []byte) error {
	return func(d *decoded, raw []byte) error {
		pack, rest, err := d.string(raw)
		if err == nil && len(rest) > 0 {
			err = errBroken
		}
		if err != nil {
			return err
		}
		return decode(d, pack)
	}
}

func (d *decoded) strings(raw []byte) error {
	for len(raw) > 0 {
		text, rest, err := d.string(raw)
		if err != nil {
			return err
		}
		d.bytes(text)
		raw = rest
	}
	return nil
}

func (d *decoded) scores(raw []byte) error { return d.members(raw, appendScore) }

func (d *decoded) doubles(raw []byte) error { return d.members(raw, appendDouble) }

func (d *decoded) members(raw []byte, score func(to, raw []byte) (grown, rest []byte, err error)) error {
	for len(raw) > 0 {
		text, rest, err := d.string(raw)
		if err != nil {
			return err
		}
		d.bytes(text)
		from := len(d.memory)
		if d.memory, raw, err = score(d.memory, rest); err != nil {
			return err
		}
		d.bytes(d.memory[from:])
	}
	return nil
}

// quicklist decodes a list in ziplists.
func (d *decoded) quicklist(raw []byte) error {
	for len(raw) > 0 {
		pack, rest, err := d.string(raw)
		if err != nil {
			return err
		}
		if err := d.ziplist(pack); err != nil {
			return err
		}
		raw = rest
	}
	return nil
}

// quicklist2 decodes a list in listpacks, and single elements that are large.
func (d *decoded) quicklist2(raw []byte) error {
	const single = 1
	for len(raw) > 0 {
		container, rest, err := cutLength(raw)
		if err != nil {
			return err
		}
		pack, rest, err := d.string(rest)
		if err != nil {
			return err
		}
		if container == single {
			d.bytes(pack)
		} else if err := d.listpack(pack); err != nil {
			return err
		}
		raw = rest
	}
	return nil
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
	switch {
	case math.IsInf(score, 1):
		return append(to, "inf"...), raw[8:], nil
	case math.IsInf(score, -1):
		return append(to, "-inf"...), raw[8:], nil
	}
	return strconv.AppendFloat(to, score, 'g', -1, 64), raw[8:], nil
}
