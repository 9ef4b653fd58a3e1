package mysql

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// reals turns the values of a table's columns that travel as points into what
// a way wants. Digests come before. It is not safe for concurrent use.
type reals struct {
	columns   []*column
	positions []int
	text      []byte
}

func newReals(t *table) *reals {
	r := &reals{columns: t.stored()}
	for i, c := range r.columns {
		if c.Real {
			r.positions = append(r.positions, i)
		}
	}
	return r
}

// A point as servers send it: its reference system, the order of bytes, the
// type, and two doubles.
const (
	pointSize  = 4 + 1 + 4 + 8 + 8
	pointX     = 4 + 1 + 4
	littleEnd  = 1
	pointOrder = 4
)

// cut turns points into the eight bytes of the number they stand for.
func (r *reals) cut(fields [][]byte) error {
	for _, i := range r.positions {
		point := fields[i]
		if point == nil {
			continue
		}
		if len(point) != pointSize || point[pointOrder] != littleEnd {
			return fmt.Errorf("reading column %s: the server sent a point that cannot be read", r.columns[i].Name)
		}
		fields[i] = point[pointX : pointX+8]
	}
	return nil
}

// print turns points into the numbers they stand for, as LOAD DATA wants them:
// the shortest text that is read as the same double.
func (r *reals) print(fields [][]byte) error {
	if err := r.cut(fields); err != nil {
		return err
	}
	r.text = r.text[:0]
	for _, i := range r.positions {
		if fields[i] == nil {
			continue
		}
		start := len(r.text)
		r.text = strconv.AppendFloat(r.text, math.Float64frombits(binary.LittleEndian.Uint64(fields[i])), 'g', -1, 64)
		fields[i] = r.text[start:]
	}
	return nil
}
