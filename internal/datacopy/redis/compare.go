package redis

import (
	"bytes"
	"context"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// footer is what a DUMP payload ends with: two bytes for the version of the
// format and eight for a checksum. Before it stands the value.
const footer = 10

// found is what a comparison says of one key: "" is equal, else Missing or
// Changed.
type found struct {
	key  []byte
	what string
}

// differing gives the keys of a piece that the target does not have as they
// are in the source.
func (w *worker) differing(ctx context.Context, p *piece) ([][]byte, error) {
	differences, err := w.compare(ctx, p.keys, p.bytes >= largeKey)
	if err != nil {
		return nil, err
	}
	if !w.incremental {
		w.resumption.compared(p, differences, w.workers)
	}
	var keys [][]byte
	for _, d := range differences {
		keys = append(keys, d.key)
	}
	return keys, nil
}

// compare compares keys with the target: payloads first, which are equal byte
// for byte of almost all keys that are equal; the others by type. A key that
// the source no longer has is no difference.
func (w *worker) compare(ctx context.Context, keys [][]byte, large bool) ([]found, error) {
	masked, plain, err := w.divide(keys)
	if err != nil {
		return nil, err
	}
	if large {
		masked, plain = keys, nil
	}
	var differences []found
	var unsure [][]byte
	if len(plain) > 0 {
		if differences, unsure, err = w.comparePayloads(ctx, plain); err != nil {
			return nil, err
		}
	}
	byType, err := w.compareByType(ctx, append(unsure, masked...))
	return append(differences, byType...), err
}

// comparePayloads gives the keys that differ for certain, and those whose
// payloads are not the same bytes: hashes and sets have no order, and versions
// pack differently.
func (w *worker) comparePayloads(ctx context.Context, keys [][]byte) (differences []found, unsure [][]byte, err error) {
	asked, err := w.ask(ctx, keys, true)
	if err != nil {
		return nil, nil, err
	}
	askedTo, err := w.askTarget(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	var ours, theirs []byte
	for i, key := range keys {
		expiry, has, err := readDump(asked[i], w.copier.source, &ours)
		if err != nil {
			return nil, nil, w.copier.source.failedKey("reading", key, err)
		}
		expiryTo, hasTo, err := readDump(askedTo[i], w.copier.target, &theirs)
		if err != nil {
			return nil, nil, w.copier.target.failedKey("reading", key, err)
		}
		switch {
		case !has:
		case !hasTo:
			if !past(expiry) {
				differences = append(differences, found{key, datacopy.Missing})
			}
		case expiry != expiryTo && w.exactExpiry():
			differences = append(differences, found{key, datacopy.Changed})
		case len(ours) < footer || len(theirs) < footer || !bytes.Equal(ours[:len(ours)-footer], theirs[:len(theirs)-footer]):
			unsure = append(unsure, key)
		}
	}
	return differences, unsure, nil
}

func (w *worker) askTarget(ctx context.Context, keys [][]byte) ([]*wire, error) {
	asked := make([]*wire, len(keys))
	for i, key := range keys {
		w.name = w.scope.toTarget(w.name[:0], key)
		to, err := w.target.of(ctx, w.name)
		if err != nil {
			return nil, w.copier.target.failed("connecting to", err)
		}
		askExpiry(to, w.copier.target, w.name)
		to.begin(2)
		to.text("DUMP")
		to.arg(w.name)
		asked[i] = to
	}
	return asked, w.copier.target.failed("reading from", w.target.flush())
}

func readDump(w *wire, s *server, payload *[]byte) (expiry int64, has bool, err error) {
	if expiry, err = readExpiry(w, s); err != nil {
		return 0, false, err
	}
	*payload, has, err = w.bulk((*payload)[:0])
	return expiry, has, err
}

// comparison is a key being compared by its elements, as they are after
// masking.
type comparison struct {
	*reading
	mate     *reading
	distinct *distinct
	changed  bool
}

// compareByType compares keys by their elements, in rounds that cost one round
// trip to each server for all keys.
func (w *worker) compareByType(ctx context.Context, keys [][]byte) (differences []found, err error) {
	for len(keys) > 0 {
		n := min(len(keys), scanCount)
		some, err := w.compareSome(ctx, keys[:n])
		if err != nil {
			return nil, err
		}
		differences = append(differences, some...)
		keys = keys[n:]
	}
	return differences, nil
}

func (w *worker) compareSome(ctx context.Context, keys [][]byte) (differences []found, err error) {
	readings, err := w.open(ctx, keys)
	if err != nil {
		return nil, err
	}
	mates, err := w.openMates(ctx, readings)
	if err != nil {
		return nil, err
	}
	var all, open []*comparison
	for i, r := range readings {
		what, settled, err := w.compareHeads(ctx, r, mates[i])
		if err != nil {
			return nil, err
		}
		if what != "" {
			differences = append(differences, found{r.key, what})
		}
		if !settled {
			open = append(open, &comparison{reading: r, mate: mates[i], distinct: newDistinct(r)})
		}
	}
	all = open
	for len(open) > 0 {
		if open, err = w.compareParts(ctx, open); err != nil {
			return nil, err
		}
	}
	for _, c := range all {
		// With as many elements on both sides nothing of the target is left over.
		if c.changed || c.mate.length != c.distinct.length(c.reading) {
			differences = append(differences, found{c.key, datacopy.Changed})
		}
	}
	return differences, nil
}

// compareHeads compares what is known of a key before its elements are read,
// and all of a stream.
func (w *worker) compareHeads(ctx context.Context, r, mate *reading) (what string, settled bool, err error) {
	switch {
	case mate.kind == typeNone && past(r.expiry):
		return "", true, nil
	case mate.kind == typeNone:
		return datacopy.Missing, true, nil
	case mate.kind != r.kind, mate.expiry != r.expiry && w.exactExpiry():
		return datacopy.Changed, true, nil
	case r.kind == typeStream:
		what, err = w.compareStream(ctx, r, mate)
		return what, true, err
	}
	return "", false, nil
}

// exactExpiry says that both servers tell when keys expire, to the
// millisecond.
func (w *worker) exactExpiry() bool {
	return w.copier.source.tellsExpiry() && w.copier.target.tellsExpiry()
}

// openMates begins the reading of the keys' counterparts in the target.
func (w *worker) openMates(ctx context.Context, readings []*reading) ([]*reading, error) {
	server := w.copier.target
	mates, asked := make([]*reading, len(readings)), make([]*wire, len(readings))
	for i, r := range readings {
		key := w.scope.toTarget(nil, r.key)
		to, err := w.target.of(ctx, key)
		if err != nil {
			return nil, server.failed("connecting to", err)
		}
		askKind(to, server, key)
		mates[i], asked[i] = &reading{key: key}, to
	}
	if err := w.target.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	for i, to := range asked {
		mate, _, err := readKind(to, server, mates[i].key)
		if err != nil {
			return nil, server.failedKey("reading", mates[i].key, err)
		}
		mates[i] = mate
		if lengthOf[mate.kind] != "" {
			mate.askLength(to)
		}
	}
	if err := w.target.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	for i, to := range asked {
		if lengthOf[mates[i].kind] == "" {
			continue
		}
		if err := mates[i].readLength(to, 0); err != nil {
			return nil, server.failedKey("reading", mates[i].key, err)
		}
	}
	return mates, nil
}

// compareParts reads a part of each key, looks its elements up in the target,
// and gives the keys that have more.
func (w *worker) compareParts(ctx context.Context, open []*comparison) (more []*comparison, err error) {
	if err := w.readComparisons(ctx, open); err != nil {
		return nil, err
	}
	server := w.copier.target
	asked := make([]*wire, len(open))
	for i, c := range open {
		if len(c.elements) == 0 {
			continue
		}
		if asked[i], err = w.target.of(ctx, c.mate.key); err != nil {
			return nil, server.failed("connecting to", err)
		}
		askSame(asked[i], c.reading, c.mate)
		if server.expiresFields() {
			c.askFields(asked[i], c.mate.key)
		}
	}
	if err := w.target.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	for i, c := range open {
		if asked[i] != nil {
			same, err := readAnswer(asked[i], c.reading)
			if err != nil {
				return nil, server.failedKey("reading", c.mate.key, err)
			}
			c.changed = c.changed || !same
			if server.expiresFields() {
				if same, err = c.sameFields(asked[i]); err != nil {
					return nil, server.failedKey("reading", c.mate.key, err)
				}
				c.changed = c.changed || !same
			}
		}
		if !c.ended && !c.changed {
			more = append(more, c)
		}
	}
	return more, nil
}

// readComparisons reads and masks the next part of each key.
func (w *worker) readComparisons(ctx context.Context, open []*comparison) error {
	readings := make([]*reading, len(open))
	for i, c := range open {
		readings[i] = c.reading
	}
	if err := w.readParts(ctx, readings); err != nil {
		return err
	}
	for _, c := range open {
		c.distinct.add(c.reading)
		if c.kind == typeString {
			c.sent += int64(len(c.elements[0]))
		}
	}
	return nil
}

// past says that a key with this expiry is gone by now.
func past(expiry int64) bool {
	return expiry >= 0 && expiry <= time.Now().UnixMilli()
}
