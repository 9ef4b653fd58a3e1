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
	byType, err := w.compareByType(ctx, append(unsure, masked...))
	return append(differences, byType...), err
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

// comparison is a key being compared by its elements, as they are after
// masking.
type comparison struct {
	*reading
	mate     *reading
	distinct *distinct
	// offset is where the part that was read begins.
	offset  int64
	changed bool
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
	if err := w.readParts(ctx, open); err != nil {
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
		askSame(asked[i], c.reading, c.mate, c.offset)
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
		}
		if !c.ended && !c.changed {
			more = append(more, c)
		}
	}
	return more, nil
}

// readParts reads and masks the next part of each key.
func (w *worker) readParts(ctx context.Context, open []*comparison) error {
	server := w.copier.source
	asked := make([]*wire, len(open))
	for i, c := range open {
		from, err := w.source.of(ctx, c.key)
		if err != nil {
			return server.failed("connecting to", err)
		}
		c.ask(from)
		c.offset, asked[i] = c.reading.offset, from
	}
	if err := w.source.flush(); err != nil {
		return server.failed("reading from", err)
	}
	for i, c := range open {
		if err := c.read(asked[i]); err != nil {
			return server.failedKey("reading", c.key, err)
		}
		if err := c.apply(&w.scratch); err != nil {
			return err
		}
		c.distinct.add(c.reading)
		if c.kind == typeString {
			c.sent += int64(len(c.elements[0]))
		}
	}
	return nil
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
