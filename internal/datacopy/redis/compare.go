package redis

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

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
	for _, key := range append(unsure, masked...) {
		what, err := w.compareByType(ctx, key)
		if err != nil {
			return nil, err
		}
		if what != "" {
			differences = append(differences, found{key, what})
		}
	}
	return differences, nil
}

// comparePayloads gives the keys that differ for certain, and those whose
// payloads are not the same bytes: hashes and sets have no order, and versions
// pack differently.
func (w *worker) comparePayloads(ctx context.Context, keys [][]byte) (differences []found, unsure [][]byte, err error) {
	asked, err := w.ask(ctx, keys)
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

// compareByType compares one key by its elements, as they are after masking.
func (w *worker) compareByType(ctx context.Context, key []byte) (string, error) {
	readings, err := w.open(ctx, [][]byte{key})
	if err != nil || len(readings) == 0 {
		return "", err
	}
	r := readings[0]
	mate, err := w.openMate(ctx, r)
	switch {
	case err != nil:
		return "", err
	case mate.kind == typeNone && past(r.expiry):
		return "", nil
	case mate.kind == typeNone:
		return datacopy.Missing, nil
	case mate.kind != r.kind, mate.expiry != r.expiry && w.exactExpiry():
		return datacopy.Changed, nil
	case r.kind == typeStream:
		return w.compareStream(ctx, r, mate)
	}
	return w.compareParts(ctx, r, mate)
}

// exactExpiry says that both servers tell when keys expire, to the
// millisecond.
func (w *worker) exactExpiry() bool {
	return w.copier.source.tellsExpiry() && w.copier.target.tellsExpiry()
}

// openMate begins the reading of a key's counterpart in the target.
func (w *worker) openMate(ctx context.Context, r *reading) (*reading, error) {
	server := w.copier.target
	key := w.scope.toTarget(nil, r.key)
	to, err := w.target.of(ctx, key)
	if err != nil {
		return nil, server.failed("connecting to", err)
	}
	askKind(to, server, key)
	if err := to.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	mate, _, err := readKind(to, server, key)
	if err != nil {
		return nil, server.failedKey("reading", key, err)
	}
	if lengthOf[mate.kind] == "" {
		return mate, nil
	}
	mate.askLength(to)
	if err := to.flush(); err != nil {
		return nil, server.failed("reading from", err)
	}
	if err := mate.readLength(to, 0); err != nil {
		return nil, server.failedKey("reading", key, err)
	}
	return mate, nil
}

// compareParts reads a key in parts and looks each element up in the target.
// With as many elements on both sides nothing of the target is left over.
func (w *worker) compareParts(ctx context.Context, r, mate *reading) (string, error) {
	distinct := newDistinct(r)
	for !r.ended {
		from, err := w.source.of(ctx, r.key)
		if err != nil {
			return "", w.copier.source.failed("connecting to", err)
		}
		offset := r.offset
		r.ask(from)
		if err := from.flush(); err != nil {
			return "", w.copier.source.failed("reading from", err)
		}
		if err := r.read(from); err != nil {
			return "", w.copier.source.failedKey("reading", r.key, err)
		}
		if err := r.apply(&w.scratch); err != nil {
			return "", err
		}
		distinct.add(r)
		if r.kind == typeString {
			r.sent += int64(len(r.elements[0]))
		}
		same, err := w.sameInTarget(ctx, r, mate, offset)
		if err != nil {
			return "", w.copier.target.failedKey("reading", mate.key, err)
		}
		if !same {
			return datacopy.Changed, nil
		}
	}
	if mate.length != distinct.length(r) {
		return datacopy.Changed, nil
	}
	return "", nil
}

// sameInTarget compares the part that was read.
func (w *worker) sameInTarget(ctx context.Context, r, mate *reading, offset int64) (bool, error) {
	if len(r.elements) == 0 {
		return true, nil
	}
	to, err := w.target.of(ctx, mate.key)
	if err != nil {
		return false, err
	}
	askSame(to, r, mate, offset)
	if err := to.flush(); err != nil {
		return false, err
	}
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

// askSame requests from the target what a part of the source has.
func askSame(to *wire, r, mate *reading, offset int64) {
	switch r.kind {
	case typeString, typeList:
		command, last := "GETRANGE", offset+int64(len(r.elements[0]))-1
		if r.kind == typeList {
			command, last = "LRANGE", offset+int64(len(r.elements))-1
		}
		to.begin(4)
		to.text(command)
		to.arg(mate.key)
		to.integer(offset)
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

// compareStream compares entries, groups and the last ID.
func (w *worker) compareStream(ctx context.Context, r, mate *reading) (string, error) {
	from, to := string(r.key), string(mate.key)
	ours, err := streamSummary(ctx, w.fromClient, from)
	if err != nil {
		return "", w.copier.source.failedKey("reading", r.key, err)
	}
	theirs, err := streamSummary(ctx, w.toClient, to)
	if err != nil {
		return "", w.copier.target.failedKey("reading", mate.key, err)
	}
	if !slices.Equal(ours, theirs) {
		return datacopy.Changed, nil
	}
	return w.compareEntries(ctx, r, to)
}

// compareEntries reads both streams side by side.
func (w *worker) compareEntries(ctx context.Context, r *reading, to string) (string, error) {
	for start := "-"; ; {
		ours, err := readEntries(ctx, w.fromClient, string(r.key), start)
		if err != nil {
			return "", w.copier.source.failedKey("reading", r.key, err)
		}
		theirs, err := readEntries(ctx, w.toClient, to, start)
		if err != nil {
			return "", w.copier.target.failedKey("reading", r.key, err)
		}
		for _, entry := range ours {
			if err := maskFields(w, r, entry.fields); err != nil {
				return "", err
			}
		}
		if !slices.EqualFunc(ours, theirs, func(a, b entry) bool { return a.id == b.id && slices.Equal(a.fields, b.fields) }) {
			return datacopy.Changed, nil
		}
		if len(ours) == 0 {
			return "", nil
		}
		start = "(" + ours[len(ours)-1].id
	}
}

// streamSummary is what a stream has besides its entries, a line each.
func streamSummary(ctx context.Context, client redis.UniversalClient, key string) ([]string, error) {
	state, err := streamState(ctx, client, key)
	if err != nil {
		return nil, err
	}
	summary := []string{fmt.Sprint("last ", state["last-generated-id"], state["length"])}
	groups, err := client.XInfoGroups(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		summary = append(summary, fmt.Sprintf("group %q %s %d", group.Name, group.LastDeliveredID, group.Pending))
		consumers, err := client.XInfoConsumers(ctx, key, group.Name).Result()
		if err != nil {
			return nil, err
		}
		for _, consumer := range consumers {
			summary = append(summary, fmt.Sprintf("consumer %q of %q %d", consumer.Name, group.Name, consumer.Pending))
		}
	}
	slices.Sort(summary)
	return summary, nil
}

// past says that a key with this expiry is gone by now.
func past(expiry int64) bool {
	return expiry >= 0 && expiry <= time.Now().UnixMilli()
}
