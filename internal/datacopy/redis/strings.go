package redis

import "context"

// canPassStrings says whether strings may go by MGET and SET: one node has all
// keys of a piece, and SET knows points in time (since 6.2).
func (w *worker) canPassStrings() bool {
	return !w.copier.source.cluster && w.copier.source.tellsExpiry() && w.copier.target.version >= 602
}

// passStrings gathers the strings among keys for the target, and gives where
// answers are to come from, and the other keys with their expiries. One MGET
// tells strings, which it gives, from other types, which it gives as nothing.
// For both servers that is a third of the work of DUMP and RESTORE, which
// compress each value and sum it up.
func (w *worker) passStrings(ctx context.Context, keys [][]byte, expiries []int64) (set []*wire, others [][]byte, theirs []int64, err error) {
	source := w.copier.source
	from, err := w.source.of(ctx, keys[0])
	if err != nil {
		return nil, nil, nil, source.failed("connecting to", err)
	}
	for _, key := range keys {
		if expiries == nil {
			askExpiry(from, source, key)
		}
	}
	from.begin(1 + len(keys))
	from.text("MGET")
	for _, key := range keys {
		from.arg(key)
	}
	if err := from.flush(); err != nil {
		return nil, nil, nil, source.failed("reading from", err)
	}
	if expiries == nil {
		if expiries, err = readExpiries(from, source, len(keys)); err != nil {
			return nil, nil, nil, source.failed("reading the expiry of keys of", err)
		}
	}
	if n, err := from.array(); err != nil || n != len(keys) {
		return nil, nil, nil, source.failed("reading strings from", unlessNil(err, "%d values came for %d keys", n, len(keys)))
	}
	return w.setStrings(ctx, from, keys, expiries)
}

// setStrings moves each value on as it comes.
func (w *worker) setStrings(ctx context.Context, from *wire, keys [][]byte, expiries []int64) (set []*wire, others [][]byte, theirs []int64, err error) {
	theirs = make([]int64, 0, len(keys))
	for i, key := range keys {
		length, err := from.bulkHeader()
		if err != nil {
			return nil, nil, nil, w.copier.source.failedKey("reading", key, err)
		}
		if length < 0 {
			others, theirs = append(others, key), append(theirs, expiries[i])
			continue
		}
		w.name = w.scope.toTarget(w.name[:0], key)
		to, err := w.target.of(ctx, w.name)
		if err != nil {
			return nil, nil, nil, w.copier.target.failed("connecting to", err)
		}
		if err := setFrom(to, w.name, from, length, expiries[i]); err != nil {
			return nil, nil, nil, w.copier.source.failedKey("reading", key, err)
		}
		set = append(set, to)
	}
	return set, others, theirs, nil
}

// setFrom gathers a SET whose value comes from another connection.
func setFrom(to *wire, key []byte, from *wire, length int, expiry int64) error {
	beginSet(to, key, expiry)
	if err := from.pass(to, length); err != nil {
		return err
	}
	endSet(to, expiry)
	return nil
}

// writeSet gathers a SET of a value that is at hand.
func writeSet(to *wire, key, value []byte, expiry int64) {
	beginSet(to, key, expiry)
	to.arg(value)
	endSet(to, expiry)
}

// beginSet is what stands before the value in a SET of a key that expires at
// that time, in milliseconds; a negative one is never.
func beginSet(to *wire, key []byte, expiry int64) {
	if expiry < 0 {
		to.begin(3)
	} else {
		to.begin(5)
	}
	to.text("SET")
	to.arg(key)
}

// endSet is what stands behind it.
func endSet(to *wire, expiry int64) {
	if expiry >= 0 {
		to.text("PXAT")
		to.integer(expiry)
	}
}
