package mysql

import (
	"context"
	"encoding/json"
	"fmt"
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
// order of its key, with bounds found by counting rows along the index: keys
// may have gaps and several columns. Bounds go into the journal before they
// are used, so that chunks stay the same whatever happens. Safe for concurrent
// use.
type splitter struct {
	table   *table
	rows    int64
	journal datacopy.Journal

	mu     sync.Mutex
	number int
	last   bound
	over   bool
	// known are the chunks of earlier passes, to be looked at first.
	known []chunk
}

// boundsUnit is where the journal keeps the bounds of a table's chunks.
func boundsUnit(table string) string { return "#bounds " + table }

// newSplitter gives the chunks in the journal first, then goes on after them.
func newSplitter(t *table, rows int64, journal datacopy.Journal) (*splitter, error) {
	s := &splitter{table: t, rows: rows, journal: journal}
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

// next gives another chunk to do, or false when there is none.
func (s *splitter) next(ctx context.Context, conn *wire.Conn) (chunk, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) > 0 {
		c := s.known[0]
		s.known = s.known[1:]
		return c, true, nil
	}
	if s.over {
		return chunk{}, false, nil
	}
	c := chunk{number: s.number, from: s.last}
	to, err := s.find(ctx, conn, c)
	if err != nil {
		return chunk{}, false, fmt.Errorf("finding the next chunk of %s: %w", s.table.Name, err)
	}
	c.to = to
	entry := datacopy.Entry{Unit: boundsUnit(s.table.Name), Chunk: c.name()}
	if to != nil {
		note, err := json.Marshal(to)
		if err != nil {
			return chunk{}, false, err
		}
		entry.Note = string(note)
	}
	if err := s.journal.Record(entry); err != nil {
		return chunk{}, false, err
	}
	s.number, s.last, s.over = s.number+1, to, to == nil
	return c, true, nil
}

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
		strings.Join(columns, ","), s.table.from(), where(c.condition(s.table)), strings.Join(order, ","), max(s.rows-1, 0)))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	to := make(bound, len(columns))
	for i, value := range found[0] {
		if to[i], err = s.table.column(s.table.Key[i]).literal([]byte(value.Value)); err != nil {
			return nil, err
		}
	}
	return to, nil
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
