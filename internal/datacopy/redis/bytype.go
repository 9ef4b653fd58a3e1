package redis

import (
	"context"

	"github.com/landfall-dev/landfall/internal/fault"
)

// errOtherType says that a key's type is one of a module.
func errOtherType(r *reading) error {
	return fault.New(fault.Refused, "Exclude the key, or copy it with the means of its module.",
		"copying key %s: its type %s can only be copied as a whole, which is not possible here", shown(r.key), r.kind)
}

// sendByType copies keys by reading and writing their values, many small ones
// at a time.
func (w *worker) sendByType(ctx context.Context, keys [][]byte) error {
	keys = w.busy.claim(keys)
	defer w.busy.release(keys)
	for rest := keys; len(rest) > 0; {
		n := min(len(rest), scanCount)
		if err := w.sendSome(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// sendSome goes in rounds that cost one round trip each for all keys: what
// they are, how long, their first parts. Few keys have more parts.
func (w *worker) sendSome(ctx context.Context, keys [][]byte) error {
	readings, err := w.open(ctx, keys)
	if err != nil {
		return err
	}
	var inParts []*reading
	for _, r := range readings {
		if r.kind == typeStream {
			if err := w.sendStream(ctx, r); err != nil {
				return err
			}
			continue
		}
		inParts = append(inParts, r)
	}
	for begin := true; len(inParts) > 0; begin = false {
		if inParts, err = w.nextParts(ctx, inParts, begin); err != nil {
			return err
		}
	}
	return nil
}

// open begins the reading of keys; those that are gone are left out.
func (w *worker) open(ctx context.Context, keys [][]byte) ([]*reading, error) {
	server := w.copier.source
	for _, key := range keys {
		from, err := w.source.of(ctx, key)
		if err != nil {
			return nil, server.failed("connecting to", err)
		}
		askKind(from, server, key)
	}
	if err := w.source.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	var readings []*reading
	var sizes []int64
	for _, key := range keys {
		from, err := w.source.of(ctx, key)
		if err != nil {
			return nil, server.failed("connecting to", err)
		}
		r, memory, err := readKind(from, server, key)
		if err != nil {
			return nil, server.failedKey("reading", key, err)
		}
		if r.mask, err = w.mask(key); err != nil {
			return nil, err
		}
		if r.kind == typeNone {
			continue
		}
		if lengthOf[r.kind] == "" {
			return nil, errOtherType(r)
		}
		r.askLength(from)
		readings, sizes = append(readings, r), append(sizes, memory)
	}
	if err := w.source.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	for i, r := range readings {
		from, err := w.source.of(ctx, r.key)
		if err != nil {
			return nil, server.failed("connecting to", err)
		}
		if err := r.readLength(from, sizes[i]); err != nil {
			return nil, server.failedKey("reading", r.key, err)
		}
	}
	return readings, nil
}

// readParts reads the next part of each key from the source, and masks it.
func (w *worker) readParts(ctx context.Context, readings []*reading) error {
	asked, err := w.askEach(ctx, readings, (*reading).ask)
	if err != nil {
		return err
	}
	for i, r := range readings {
		if err := r.read(asked[i]); err != nil {
			return w.copier.source.failedKey("reading", r.key, err)
		}
	}
	if w.copier.source.expiresFields() {
		if err := w.readFields(ctx, readings); err != nil {
			return err
		}
	}
	for _, r := range readings {
		if err := r.apply(&w.scratch); err != nil {
			return err
		}
	}
	return nil
}

// askEach asks the source something about each key, and gives where the answers
// come from.
func (w *worker) askEach(ctx context.Context, readings []*reading, ask func(*reading, *wire)) ([]*wire, error) {
	asked := make([]*wire, len(readings))
	for i, r := range readings {
		from, err := w.source.of(ctx, r.key)
		if err != nil {
			return nil, w.copier.source.failed("connecting to", err)
		}
		ask(r, from)
		asked[i] = from
	}
	return asked, w.copier.source.failed("reading from", w.source.flush())
}

// nextParts copies one part of each key and gives the keys that have more.
func (w *worker) nextParts(ctx context.Context, readings []*reading, begin bool) (more []*reading, err error) {
	if err := w.readParts(ctx, readings); err != nil {
		return nil, err
	}
	var written []*wire
	for _, r := range readings {
		to, commands, err := w.write(ctx, r, begin)
		if err != nil {
			return nil, err
		}
		for range commands {
			written = append(written, to)
		}
		if !r.ended {
			more = append(more, r)
		}
	}
	if err := w.target.flush(); err != nil {
		return nil, w.copier.target.failed("writing to", err)
	}
	for _, to := range written {
		if err := to.ok(); err != nil {
			return nil, w.copier.target.failed("writing to", err)
		}
	}
	return more, nil
}

// write gathers what a part needs: the first replaces the key, the last sets
// its expiry.
func (w *worker) write(ctx context.Context, r *reading, begin bool) (to *wire, commands int, err error) {
	key := w.scope.toTarget(nil, r.key)
	if to, err = w.target.of(ctx, key); err != nil {
		return nil, 0, w.copier.target.failed("connecting to", err)
	}
	if begin {
		to.begin(2)
		to.text("UNLINK")
		to.arg(key)
		commands++
	}
	commands += r.writeInto(to, key)
	if w.copier.target.expiresFields() {
		commands += r.writeFields(to, key)
	}
	if r.ended && r.expiry >= 0 {
		to.begin(3)
		to.text("PEXPIREAT")
		to.arg(key)
		to.integer(r.expiry)
		commands++
	}
	return to, commands, nil
}
