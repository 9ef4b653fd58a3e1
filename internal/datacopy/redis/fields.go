package redis

import (
	"context"
	"fmt"
	"slices"
)

// readFields learns from the source when the fields of the parts expire that
// were read.
func (w *worker) readFields(ctx context.Context, readings []*reading) error {
	asked, err := w.askEach(ctx, readings, func(r *reading, from *wire) { r.askFields(from, r.key) })
	if err != nil {
		return err
	}
	for i, r := range readings {
		if r.fields, err = r.fieldExpiries(asked[i], r.fields[:0]); err != nil {
			return w.copier.source.failedKey("reading", r.key, err)
		}
	}
	return nil
}

// hasFields says whether the part that was read is one with fields.
func (r *reading) hasFields() bool { return r.kind == typeHash && len(r.elements) > 0 }

// askFields requests when the fields of a part expire, of the hash or of its
// counterpart.
func (r *reading) askFields(w *wire, key []byte) {
	if !r.hasFields() {
		return
	}
	w.begin(4 + len(r.elements)/2)
	w.text("HPEXPIRETIME")
	w.arg(key)
	w.text("FIELDS")
	w.integer(int64(len(r.elements) / 2))
	for pair := range slices.Chunk(r.elements, 2) {
		w.arg(pair[0])
	}
}

// fieldExpiries reads the answer: for each field a time in milliseconds since
// 1970, or a negative number. There is none of a hash that is gone.
func (r *reading) fieldExpiries(w *wire, expiries []int64) ([]int64, error) {
	if !r.hasFields() {
		return expiries, nil
	}
	n, err := w.array()
	if err != nil || n < 0 {
		return expiries, err
	}
	if n != len(r.elements)/2 {
		return expiries, fmt.Errorf("reading when fields expire: %d answers came for %d fields", n, len(r.elements)/2)
	}
	for range n {
		expiry, err := w.integerReply()
		if err != nil {
			return expiries, err
		}
		expiries = append(expiries, expiry)
	}
	return expiries, nil
}

// writeFields gathers the commands that set when fields of the part expire, one
// for each moment, and gives their number.
func (r *reading) writeFields(w *wire, key []byte) (commands int) {
	moments := map[int64][][]byte{}
	for i, expiry := range r.fields {
		if expiry >= 0 {
			moments[expiry] = append(moments[expiry], r.elements[2*i])
		}
	}
	for moment, fields := range moments {
		w.begin(5 + len(fields))
		w.text("HPEXPIREAT")
		w.arg(key)
		w.integer(moment)
		w.text("FIELDS")
		w.integer(int64(len(fields)))
		for _, field := range fields {
			w.arg(field)
		}
	}
	return len(moments)
}

// sameFields reads when the target's fields expire, and compares. Of a source
// that knows no such thing, none does.
func (c *comparison) sameFields(to *wire) (bool, error) {
	theirs, err := c.fieldExpiries(to, nil)
	if err != nil {
		return false, err
	}
	for i, expiry := range theirs {
		ours := int64(-1)
		if i < len(c.fields) {
			ours = c.fields[i]
		}
		if max(expiry, -1) != max(ours, -1) {
			return false, nil
		}
	}
	return true, nil
}
