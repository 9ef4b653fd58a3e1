package redis

import (
	"bytes"
	"context"
	"errors"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis/rdb"
)

// largeValue is a value being written as its parts come out of a snapshot.
type largeValue struct {
	*snapshot
	ctx         context.Context
	key, target []byte
	expiry      int64
	mask        datacopy.ValueMask
	to          *wire
	// asked counts commands whose answers are still to be read.
	asked int
	// offset is how much of a string is written.
	offset, size int64
	elements     [][]byte
	memory       []byte
	scratch      datacopy.Scratch
}

// kinds are the types that are written by type.
var kinds = map[rdb.Type]string{
	rdb.String: typeString,
	rdb.List:   typeList, rdb.ListZiplist: typeList, rdb.ListQuicklist: typeList, rdb.ListQuicklist2: typeList,
	rdb.Set: typeSet, rdb.SetIntset: typeSet, rdb.SetListpack: typeSet,
	rdb.Hash: typeHash, rdb.HashZiplist: typeHash, rdb.HashListpack: typeHash,
	rdb.Zset: typeZset, rdb.Zset2: typeZset, rdb.ZsetZiplist: typeZset, rdb.ZsetListpack: typeZset,
}

// newLarge begins to write a value, in place of what the target has.
func (s *snapshot) newLarge(ctx context.Context, record *rdb.Record, mask datacopy.ValueMask) (*largeValue, error) {
	l := &largeValue{snapshot: s, ctx: ctx, key: bytes.Clone(record.Key), expiry: record.Expiry, mask: mask}
	l.target = s.scope.toTarget(nil, l.key)
	var err error
	if l.to, err = s.target.of(ctx, l.target); err != nil {
		return nil, err
	}
	l.to.begin(2)
	l.to.text("UNLINK")
	l.to.arg(l.target)
	l.asked++
	return l, nil
}

// errLeft says that the rest of a value did not come.
var errLeft = errors.New("a value has a part that is too large")

// write writes a part, and reads the answers to the one before.
func (l *largeValue) write(record *rdb.Record) error {
	if record.Left {
		return errLeft
	}
	if err := l.limiter.Wait(l.ctx, record.Size); err != nil {
		return err
	}
	l.size += int64(record.Size)
	before := l.asked
	if record.Type == rdb.String {
		writeString(l.to, l.target, record.Raw, l.offset)
		l.offset += int64(len(record.Raw))
		l.asked++
	} else if err := l.writeElements(record); err != nil {
		return err
	}
	if err := l.to.flush(); err != nil {
		return err
	}
	return l.answers(before)
}

// writeElements writes a part in commands that do not keep the target busy for
// long.
func (l *largeValue) writeElements(record *rdb.Record) (err error) {
	l.elements, l.memory, err = rdb.Elements(record.Type, record.Raw, l.elements[:0], l.memory[:0])
	if err != nil {
		return err
	}
	r := &reading{key: l.key, kind: kinds[record.Type], mask: l.mask}
	for rest := l.elements; len(rest) > 0; rest = rest[len(r.elements):] {
		r.elements = rest[:min(len(rest), mostElements)]
		if err := r.apply(&l.scratch); err != nil {
			return err
		}
		l.asked += r.writeInto(l.to, l.target)
	}
	return nil
}

// answers reads so many answers.
func (l *largeValue) answers(n int) error {
	for ; n > 0; n-- {
		l.asked--
		if err := l.to.ok(); err != nil {
			return err
		}
	}
	return nil
}

// finish sets the expiry and makes sure that all is written.
func (l *largeValue) finish() error {
	if l.expiry >= 0 {
		l.to.begin(3)
		l.to.text("PEXPIREAT")
		l.to.arg(l.target)
		l.to.integer(l.expiry)
		l.asked++
		if err := l.to.flush(); err != nil {
			return err
		}
	}
	if err := l.answers(l.asked); err != nil {
		return err
	}
	l.sent.Add(1)
	l.chunks.Add(1)
	l.bytes.Add(l.size)
	l.counted(1)
	return l.position.Begin(l.position.at(inSnapshot), 0, 1, l.size).Listed()
}
