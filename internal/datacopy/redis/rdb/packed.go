package rdb

import (
	"encoding/binary"
	"strconv"
)

// decoded gathers elements. Their bytes are in memory, or in what they were
// packed in.
type decoded struct {
	elements [][]byte
	memory   []byte
}

func (d *decoded) bytes(element []byte) {
	d.elements = append(d.elements, element[:len(element):len(element)])
}

func (d *decoded) number(n int64) {
	from := len(d.memory)
	d.memory = strconv.AppendInt(d.memory, n, 10)
	d.bytes(d.memory[from:])
}

// string decodes the string at the beginning of raw into memory.
func (d *decoded) string(raw []byte) (text, rest []byte, err error) {
	from := len(d.memory)
	d.memory, rest, err = appendString(d.memory, raw)
	return d.memory[from:len(d.memory):len(d.memory)], rest, err
}

// endOfPack is the last byte of ziplists and listpacks.
const endOfPack = 0xff

// listpack decodes a listpack: its size, the number of elements, and each
// element with its length behind it, to be read backwards.
func (d *decoded) listpack(pack []byte) error {
	if len(pack) < 7 || pack[len(pack)-1] != endOfPack {
		return errBroken
	}
	for pack = pack[6 : len(pack)-1]; len(pack) > 0; {
		size, err := d.listpackElement(pack)
		if err != nil {
			return err
		}
		size += backwards(size)
		if size > len(pack) {
			return errBroken
		}
		pack = pack[size:]
	}
	return nil
}

// listpackElement decodes an element and gives its size.
func (d *decoded) listpackElement(pack []byte) (size int, err error) {
	first := pack[0]
	text := func(head, n int) (int, error) {
		if n > len(pack)-head {
			return 0, errBroken
		}
		d.bytes(pack[head : head+n])
		return head + n, nil
	}
	switch {
	case first < 0x80:
		d.number(int64(first))
		return 1, nil
	case first < 0xc0:
		return text(1, int(first&0x3f))
	case first < 0xf0 && len(pack) >= 2:
		n := int(first&0xf)<<8 | int(pack[1])
		if first >= 0xe0 {
			return text(2, n)
		}
		// 13 bits with their sign.
		n |= int(first&0x10) << 8
		d.number(int64(n<<51) >> 51)
		return 2, nil
	case first == 0xf0 && len(pack) >= 5:
		return text(5, int(binary.LittleEndian.Uint32(pack[1:])))
	case first > 0xf0 && first <= 0xf4:
		size := []int{2, 3, 4, 8}[first-0xf1]
		if len(pack) <= size {
			return 0, errBroken
		}
		d.number(littleEndian(pack[1 : 1+size]))
		return 1 + size, nil
	}
	return 0, errBroken
}

// backwards is how many bytes the length of an element takes.
func backwards(size int) int {
	n := 1
	for ; size > 127; size >>= 7 {
		n++
	}
	return n
}

// littleEndian is a number with its sign.
func littleEndian(text []byte) (n int64) {
	for i, b := range text {
		n |= int64(b) << (8 * i)
	}
	shift := 64 - 8*len(text)
	return n << shift >> shift
}

// ziplist decodes what servers before 7 have instead: size, offset of the last
// element, number of elements, and each with the length of the one before.
func (d *decoded) ziplist(pack []byte) error {
	if len(pack) < 11 || pack[len(pack)-1] != endOfPack {
		return errBroken
	}
	for pack = pack[10 : len(pack)-1]; len(pack) > 0; {
		before := 1
		if pack[0] == 0xfe {
			before = 5
		}
		if len(pack) <= before {
			return errBroken
		}
		pack = pack[before:]
		size, err := d.ziplistElement(pack)
		if err != nil || size > len(pack) {
			return errBroken
		}
		pack = pack[size:]
	}
	return nil
}

func (d *decoded) ziplistElement(pack []byte) (size int, err error) {
	first, head, n := pack[0], 0, 0
	switch {
	case first < 0x40:
		head, n = 1, int(first)
	case first < 0x80 && len(pack) >= 2:
		head, n = 2, int(first&0x3f)<<8|int(pack[1])
	case first < 0xc0 && len(pack) >= 5:
		head, n = 5, int(binary.BigEndian.Uint32(pack[1:]))
	case first > 0xf0 && first < 0xfe:
		d.number(int64(first&0xf) - 1)
		return 1, nil
	default:
		size := map[byte]int{0xc0: 2, 0xd0: 4, 0xe0: 8, 0xf0: 3, 0xfe: 1}[first]
		if size == 0 || len(pack) <= size {
			return 0, errBroken
		}
		d.number(littleEndian(pack[1 : 1+size]))
		return 1 + size, nil
	}
	if n > len(pack)-head {
		return 0, errBroken
	}
	d.bytes(pack[head : head+n])
	return head + n, nil
}

// intset decodes numbers of two, four or eight bytes each.
func (d *decoded) intset(pack []byte) error {
	if len(pack) < 8 {
		return errBroken
	}
	size, count := int(binary.LittleEndian.Uint32(pack)), int(binary.LittleEndian.Uint32(pack[4:]))
	pack = pack[8:]
	if (size != 2 && size != 4 && size != 8) || len(pack) != size*count {
		return errBroken
	}
	for ; len(pack) > 0; pack = pack[size:] {
		d.number(littleEndian(pack[:size]))
	}
	return nil
}
