package mysql

import (
	"context"
	"fmt"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// loader brings the rows of a chunk into the target, by way of its worker's
// buffer.
type loader struct {
	worker *worker
	unit   *unit
	chunk  *chunk
	ways   ways
	// way is that of the rows in the buffer.
	way way
	// clear says that rows of the chunk may be there, and go first.
	clear bool

	// entered says that the chunk has its place among those that load, until
	// leave: it may hold locks.
	entered bool
	// open says that a transaction has begun.
	open bool
	// waiting rows are in the buffer; rows were taken by the target; size is in
	// bytes of the source.
	waiting, rows, size int64
}

// add puts a row of a size into the buffer, which is loaded first when there
// is no room, or when the row must go another way.
func (l *loader) add(ctx context.Context, fields [][]byte, size int) error {
	way := l.ways.choose(size, len(fields))
	room := min(way.limit(), 2*int(l.worker.copier.detail.ChunkBytes))
	if l.waiting > 0 && (way != l.way || len(l.worker.buffer)+way.most(size, len(fields)) > room) {
		if err := l.flush(ctx); err != nil {
			return l.worker.copier.to.explain(err)
		}
	}
	var err error
	l.way = way
	l.worker.buffer, err = way.add(l.worker.buffer, fields)
	l.size += int64(size)
	l.waiting++
	return err
}

// enter waits for a place among those that load, once.
func (l *loader) enter(ctx context.Context) (err error) {
	if !l.entered {
		err = l.worker.copier.loading.enter(ctx, l.unit)
		l.entered = err == nil
	}
	return err
}

func (l *loader) leave() {
	if l.entered {
		l.worker.copier.loading.leave(l.unit)
	}
}

// begin opens the transaction when the chunk needs one: it is cleared first,
// or comes in several parts.
func (l *loader) begin(ctx context.Context) error {
	if l.open {
		return nil
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	if _, err := l.worker.target.Exec(ctx, "START TRANSACTION"); err != nil {
		return fmt.Errorf("beginning to load: %w", err)
	}
	l.open = true
	if !l.clear {
		return nil
	}
	done, err := l.worker.target.Exec(ctx, "DELETE FROM "+name(l.unit.table.Name)+where(l.chunk.condition(l.unit.table)))
	if err != nil {
		return fmt.Errorf("removing earlier rows: %w", err)
	}
	l.unit.extras.Add(int64(done.Affected))
	return nil
}

// flush loads what is in the buffer, with more to come.
func (l *loader) flush(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	return l.load(ctx)
}

// finish loads the rest and commits.
func (l *loader) finish(ctx context.Context) error {
	if l.clear {
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	if l.waiting > 0 {
		if err := l.load(ctx); err != nil {
			return err
		}
	}
	if !l.open {
		return nil
	}
	if _, err := l.worker.target.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("committing rows: %w", err)
	}
	return nil
}

// load sends the buffer.
func (l *loader) load(ctx context.Context) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	w := l.worker
	done, err := l.way.send(ctx, w.target, w.buffer)
	switch {
	case wire.Code(err) == errDuplicate:
		// The server's words have the value in them.
		return fmt.Errorf("loading rows: keys of others are in the way")
	case err != nil:
		return fmt.Errorf("loading rows: %w", err)
	}
	if done.Warnings > 0 {
		if err := l.heed(ctx); err != nil {
			return fmt.Errorf("loading rows: %w", err)
		}
	}
	l.rows += int64(done.Affected)
	if w.buffer = w.buffer[:0]; int64(cap(w.buffer)) > 4*w.copier.detail.ChunkBytes {
		w.buffer = nil // one huge row is no reason to keep its memory
	}
	l.waiting = 0
	return nil
}

// heed looks at what the server warns of. What it changed, verifying shows by
// key; why, only the server can tell. Its words are not passed on: they have
// values in them.
func (l *loader) heed(ctx context.Context) error {
	warnings, err := l.worker.target.All(ctx, "SHOW WARNINGS")
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		if number(warning[1]) == errNoText {
			l.worker.copier.lose("values of table %s that are no text in the character set of their column: the target does not hold such", l.unit.table.Name)
			break
		}
	}
	return nil
}
