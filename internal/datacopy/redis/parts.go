package redis

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Types that are read and written in parts. Others belong to modules of the
// server; only DUMP knows them.
const (
	typeString = "string"
	typeList   = "list"
	typeHash   = "hash"
	typeSet    = "set"
	typeZset   = "zset"
	typeStream = "stream"
	typeNone   = "none"
)

// lengthOf is the command that tells a type's length.
var lengthOf = map[string]string{
	typeString: "STRLEN", typeList: "LLEN", typeHash: "HLEN", typeSet: "SCARD", typeZset: "ZCARD", typeStream: "XLEN",
}

const (
	// wholeString is the longest string that is masked: a mask sees values whole.
	wholeString = 64 << 20
	// smallest and largest numbers of elements that one command reads.
	fewestElements, mostElements = 16, 2000
)

// reading is a key being read in parts.
type reading struct {
	key    []byte
	kind   string
	expiry int64
	length int64
	mask   datacopy.ValueMask
	// cursor and offset are where the next part begins, began where the last one
	// did.
	cursor        string
	offset, began int64
	// sent is how many bytes of a string were seen after masking.
	sent int64
	// step is the number of elements, or bytes, of a part.
	step  int64
	ended bool
	// elements are those of the last part, as they are written: fields and
	// values, members and scores one after the other. They share memory.
	elements [][]byte
	memory   []byte
	masked   []byte
	// fields are when the fields of the last part of a hash expire; nil when the
	// server knows no such thing.
	fields []int64
}

// askKind requests what is to be known of a key before reading it.
func askKind(w *wire, s *server, key []byte) {
	w.begin(2)
	w.text("TYPE")
	w.arg(key)
	askExpiry(w, s, key)
	w.begin(3)
	w.text("MEMORY")
	w.text("USAGE")
	w.arg(key)
}

// readKind begins the reading of a key.
func readKind(w *wire, s *server, key []byte) (r *reading, memory int64, err error) {
	r = &reading{key: key, cursor: "0"}
	_, kind, err := w.line()
	if err != nil {
		return nil, 0, err
	}
	r.kind = string(kind)
	if r.expiry, err = readExpiry(w, s); err != nil {
		return nil, 0, err
	}
	head, text, err := w.line()
	if err != nil {
		// A server that does not tell the memory is no reason to stop.
		var reply replyError
		if errors.As(err, &reply) {
			return r, 0, nil
		}
		return nil, 0, err
	}
	if head == ':' {
		memory, _ = strconv.ParseInt(string(text), 10, 64)
	}
	return r, memory, nil
}

// askLength requests the number of elements (bytes of a string).
func (r *reading) askLength(w *wire) {
	w.begin(2)
	w.text(lengthOf[r.kind])
	w.arg(r.key)
}

// readLength chooses how much one part holds.
func (r *reading) readLength(w *wire, memory int64) error {
	length, err := w.integerReply()
	if err != nil {
		return err
	}
	r.length = length
	if r.kind == typeString {
		r.step = partBytes
		if r.mask != nil {
			if length > wholeString {
				return fault.New(fault.Refused, "Exclude the key, or keep it with a rule.",
					"masking key %s: it is a string of %d bytes, more than a mask can hold", shown(r.key), length)
			}
			// A second part, though empty, would be masked, too.
			r.step = length + 1
		}
		return nil
	}
	each := max(memory/max(length, 1), 1)
	r.step = min(max(partBytes/each, fewestElements), mostElements)
	return nil
}

// ask requests the next part.
func (r *reading) ask(w *wire) {
	switch r.kind {
	case typeString, typeList:
		command := "LRANGE"
		if r.kind == typeString {
			command = "GETRANGE"
		}
		w.begin(4)
		w.text(command)
		w.arg(r.key)
		w.integer(r.offset)
		w.integer(r.offset + r.step - 1)
	default:
		w.begin(5)
		w.text(map[string]string{typeHash: "HSCAN", typeSet: "SSCAN", typeZset: "ZSCAN"}[r.kind])
		w.arg(r.key)
		w.text(r.cursor)
		w.text("COUNT")
		w.integer(r.step)
	}
}

// read reads the part that was asked for.
func (r *reading) read(w *wire) error {
	r.elements, r.memory, r.began = r.elements[:0], r.memory[:0], r.offset
	switch r.kind {
	case typeString:
		return r.readString(w)
	case typeList:
		n, err := r.readElements(w)
		r.offset += int64(n)
		r.ended = int64(n) < r.step
		return err
	}
	if n, err := w.array(); err != nil || n != 2 {
		return unlessNil(err, "reading a part of key %s: the reply has %d parts", shown(r.key), n)
	}
	cursor, _, err := w.bulk(nil)
	if err != nil {
		return err
	}
	n, err := r.readElements(w)
	if err != nil {
		return err
	}
	if r.kind != typeSet && n%2 != 0 {
		return fmt.Errorf("reading a part of key %s: a value is missing", shown(r.key))
	}
	r.cursor = string(cursor)
	r.ended = r.cursor == "0"
	return nil
}

func (r *reading) readString(w *wire) error {
	memory, _, err := w.bulk(r.memory)
	if err != nil {
		return err
	}
	r.memory = memory
	r.elements = append(r.elements, memory)
	r.offset += int64(len(memory))
	r.ended = int64(len(memory)) < r.step
	return nil
}

// readElements reads a list of strings.
func (r *reading) readElements(w *wire) (int, error) {
	n, err := w.array()
	if err != nil {
		return 0, err
	}
	for range n {
		start := len(r.memory)
		if r.memory, _, err = w.bulk(r.memory); err != nil {
			return 0, err
		}
		r.elements = append(r.elements, r.memory[start:len(r.memory):len(r.memory)])
	}
	return n, nil
}

// apply masks the part that was read. Of hashes the values change, of sorted
// sets the members, of the rest every element.
func (r *reading) apply(scratch *datacopy.Scratch) error {
	if r.mask == nil {
		return nil
	}
	r.masked = r.masked[:0]
	for i, element := range r.elements {
		field := ""
		switch r.kind {
		case typeHash:
			if i%2 == 0 {
				continue
			}
			field = string(r.elements[i-1])
		case typeZset:
			if i%2 != 0 {
				continue
			}
		}
		scratch.Reset()
		masked, err := r.mask.Mask(field, element, scratch)
		if err != nil {
			return fmt.Errorf("masking key %s: %w", shown(r.key), err)
		}
		start := len(r.masked)
		r.masked = append(r.masked, masked...)
		r.elements[i] = r.masked[start:len(r.masked):len(r.masked)]
	}
	return nil
}

// writeInto gathers the commands that add the part to a key, and gives their
// number.
func (r *reading) writeInto(w *wire, key []byte) int {
	if len(r.elements) == 0 || (r.kind == typeString && len(r.elements[0]) == 0 && r.began > 0) {
		return 0
	}
	switch r.kind {
	case typeString:
		writeString(w, key, r.elements[0], r.began)
		return 1
	case typeZset:
		w.begin(2 + len(r.elements))
		w.text("ZADD")
		w.arg(key)
		for i := 0; i < len(r.elements); i += 2 {
			w.arg(r.elements[i+1])
			w.arg(r.elements[i])
		}
		return 1
	}
	w.begin(2 + len(r.elements))
	w.text(map[string]string{typeHash: "HSET", typeSet: "SADD", typeList: "RPUSH"}[r.kind])
	w.arg(key)
	for _, element := range r.elements {
		w.arg(element)
	}
	return 1
}

func writeString(w *wire, key, value []byte, offset int64) {
	if offset == 0 {
		w.begin(3)
		w.text("SET")
		w.arg(key)
	} else {
		w.begin(4)
		w.text("SETRANGE")
		w.arg(key)
		w.integer(offset)
	}
	w.arg(value)
}
