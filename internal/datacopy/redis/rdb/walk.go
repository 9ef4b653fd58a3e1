package rdb

import "fmt"

// shape is what an element of a value consists of.
type shape struct {
	// numbers come first, then strings, then either bytes of fixed size or a
	// score as text.
	numbers, strings int
	fixed            int64
	score            bool
}

// shapes are the types that are a number of elements, which are given in
// parts.
var shapes = map[Type]shape{
	List: {strings: 1}, Set: {strings: 1}, Hash: {strings: 2},
	Zset: {strings: 1, score: true}, Zset2: {strings: 1, fixed: 8},
	ListQuicklist: {strings: 1}, ListQuicklist2: {numbers: 1, strings: 1},
}

// element goes past one element.
func (r *Reader) element(s shape) error {
	if err := r.lengths(s.numbers); err != nil {
		return err
	}
	if err := r.strings(s.strings); err != nil {
		return err
	}
	if s.score {
		return r.score()
	}
	if s.fixed == 0 {
		return nil
	}
	return r.skip(s.fixed)
}

// walk goes past a value that has no parts.
func (r *Reader) walk(t Type) error {
	switch t {
	case HashZipmap, ListZiplist, SetIntset, ZsetZiplist, HashZiplist, HashListpack, ZsetListpack, SetListpack:
		return r.string()
	case HashListpackEx:
		return r.all(r.fixed(8), r.string)
	case HashMetadata:
		return r.all(r.fixed(8), r.many(func() error { return r.element(shape{numbers: 1, strings: 2}) }))
	case ValkeyHash2:
		if r.valkey {
			return r.many(func() error { return r.element(shape{strings: 2, fixed: 8}) })()
		}
	case StreamListpacks, StreamListpacks2, StreamListpacks3:
		return r.stream(t)
	case Module2:
		return r.module()
	}
	return fmt.Errorf("reading the snapshot: %w: type %d", ErrUnknown, t)
}

// stream goes past a stream: its entries in listpacks, its numbers, and its
// groups with what is pending and their consumers.
func (r *Reader) stream(t Type) error {
	numbers := 3 // entries, last ID
	if t >= StreamListpacks2 {
		numbers += 5 // first ID, largest deleted ID, entries added
	}
	return r.all(
		r.many(func() error { return r.strings(2) }),
		func() error { return r.lengths(numbers) },
		r.many(func() error { return r.group(t) }),
	)
}

func (r *Reader) group(t Type) error {
	numbers := 2 // last ID delivered
	if t >= StreamListpacks2 {
		numbers++ // entries read
	}
	pending := func() error { return r.all(r.fixed(16+8), func() error { return r.lengths(1) }) }
	return r.all(
		r.string,
		func() error { return r.lengths(numbers) },
		r.many(pending),
		r.many(func() error { return r.consumer(t) }),
	)
}

func (r *Reader) consumer(t Type) error {
	times := int64(8) // seen
	if t >= StreamListpacks3 {
		times += 8 // active
	}
	return r.all(r.string, r.fixed(times), r.many(r.fixed(16)))
}

// module goes past a value of a module, which says of each part what it is.
func (r *Reader) module() error {
	if err := r.lengths(1); err != nil {
		return err
	}
	for {
		op, err := r.length()
		if err != nil {
			return err
		}
		switch op {
		case 0:
			return nil
		case 1, 2: // integers
			err = r.lengths(1)
		case 3: // float
			err = r.skip(4)
		case 4: // double
			err = r.skip(8)
		case 5:
			err = r.string()
		default:
			err = fmt.Errorf("reading a module's value: %w: %d", ErrUnknown, op)
		}
		if err != nil {
			return err
		}
	}
}

// all does one after the other.
func (r *Reader) all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// many goes past a number and so many of something.
func (r *Reader) many(one func() error) func() error {
	return func() error {
		n, err := r.length()
		for ; err == nil && n > 0; n-- {
			err = one()
		}
		return err
	}
}

func (r *Reader) fixed(n int64) func() error {
	return func() error { return r.skip(n) }
}

func (r *Reader) lengths(n int) error {
	for range n {
		if _, err := r.length(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) strings(n int) error {
	for range n {
		if err := r.string(); err != nil {
			return err
		}
	}
	return nil
}

// score goes past a score as text, whose length may say that it is none.
func (r *Reader) score() error {
	n, err := r.byte()
	if err != nil || n >= scoreNaN {
		return err
	}
	return r.skip(int64(n))
}
