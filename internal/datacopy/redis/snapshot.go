package redis

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/landfall-dev/landfall/internal/datacopy/redis/rdb"
)

// snapshotAttempts is how often a snapshot is begun: each costs the source all
// of the work.
const snapshotAttempts = 3

// listSnapshot hands the keys of a node to the workers, out of the snapshot
// that the node makes for a replica. A stream that breaks begins anew, and from
// then on what is sent is compared with the target first. A node that gives
// none, or none to its end, is an error of the kind refusal.
func (u *unitCopy) listSnapshot(ctx context.Context, node string) error {
	position, err := u.position(ctx, node)
	if err != nil || position.ended() {
		return err
	}
	var failed error
	retry := u.retry
	retry.Attempts = snapshotAttempts
	err = retry.Do(ctx, func(attempt int) error {
		if attempt > 0 {
			u.done.Store(0)
			u.resumption.comparing.Store(true)
		}
		s := &snapshot{unitCopy: u, node: node, position: position, native: attempt > 0}
		s.hand = func(p *piece) error {
			failed = u.send(ctx, p)
			return failed
		}
		err := s.run(ctx)
		if failed != nil {
			return nil
		}
		return err
	})
	switch {
	case failed != nil:
		return failed
	case err != nil && ctx.Err() == nil && passing(err):
		return &refusal{err}
	}
	return u.source.failed("reading the snapshot of node "+node+" of", err)
}

// snapshot is one that a node is sending.
type snapshot struct {
	*unitCopy
	node     string
	position *position
	// native takes the snapshot in the source's own format, also where the target
	// would know another.
	native bool
	// hand gives a piece to the workers.
	hand   func(*piece) error
	reader *rdb.Reader
	// piece gathers small values, byType keys that are read from the source.
	piece, byType *piece
	// large is the value whose parts are being written over target; nil also
	// while parts are passed over.
	large  *largeValue
	target *lines
}

func (s *snapshot) run(ctx context.Context) error {
	w, err := s.source.dial(ctx, s.node, 0)
	if err != nil {
		return err
	}
	defer w.close()
	defer w.until(ctx)()
	stream, mark, err := startSnapshot(w, s.announced(), s.way.Delay)
	if err != nil {
		return err
	}
	if s.reader, err = rdb.NewReader(stream, largeKey, partBytes); err != nil {
		return err
	}
	s.piece, s.byType = s.newPiece(), s.newPiece()
	s.target = newLines(s.copier.target, s.to)
	defer s.target.drop()
	if err := s.records(ctx); err != nil {
		if errors.Is(err, rdb.ErrUnknown) {
			return &refusal{err}
		}
		return err
	}
	if end, err := s.reader.Rest(len(mark)); err != nil || !bytes.Equal(end, mark) {
		return unlessNil(err, "reading the snapshot: it does not end as the source said it would")
	}
	for _, p := range []*piece{s.piece, s.byType} {
		if err := s.flush(p); err != nil {
			return err
		}
	}
	return s.position.Begin(s.position.at(atEnd), 0, 0, 0).Listed()
}

// announced is the version that the source is to take this side for: Valkey
// from 9 on gives all others an older format, which every Redis from 7.2 on
// knows, but which has no room for fields that expire: then it gives up.
func (s *snapshot) announced() string {
	from := s.copier.source
	if from.valkey < 900 || !(s.native || s.copier.target.knowsPayloads(from)) {
		return ""
	}
	return from.valkey.String() + ".0"
}

// records takes one record after the other, until the end.
func (s *snapshot) records(ctx context.Context) error {
	for {
		record, err := s.reader.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch {
		case !record.First:
			err = s.goOn(record)
		case record.Database != s.from || !s.scope.source().has(record.Key) || past(record.Expiry):
			s.large = nil
		case record.Whole():
			err = s.small(record)
		default:
			err = s.beginLarge(ctx, record)
		}
		if err != nil {
			return err
		}
	}
}

// small adds a value to a piece.
func (s *snapshot) small(record *rdb.Record) error {
	p := s.piece
	if len(p.keys) > 0 && (len(p.keys) >= snapshotKeys || len(p.memory)+len(record.Key)+len(record.Raw) > cap(p.memory)) {
		if err := s.flush(p); err != nil {
			return err
		}
		s.piece = s.newPiece()
		p = s.piece
	}
	p.keys = append(p.keys, p.keep(record.Key))
	p.expiries = append(p.expiries, record.Expiry)
	p.values = append(p.values, value{kind: record.Type, raw: p.keep(record.Raw)})
	p.bytes += int64(record.Size)
	return nil
}

// elsewhere leaves a key to be read from the source, one of which the snapshot
// gives no parts for example.
func (s *snapshot) elsewhere(key []byte, size int64) error {
	if size >= largeKey {
		return s.flush(&piece{node: s.node, keys: [][]byte{bytes.Clone(key)}, bytes: size})
	}
	p := s.byType
	p.keys = append(p.keys, bytes.Clone(key))
	p.bytes += size
	if len(p.keys) < scanCount && p.bytes < pieceBytes {
		return nil
	}
	s.byType = s.newPiece()
	return s.flush(p)
}

// flush hands a piece out.
func (s *snapshot) flush(p *piece) error {
	if len(p.keys) == 0 {
		return nil
	}
	stretch := s.position.Begin(s.position.at(inSnapshot), 1, int64(len(p.keys)), p.bytes)
	p.finished = stretch.Part
	if err := s.hand(p); err != nil {
		return err
	}
	return stretch.Listed()
}

// beginLarge begins a value that comes in parts. While the copy compares, the
// key is compared by type, as all large ones are.
func (s *snapshot) beginLarge(ctx context.Context, record *rdb.Record) error {
	s.large = nil
	mask, err := s.mask(record.Key)
	if err != nil {
		return err
	}
	whole := mask != nil && record.Type == rdb.String // a mask sees strings whole
	if record.Left || whole || kinds[record.Type] == "" || s.incremental || s.resumption.comparing.Load() {
		return s.elsewhere(record.Key, largeKey)
	}
	s.large, err = s.newLarge(ctx, record, mask)
	if err != nil {
		s.target.drop()
		return s.elsewhere(record.Key, largeKey)
	}
	return s.goOn(record)
}

// goOn writes a part of a large value. A value that cannot be written, since
// the target went away for example, is copied from the source instead, with
// all means of trying again.
func (s *snapshot) goOn(record *rdb.Record) error {
	if s.large == nil {
		return nil
	}
	err := s.large.write(record)
	if err == nil && record.Last {
		if err = s.large.finish(); err == nil {
			s.large = nil
			return nil
		}
	}
	if err != nil {
		key := s.large.key
		s.large = nil
		s.target.drop()
		return s.elsewhere(key, largeKey)
	}
	return nil
}
