package redis

import (
	"bytes"
	"hash/maphash"
	"strconv"
)

// askSame requests from the target what a part of the source has.
func askSame(to *wire, r, mate *reading) {
	switch r.kind {
	case typeString, typeList:
		command, last := "GETRANGE", r.began+int64(len(r.elements[0]))-1
		if r.kind == typeList {
			command, last = "LRANGE", r.began+int64(len(r.elements))-1
		}
		to.begin(4)
		to.text(command)
		to.arg(mate.key)
		to.integer(r.began)
		to.integer(last)
		return
	}
	every := 2
	if r.kind == typeSet {
		every = 1
	}
	to.begin(2 + len(r.elements)/every)
	to.text(map[string]string{typeHash: "HMGET", typeSet: "SMISMEMBER", typeZset: "ZMSCORE"}[r.kind])
	to.arg(mate.key)
	for i := 0; i < len(r.elements); i += every {
		to.arg(r.elements[i])
	}
}

// readAnswer reads what askSame asked for.
func readAnswer(to *wire, r *reading) (bool, error) {
	if r.kind == typeString {
		value, _, err := to.bulk(nil)
		return bytes.Equal(value, r.elements[0]), err
	}
	n, err := to.array()
	if err != nil {
		return false, err
	}
	return readSame(to, r, n)
}

// readSame reads all n answers, also after one that differs: others follow on
// the connection.
func readSame(to *wire, r *reading, n int) (bool, error) {
	same := true
	var value []byte
	for i := range n {
		var err error
		if r.kind == typeSet {
			is, err := to.integerReply()
			if err != nil {
				return false, err
			}
			same = same && is == 1
			continue
		}
		has := false
		if value, has, err = to.bulk(value[:0]); err != nil {
			return false, err
		}
		switch r.kind {
		case typeList:
			same = same && has && i < len(r.elements) && bytes.Equal(value, r.elements[i])
		case typeHash:
			same = same && has && 2*i+1 < len(r.elements) && bytes.Equal(value, r.elements[2*i+1])
		case typeZset:
			// Of members that a mask makes one, any score may have stayed.
			same = same && has && 2*i+1 < len(r.elements) && (r.mask != nil || sameScore(value, r.elements[2*i+1]))
		}
	}
	return same && (r.kind != typeList || n == len(r.elements)), nil
}

// sameScore compares numbers, which versions print differently.
func sameScore(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := strconv.ParseFloat(string(a), 64)
	y, err2 := strconv.ParseFloat(string(b), 64)
	return err == nil && err2 == nil && x == y
}

// distinct counts the members of a masked set, of which several may have
// become one.
type distinct struct {
	seen map[uint64]struct{}
	seed maphash.Seed
}

func newDistinct(r *reading) *distinct {
	if r.mask == nil || (r.kind != typeSet && r.kind != typeZset) {
		return nil
	}
	return &distinct{seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

func (d *distinct) add(r *reading) {
	if d == nil {
		return
	}
	every := 1
	if r.kind == typeZset {
		every = 2
	}
	for i := 0; i < len(r.elements); i += every {
		d.seen[maphash.Bytes(d.seed, r.elements[i])] = struct{}{}
	}
}

// length is how many elements the target should have.
func (d *distinct) length(r *reading) int64 {
	switch {
	case d != nil:
		return int64(len(d.seen))
	case r.kind == typeString:
		return r.sent
	}
	return r.length
}
