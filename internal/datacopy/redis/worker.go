package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// worker copies pieces, one at a time, over connections of its own.
type worker struct {
	*unitCopy
	source, target *lines
	scratch        datacopy.Scratch
	name, decoded  []byte
	reading        reading
}

func (w *worker) drop() {
	w.source.drop()
	w.target.drop()
}

// piece copies keys, again where a server or a connection failed in a way that
// may pass. Copying a key twice does no harm.
func (w *worker) piece(ctx context.Context, p *piece) error {
	if err := w.limiter.Wait(ctx, int(p.bytes)); err != nil {
		return err
	}
	return w.retried(ctx, func() error {
		if len(p.values) > 0 {
			return w.valuesPiece(ctx, p)
		}
		keys, expiries := p.keys, p.expiries
		if w.incremental || w.resumption.comparing.Load() {
			var err error
			if keys, err = w.differing(ctx, p); err != nil {
				return err
			}
			expiries = nil
		}
		if err := w.send(ctx, keys, expiries, p.bytes >= largeKey); err != nil {
			return err
		}
		w.tally(p, len(keys))
		return nil
	})
}

// valuesPiece is piece of what a snapshot has.
func (w *worker) valuesPiece(ctx context.Context, p *piece) (err error) {
	which := all(len(p.keys))
	if w.incremental || w.resumption.comparing.Load() {
		if which, err = w.lacking(ctx, p); err != nil {
			return err
		}
	}
	if err := w.sendValues(ctx, p, which); err != nil {
		return err
	}
	w.tally(p, len(which))
	return nil
}

// retried does something on connections that are opened anew after an error.
func (w *worker) retried(ctx context.Context, do func() error) error {
	err := w.retry.Do(ctx, func(attempt int) error {
		if attempt > 0 {
			// Keys may live elsewhere now. A failure shows in what is done next.
			_ = w.copier.source.refresh(ctx)
			_ = w.copier.target.refresh(ctx)
		}
		err := do()
		if err != nil {
			w.drop()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	return err
}

func (w *worker) tally(p *piece, sent int) {
	w.sent.Add(int64(sent))
	if sent == 0 {
		w.skipped.Add(1)
		return
	}
	w.chunks.Add(1)
	w.bytes.Add(p.bytes * int64(sent) / int64(len(p.keys)))
}

// send copies keys whole where that is possible, by type where it is not. When
// they expire is asked for unless it is known.
func (w *worker) send(ctx context.Context, keys [][]byte, expiries []int64, large bool) error {
	masked, plain, err := w.divide(keys)
	if err != nil {
		return err
	}
	if len(plain) != len(keys) {
		expiries = nil
	}
	switch {
	case large || w.byType.Load():
		masked = keys
	case len(plain) > 0:
		unknown, err := w.pass(ctx, plain, expiries)
		if err != nil {
			return err
		}
		masked = append(masked, unknown...)
	}
	return w.sendByType(ctx, masked)
}

// divide sets those keys apart that a mask changes.
func (w *worker) divide(keys [][]byte) (masked, plain [][]byte, err error) {
	if w.req.Mask == nil {
		return nil, keys, nil
	}
	for _, key := range keys {
		mask, err := w.mask(key)
		if err != nil {
			return nil, nil, err
		}
		if mask != nil {
			masked = append(masked, key)
		} else {
			plain = append(plain, key)
		}
	}
	return masked, plain, nil
}

// mask gives what changes the value of a source's key, or nil.
func (u *unitCopy) mask(key []byte) (datacopy.ValueMask, error) {
	if u.req.Mask == nil {
		return nil, nil
	}
	mask, err := u.req.Mask.Value(u.unit.Name, string(u.scope.name(key)))
	if err != nil {
		return nil, fmt.Errorf("masking key %q: %w", u.scope.name(key), err)
	}
	return mask, nil
}

// pass moves keys from server to server without looking into them. It gives
// those whose payload the target does not know.
func (w *worker) pass(ctx context.Context, keys [][]byte, expiries []int64) (unknown [][]byte, err error) {
	var set []*wire
	if w.canPassStrings() {
		if set, keys, expiries, err = w.passStrings(ctx, keys, expiries); err != nil {
			return nil, err
		}
	}
	asked, err := w.ask(ctx, keys, expiries == nil)
	if err != nil {
		return nil, err
	}
	restored, err := w.restore(ctx, keys, expiries, asked)
	if err != nil {
		return nil, err
	}
	for _, to := range set {
		if err := to.ok(); err != nil {
			return nil, w.copier.target.failed("writing to", err)
		}
	}
	return w.restoredAll(keys, restored)
}

// restoredAll reads the answers to RESTORE.
func (w *worker) restoredAll(keys [][]byte, restored []*wire) (unknown [][]byte, err error) {
	for i, to := range restored {
		if to == nil {
			continue
		}
		switch err := to.ok(); {
		case err == nil:
		case strings.Contains(err.Error(), "DUMP payload version"):
			// So will all others be.
			w.byType.Store(true)
			unknown = append(unknown, keys[i])
		case strings.Contains(err.Error(), "Bad data format"):
			unknown = append(unknown, keys[i])
		default:
			return nil, w.copier.target.failedKey("writing", w.scope.toTarget(nil, keys[i]), err)
		}
	}
	return unknown, nil
}

// ask requests the payloads of keys from their nodes, each after its expiry
// where that is wanted.
func (w *worker) ask(ctx context.Context, keys [][]byte, expiries bool) ([]*wire, error) {
	asked := make([]*wire, len(keys))
	for i, key := range keys {
		from, err := w.source.of(ctx, key)
		if err != nil {
			return nil, w.copier.source.failed("connecting to", err)
		}
		if expiries {
			askExpiry(from, w.copier.source, key)
		}
		from.begin(2)
		from.text("DUMP")
		from.arg(key)
		asked[i] = from
	}
	return asked, w.copier.source.failed("reading from", w.source.flush())
}

// restore moves each payload on as it comes, after its expiry where that is
// not known. A key that is gone meanwhile is sent nowhere.
func (w *worker) restore(ctx context.Context, keys [][]byte, expiries []int64, asked []*wire) ([]*wire, error) {
	sentTo := make([]*wire, len(keys))
	for i, key := range keys {
		expiry, err := w.expiry(expiries, i, asked[i])
		if err != nil {
			return nil, w.copier.source.failedKey("reading", key, err)
		}
		length, err := asked[i].bulkHeader()
		if err != nil {
			return nil, w.copier.source.failedKey("reading", key, err)
		}
		if length < 0 {
			continue
		}
		w.name = w.scope.toTarget(w.name[:0], key)
		to, err := w.target.of(ctx, w.name)
		if err != nil {
			return nil, w.copier.target.failed("connecting to", err)
		}
		to.begin(6)
		to.text("RESTORE")
		to.arg(w.name)
		to.integer(max(expiry, 0))
		if err := asked[i].pass(to, length); err != nil {
			return nil, w.copier.source.failedKey("reading", key, err)
		}
		to.text("ABSTTL")
		to.text("REPLACE")
		sentTo[i] = to
	}
	return sentTo, w.copier.target.failed("writing to", w.target.flush())
}

// expiry gives a known expiry, or reads the answer.
func (w *worker) expiry(known []int64, i int, from *wire) (int64, error) {
	if known != nil {
		return known[i], nil
	}
	return readExpiry(from, w.copier.source)
}

// failedKey is failed with the key, as far as it can be shown.
func (s *server) failedKey(doing string, key []byte, err error) error {
	return s.failed(fmt.Sprintf("%s key %s of", doing, shown(key)), err)
}

// shown is a key for messages: quoted, and not too long.
func shown(key []byte) string {
	const enough = 100
	if len(key) > enough {
		return fmt.Sprintf("%q…", key[:enough])
	}
	return fmt.Sprintf("%q", key)
}
