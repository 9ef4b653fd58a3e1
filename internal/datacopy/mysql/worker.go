package mysql

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// worker copies chunks from its view of the snapshot over its connection to
// the target. Not safe for concurrent use.
type worker struct {
	copier *copier
	source *wire.Conn
	target *wire.Conn
	lanes  map[*unit]*lane
	buffer []byte
}

// lane is what a worker needs for a table's rows.
type lane struct {
	encoder *encoder
	ways    ways
}

func (w *worker) lane(u *unit) *lane {
	if w.lanes[u] == nil {
		w.lanes[u] = &lane{encoder: newEncoder(u.table, u.mask), ways: waysTo(w.copier.to, u.table)}
	}
	return w.lanes[u]
}

func (w *worker) close() {
	if w.target != nil {
		_ = w.target.Close()
	}
}

func (w *worker) run(ctx context.Context, q *queue) error {
	for {
		t, more := q.next(ctx)
		if !more {
			return ctx.Err()
		}
		var err error
		switch {
		case t.index:
			err = w.index(ctx, t.unit)
		case t.proof != nil:
			w.prove(ctx, t.unit, *t.proof)
		default:
			err = w.chunk(ctx, t.unit)
		}
		if err != nil {
			return fmt.Errorf("copying table %s: %w", t.unit.table.Name, err)
		}
		q.end(t)
	}
}

// connected makes sure of a connection to the target.
func (w *worker) connected(ctx context.Context) error {
	if w.target != nil && !w.target.Broken() {
		return nil
	}
	var err error
	w.target, err = w.copier.connectTarget(ctx)
	return err
}

// chunk takes the next chunk of a table and does what it needs. What may pass
// at the target is tried again; when the source's connection is lost, so is
// its snapshot, and with it the pass.
func (w *worker) chunk(ctx context.Context, u *unit) error {
	c, more, err := u.splitter.next(ctx, w.source)
	if err != nil || !more {
		return err
	}
	defer func() {
		if c.limit > 0 {
			u.splitter.abandon()
		}
	}()
	needed, err := w.needed(ctx, u, c)
	if err != nil || !needed {
		return err
	}
	retry := datacopy.Retry{
		Passing: func(err error) bool { return passing(err) && !w.source.Broken() },
		Count:   &w.copier.retries,
	}
	return retry.Do(ctx, func(int) error {
		if err := w.connected(ctx); err != nil {
			return err
		}
		err := w.copy(ctx, u, &c)
		if err != nil {
			// Nothing of a half transaction may stay for the next attempt.
			_ = w.target.Close()
			w.target = nil
			c.tried = true
		}
		return err
	})
}

// needed says whether a chunk must be sent. A chunk that the journal has is
// done, unless the source has changed it since; in an incremental copy so is
// one that is equal on both sides.
func (w *worker) needed(ctx context.Context, u *unit, c chunk) (bool, error) {
	entry, recorded := w.copier.journal.Lookup(u.table.rowsUnit(), c.name())
	if recorded {
		now, err := digestOf(ctx, w.source, u.table, conditions(c.condition(u.table), u.table.Where))
		if err != nil {
			return false, err
		}
		if now.String() == cmp.Or(entry.Source, entry.Digest) {
			u.skip(now.rows)
			return false, nil
		}
	}
	if c.known {
		u.repeated.Add(1)
		return true, nil
	}
	if !u.table.Exists || u.mask != nil {
		return true, nil
	}
	here, there, err := w.both(ctx, u, c)
	if err != nil || here != there {
		return true, err
	}
	u.skip(here.rows)
	return false, w.copier.record(u, c, here, here, 0)
}

// both computes a chunk's digest on both servers at once.
func (w *worker) both(ctx context.Context, u *unit, c chunk) (here, there digest, err error) {
	if err := w.connected(ctx); err != nil {
		return here, there, err
	}
	condition := c.condition(u.table)
	var group errgroup.Group
	group.Go(func() (err error) {
		here, err = digestOf(ctx, w.source, u.table, conditions(condition, u.table.Where))
		return err
	})
	group.Go(func() (err error) {
		there, err = digestOf(ctx, w.target, u.table, condition)
		return err
	})
	return here, there, group.Wait()
}

// conditions puts two together; either may be empty.
func conditions(a, b string) string { return strings.TrimPrefix(where(a, b), " WHERE ") }

func (u *unit) skip(rows int64) {
	u.skipped.Add(1)
	u.step.Count(u.rows.Add(rows), max(u.table.Rows, u.rows.Load()), "rows")
}

func (c *copier) record(u *unit, k chunk, sent, read digest, size int64) error {
	if k.only != "" {
		return nil
	}
	entry := datacopy.Entry{Unit: u.table.rowsUnit(), Chunk: k.name(), Count: sent.rows, Bytes: size, Digest: sent.String()}
	if read != sent {
		entry.Source = read.String()
	}
	return c.journal.Record(entry)
}

// copy reads a chunk, and loads it in one transaction: all of it is there
// afterwards, or nothing.
func (w *worker) copy(ctx context.Context, u *unit, c *chunk) error {
	lane := w.lane(u)
	encoder := lane.encoder
	encoder.begin()
	l := &loader{worker: w, unit: u, chunk: c, ways: lane.ways, clear: c.known || c.tried || u.table.Exists}
	defer l.leave()
	if err := w.read(ctx, u, c, encoder, l); err != nil {
		return err
	}
	if u.mask != nil && u.table.Exists && !l.open && c.only == "" {
		there, err := digestOf(ctx, w.target, u.table, c.condition(u.table))
		if err != nil {
			return err
		}
		if there == encoder.sent {
			u.skip(there.rows)
			return w.copier.record(u, *c, encoder.sent, encoder.source(), l.size)
		}
	}
	if err := l.finish(ctx); err != nil {
		return w.copier.to.explain(err)
	}
	if l.rows != encoder.sent.rows {
		return fmt.Errorf("the target took %d of %d rows: keys of others are in the way, or the data do not fit its definition", l.rows, encoder.sent.rows)
	}
	if err := w.copier.record(u, *c, encoder.sent, encoder.source(), l.size); err != nil {
		return err
	}
	u.splitter.resize(w.copier.rowsOf(l.size / max(l.rows, 1)))
	u.chunks.Add(1)
	u.sentRows.Add(l.rows)
	u.sentBytes.Add(l.size)
	u.step.Count(u.rows.Add(l.rows), max(u.table.Rows, u.rows.Load()), "rows")
	return nil
}

// selectRows reads the columns that are copied of a chunk's rows.
func (u *unit) selectRows(c chunk) string {
	var columns []string
	for _, column := range u.table.stored() {
		columns = append(columns, column.Expr)
	}
	first := ""
	if c.limit > 0 {
		first = fmt.Sprintf(" ORDER BY %s LIMIT %d", names(u.table.Key), c.limit)
	}
	return fmt.Sprintf("SELECT %s FROM %s%s%s%s", strings.Join(columns, ","), u.table.from(), where(c.condition(u.table), u.table.Where), first, u.locking)
}

// readAhead is how much is read between looks at the limits.
const readAhead = 128 << 10

// read brings the rows of a chunk into the worker's buffer, and has parts of
// it loaded when there are more than expected.
func (w *worker) read(ctx context.Context, u *unit, c *chunk, encoder *encoder, l *loader) error {
	rows, err := w.source.Query(ctx, u.selectRows(*c))
	if err != nil {
		return fmt.Errorf("reading rows: %w", err)
	}
	defer rows.Close()
	w.buffer = w.buffer[:0]
	unpaid, count := 0, int64(0)
	var last bound
	for rows.Next() {
		size := rows.Size
		if count++; count == c.limit {
			if last, err = u.table.placeOf(rows.Fields); err != nil {
				return err
			}
		}
		if err := encoder.prepare(rows.Fields); err != nil {
			return fmt.Errorf("masking rows: %w", err)
		}
		if err := l.add(ctx, rows.Fields, size); err != nil {
			return err
		}
		if unpaid += size; unpaid >= readAhead {
			if err := w.copier.limiter.Wait(ctx, unpaid); err != nil {
				return err
			}
			unpaid = 0
		}
	}
	if err := rows.Err(); err != nil {
		return w.copier.from.explain(fmt.Errorf("reading rows: %w", err))
	}
	if c.limit > 0 {
		if err := u.splitter.end(c, last); err != nil {
			return err
		}
	}
	return w.copier.limiter.Wait(ctx, unpaid)
}

// count makes sure that chunks left no row out between them: all rows of the
// snapshot, counted without ranges, are those of the chunks. Numbers and times
// have one order everywhere; texts have that of their collation.
func (w *worker) count(ctx context.Context, u *unit) error {
	if !u.table.keyOfTexts() {
		return nil
	}
	var rows, chunks int64
	for entry := range w.copier.journal.Entries(u.table.rowsUnit()) {
		rows += entry.Count
		chunks++
	}
	if chunks < 2 {
		return nil
	}
	counted, err := w.source.All(ctx, "SELECT COUNT(*) FROM "+name(u.table.Name)+where(u.table.Where))
	if err != nil {
		return fmt.Errorf("counting rows: %w", err)
	}
	if number(counted[0][0]) != rows {
		return fmt.Errorf("the source has %s rows, the chunks have %d: ranges of the key (%s) do not mean what they should; exclude the table and report this",
			counted[0][0].Value, rows, strings.Join(u.table.Key, ", "))
	}
	return nil
}

// index builds what indexes were left out, and ends the table.
func (w *worker) index(ctx context.Context, u *unit) error {
	if err := w.connected(ctx); err != nil {
		return err
	}
	if err := w.count(ctx, u); err != nil {
		return err
	}
	u.step.Update("building indexes")
	if err := w.copier.addIndexes(ctx, w.target, u.table); err != nil {
		return w.copier.to.explain(fmt.Errorf("building its indexes: %w", err))
	}
	u.step.Done("%s", datacopy.Counted(u.rows.Load(), "rows"))
	return nil
}
