package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// chunk is a range of a table's key: greater than from, up to and with to.
// Without a bound it is open on that side.
type chunk struct {
	number   int
	from, to bound
	// known says that an earlier pass took the chunk: it may be done.
	known bool
	// limit, when it is set, is how many rows the chunk has at most: where it
	// ends is known when they are read. Its worker has the splitter's turn.
	limit int64
	// tried says that an earlier attempt may have left rows: its answer was lost.
	tried bool
	// only, when it is set, is a condition in place of a range: some rows that
	// are brought up to date, of which the journal knows nothing.
	only string
}

// bound is a place in the order of a key: a literal for each of its columns.
type bound []string

func (c chunk) name() string { return strconv.Itoa(c.number) }

// condition selects the chunk's rows.
func (c chunk) condition(t *table) string {
	if c.only != "" {
		return c.only
	}
	var parts []string
	if c.from != nil {
		parts = append(parts, "("+compare(t.Key, c.from, ">", ">")+")")
	}
	if c.to != nil {
		parts = append(parts, "("+compare(t.Key, c.to, "<", "<=")+")")
	}
	return strings.Join(parts, " AND ")
}

// compare writes (a, b) > (x, y) as a >= x AND (a > x OR (a = x AND b > y)),
// which servers turn into a range of the index: row comparisons they scan.
func compare(columns []string, at bound, strict, last string) string {
	column, value := name(columns[0]), at[0]
	if len(columns) == 1 {
		return column + last + value
	}
	return fmt.Sprintf("%s%s=%s AND (%s%s%s OR (%s=%s AND %s))", column, strict, value,
		column, strict, value, column, value, compare(columns[1:], at[1:], strict, last))
}

// splitter cuts a table into chunks of about the same number of rows, in the
// order of its key. Bounds are found by counting rows along the index, as keys
// may have gaps and several columns, or where chunks may be read one after the
// other, by reading them. They go into the journal before rows are committed, so
// that chunks stay the same whatever happens. Safe for concurrent use.
type splitter struct {
	table   *table
	rows    int64
	journal datacopy.Journal
	// byReading lets workers find the ends of chunks by reading them.
	byReading bool
	// turn is taken by who looks for the end of the newest chunk.
	turn chan struct{}

	mu     sync.Mutex
	number int
	last   bound
	over   bool
	// known are the chunks of earlier passes, to be looked at first.
	known []chunk
}

// boundsUnit is where the journal keeps the bounds of a table's chunks.
func boundsUnit(table string) string { return "#bounds " + table }

// rowsUnit is where the journal keeps the chunks of a table: under its name,
// unless that could be taken for one of the units beside tables.
func (t *table) rowsUnit() string {
	if strings.HasPrefix(t.Name, "#") {
		return "#rows " + t.Name
	}
	return t.Name
}

// newSplitter gives the chunks in the journal first, then goes on after them.
func newSplitter(t *table, rows int64, journal datacopy.Journal) (*splitter, error) {
	s := &splitter{table: t, rows: rows, journal: journal, turn: make(chan struct{}, 1)}
	for entry := range journal.Entries(boundsUnit(t.Name)) {
		c := chunk{number: s.number, from: s.last, known: true}
		if entry.Chunk != c.name() {
			return nil, fmt.Errorf("reading the journal: bound %s of %s is missing", c.name(), t.Name)
		}
		if entry.Note != "" {
			if err := json.Unmarshal([]byte(entry.Note), &c.to); err != nil || len(c.to) != len(t.Key) {
				return nil, fmt.Errorf("reading the journal: bound %s of %s cannot be read", c.name(), t.Name)
			}
		}
		s.known = append(s.known, c)
		s.number, s.last, s.over = s.number+1, c.to, c.to == nil
	}
	return s, nil
}

// next gives another chunk to do, or false when there is none. Who gets one with
// a limit must end or abandon it; nobody else gets another until then.
func (s *splitter) next(ctx context.Context, conn *wire.Conn) (chunk, bool, error) {
	if c, ok := s.nextKnown(); ok {
		return c, true, nil
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return chunk{}, false, ctx.Err()
	}
	c, more := s.begin()
	if !more {
		s.abandon()
		return chunk{}, false, nil
	}
	if s.byReading {
		return c, true, nil
	}
	to, err := s.find(ctx, conn, c)
	if err != nil {
		s.abandon()
		return chunk{}, false, fmt.Errorf("finding the next chunk of %s: %w", s.table.Name, err)
	}
	err = s.end(&c, to)
	return c, err == nil, err
}

func (s *splitter) nextKnown() (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return chunk{}, false
	}
	c := s.known[0]
	s.known = s.known[1:]
	return c, true
}

// begin gives the chunk after the last.
func (s *splitter) begin() (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return chunk{number: s.number, from: s.last, limit: max(s.rows, 1)}, !s.over
}

// end says where the newest chunk ends, nil at the end of the table, and passes
// the turn on.
func (s *splitter) end(c *chunk, to bound) error {
	defer s.abandon()
	c.to, c.limit = to, 0
	entry := datacopy.Entry{Unit: boundsUnit(s.table.Name), Chunk: c.name()}
	if to != nil {
		note, err := json.Marshal(to)
		if err != nil {
			return err
		}
		entry.Note = string(note)
	}
	if err := s.journal.Record(entry); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.last, s.over = s.number+1, to, to == nil
	return nil
}

// abandon passes the turn on without an end of the chunk.
func (s *splitter) abandon() { <-s.turn }

// find gives the bound that is rows further, nil when fewer are left.
func (s *splitter) find(ctx context.Context, conn *wire.Conn, c chunk) (bound, error) {
	if len(s.table.Key) == 0 || s.table.Whole {
		return nil, nil
	}
	var columns, order []string
	for _, key := range s.table.Key {
		columns = append(columns, s.table.column(key).bound())
		order = append(order, name(key))
	}
	found, err := conn.All(ctx, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT 1 OFFSET %d",
		strings.Join(columns, ","), s.table.from(), where(c.condition(s.table)), strings.Join(order, ","), c.limit-1))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	values := make([][]byte, len(columns))
	for i, value := range found[0] {
		values[i] = []byte(value.Value)
	}
	return s.table.boundAt(values)
}

// boundAt is the place of a row by its values of the key.
func (t *table) boundAt(values [][]byte) (to bound, err error) {
	to = make(bound, len(values))
	for i, value := range values {
		if to[i], err = t.column(t.Key[i]).literal(value); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// placeOf is the place of a row as it was read.
func (t *table) placeOf(fields [][]byte) (bound, error) {
	positions, _ := t.keyPositions()
	values := make([][]byte, len(positions))
	for i, position := range positions {
		values[i] = fields[position]
	}
	return t.boundAt(values)
}

// keyPositions are those of the key among the columns that are copied, false
// when a row as it is read does not say its place: another may have the same,
// or its key is read in another way.
func (t *table) keyPositions() ([]int, bool) {
	columns := t.stored()
	var positions []int
	for _, key := range t.Key {
		position := slices.IndexFunc(columns, func(c *column) bool { return c.Name == key && c.Expr == c.bound() && !c.Masked })
		if position < 0 {
			return nil, false
		}
		positions = append(positions, position)
	}
	return positions, t.Unique && !t.Whole && len(positions) > 0
}

// resize makes chunks to come as large as rows turned out to be, not more than
// twice as large at once.
func (s *splitter) resize(rows int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = min(rows, 2*s.rows)
}

// idle says that no chunk is left to be taken.
func (s *splitter) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over && len(s.known) == 0
}
