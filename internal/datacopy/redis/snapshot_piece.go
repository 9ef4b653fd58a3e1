package redis

import (
	"bytes"
	"context"
	"sync"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis/rdb"
)

// value is a key's in a snapshot.
type value struct {
	kind rdb.Type
	raw  []byte
}

// pieces of snapshots are used again: a copy fills many thousands.
var snapshotPieces = sync.Pool{New: func() any { return &piece{memory: make([]byte, 0, snapshotBytes)} }}

const (
	// snapshotKeys and snapshotBytes are what a piece of a snapshot has at
	// most, but for a value that is larger.
	snapshotKeys  = 1000
	snapshotBytes = 192 << 10
)

func (s *snapshot) newPiece() *piece {
	p := snapshotPieces.Get().(*piece)
	*p = piece{node: s.node, version: s.reader.Version(), keys: p.keys[:0], expiries: p.expiries[:0], values: p.values[:0], memory: p.memory[:0]}
	return p
}

// release gives a piece of a snapshot back.
func (p *piece) release() {
	if cap(p.memory) == snapshotBytes {
		snapshotPieces.Put(p)
	}
}

// keep copies bytes into the piece's memory, which does not move: what does not
// fit has its own.
func (p *piece) keep(data []byte) []byte {
	from := len(p.memory)
	if from+len(data) > cap(p.memory) {
		return bytes.Clone(data)
	}
	p.memory = append(p.memory, data...)
	return p.memory[from:len(p.memory):len(p.memory)]
}

// sendValues writes values as they came in a snapshot: strings by SET, which
// costs the target half of RESTORE, the rest by RESTORE. Masked ones, and those
// whose payload the target does not know, are written by type.
func (w *worker) sendValues(ctx context.Context, p *piece, which []int) error {
	var elsewhere [][]byte
	keys, to := make([][]byte, 0, len(which)), make([]*wire, 0, len(which))
	for _, at := range which {
		mask, err := w.mask(p.keys[at])
		if err != nil {
			return err
		}
		var asked *wire
		commands := 1
		switch whole := mask == nil && !w.byType.Load(); {
		case whole:
			asked, err = w.sendValue(ctx, p, at)
		case kinds[p.values[at].kind] != "":
			asked, commands, err = w.sendDecoded(ctx, p, at, mask)
		default:
			elsewhere, commands = append(elsewhere, p.keys[at]), 0
		}
		if err != nil {
			return err
		}
		for range commands {
			keys, to = append(keys, p.keys[at]), append(to, asked)
		}
	}
	if err := w.target.flush(); err != nil {
		return w.copier.target.failed("writing to", err)
	}
	unknown, err := w.restoredAll(keys, to)
	if err != nil {
		return err
	}
	return w.sendByType(ctx, append(elsewhere, unknown...))
}

// sendDecoded gathers the commands that write a value by type, masked.
func (w *worker) sendDecoded(ctx context.Context, p *piece, at int, mask datacopy.ValueMask) (to *wire, commands int, err error) {
	v, r := p.values[at], &w.reading
	*r = reading{
		key: p.keys[at], kind: kinds[v.kind], expiry: p.expiries[at], mask: mask, ended: true,
		elements: r.elements[:0], memory: r.memory[:0], masked: r.masked[:0],
	}
	if v.kind == rdb.String {
		r.memory, err = rdb.AppendString(r.memory, v.raw)
		r.elements = append(r.elements, r.memory)
	} else {
		r.elements, r.memory, err = rdb.WholeElements(v.kind, v.raw, r.elements, r.memory)
	}
	if err != nil {
		return nil, 0, w.copier.source.failedKey("reading", r.key, err)
	}
	if err := r.apply(&w.scratch); err != nil {
		return nil, 0, err
	}
	return w.write(ctx, r, true)
}

// sendValue gathers the command that writes a value as it is.
func (w *worker) sendValue(ctx context.Context, p *piece, at int) (*wire, error) {
	v, expiry := p.values[at], p.expiries[at]
	w.name = w.scope.toTarget(w.name[:0], p.keys[at])
	to, err := w.target.of(ctx, w.name)
	if err != nil {
		return nil, w.copier.target.failed("connecting to", err)
	}
	if v.kind == rdb.String && (expiry < 0 || w.copier.target.version >= 602) {
		if w.decoded, err = rdb.AppendString(w.decoded[:0], v.raw); err != nil {
			return nil, w.copier.source.failedKey("reading", p.keys[at], err)
		}
		writeSet(to, w.name, w.decoded, expiry)
		return to, nil
	}
	w.decoded = rdb.Footer(w.decoded[:0], v.kind, v.raw, p.version)
	to.begin(6)
	to.text("RESTORE")
	to.arg(w.name)
	to.integer(max(expiry, 0))
	to.header('$', 1+len(v.raw)+len(w.decoded))
	_ = to.out.WriteByte(byte(v.kind))
	_, _ = to.out.Write(v.raw)
	_, _ = to.out.Write(w.decoded)
	_, _ = to.out.WriteString("\r\n")
	to.text("ABSTTL")
	to.text("REPLACE")
	return to, nil
}

// lacking gives the values of a piece that the target does not have as they
// are: it is asked for its payloads, and the source for those keys that are
// masked or whose payloads are not the same bytes.
func (w *worker) lacking(ctx context.Context, p *piece) (which []int, err error) {
	asked, err := w.askTarget(ctx, p.keys)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(p.keys))
	var differences []found
	var unsure [][]byte
	var theirs []byte
	for i, key := range p.keys {
		at[string(key)] = i
		mask, err := w.mask(key)
		if err != nil {
			return nil, err
		}
		expiry, has, err := readDump(asked[i], w.copier.target, &theirs)
		switch {
		case err != nil:
			return nil, w.copier.target.failedKey("reading", key, err)
		case !has:
			differences = append(differences, found{key, datacopy.Missing})
		case expiry != p.expiries[i] && w.exactExpiry():
			differences = append(differences, found{key, datacopy.Changed})
		case mask != nil, !p.values[i].same(theirs):
			unsure = append(unsure, key)
		}
	}
	byType, err := w.compareByType(ctx, unsure)
	if err != nil {
		return nil, err
	}
	differences = append(differences, byType...)
	if !w.incremental {
		w.resumption.compared(p, differences, w.workers)
	}
	for _, d := range differences {
		which = append(which, at[string(d.key)])
	}
	return which, nil
}

// same says that a payload is this value.
func (v value) same(payload []byte) bool {
	return len(payload) > footer && payload[0] == byte(v.kind) && bytes.Equal(payload[1:len(payload)-footer], v.raw)
}

// all are the positions of so many.
func all(n int) []int {
	positions := make([]int, n)
	for i := range positions {
		positions[i] = i
	}
	return positions
}
