package mysql

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// unit is a table under way.
type unit struct {
	table    *table
	mask     datacopy.RowMask
	splitter *splitter
	// locking, when it is set, makes reads wait for rows that are being
	// committed.
	locking string
	step    progress.Step
	began   time.Time

	// rows are all that are done, for the progress; the others are of this run.
	rows, sentRows, sentBytes         atomic.Int64
	chunks, skipped, repeated, extras atomic.Int64

	// active counts workers at its chunks; indexing and complete follow. All
	// three are guarded by the queue's lock.
	active             int
	indexing, complete bool
	took               time.Duration
}

// makeUnits orders tables so that those whose indexes take longest come first:
// indexes of one are built while rows of the next are loaded.
func (c *copier) makeUnits() error {
	for _, t := range c.detail.Schema.Tables {
		u := &unit{table: t}
		if c.req.Mask != nil {
			mask, err := c.req.Mask.Rows(t.Name, t.described())
			if err != nil {
				return fmt.Errorf("masking table %s: %w", t.Name, err)
			}
			if mask != nil {
				u.mask = mask
			}
		}
		c.units = append(c.units, u)
	}
	slices.SortStableFunc(c.units, func(a, b *unit) int {
		return cmp.Or(cmp.Compare(b.table.IndexBytes, a.table.IndexBytes), cmp.Compare(b.table.DataBytes, a.table.DataBytes))
	})
	return nil
}

func (u *unit) result() datacopy.UnitResult {
	return datacopy.UnitResult{
		Name: u.table.Name, Count: u.sentRows.Load(), Bytes: u.sentBytes.Load(), Chunks: int(u.chunks.Load()),
		Skipped: int(u.skipped.Load()), Repeated: int(u.repeated.Load()), Removed: u.extras.Load(), Duration: u.took,
	}
}

// rowsPerChunk turns the size of chunks into rows, by the server's statistics
// at first: they may be stale, and no row takes less than smallestRow.
func (c *copier) rowsPerChunk(t *table) int64 {
	average := int64(100)
	if t.Rows > 0 {
		average = t.DataBytes / t.Rows
	}
	return c.rowsOf(average)
}

const (
	smallestRow  = 24
	mostPerChunk = 500_000
)

func (c *copier) rowsOf(average int64) int64 {
	return min(max(c.detail.ChunkBytes/max(average, smallestRow), 1), mostPerChunk)
}

// queue hands out the work of one pass.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond
	units  []*unit
	copier *copier
	// share is how many workers a table gets while another needs some.
	share int
	// unproven are chunks of complete tables; proving counts workers at them.
	unproven []task
	proving  int
}

// task is a chunk of a table to copy, with index the building of its indexes, or
// with proof the comparison of one of its chunks.
type task struct {
	unit  *unit
	index bool
	proof *chunk
}

// work copies every chunk and builds the indexes, with all readers of the
// snapshot at once.
func (c *copier) work(ctx context.Context, shot *snapshot) error {
	for _, u := range c.units {
		var err error
		if u.splitter, err = newSplitter(u.table, c.rowsPerChunk(u.table), c.journal); err != nil {
			return err
		}
		u.splitter.byReading = c.readsInTurn(u)
		u.active, u.indexing, u.complete = 0, false, false
		u.rows.Store(0)
	}
	q := &queue{units: c.units, copier: c, share: c.loading.share(len(shot.readers))}
	q.wake.L = &q.mu
	c.proof.begin()
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, q.wake.Broadcast)
	for _, reader := range shot.readers {
		group.Go(func() error {
			w := &worker{copier: c, source: reader, lanes: map[*unit]*lane{}}
			defer w.close()
			return w.run(ctx, q)
		})
	}
	return group.Wait()
}

// oneReader is how many workers one that reads keeps busy with loading, with
// itself.
const oneReader = 4

// readsInTurn says whether the chunks of a table are read one after the other,
// while those before are loaded: it saves the source counting along the key for
// where each ends. Chunks that may be in the target already are looked for by
// their ends.
func (c *copier) readsInTurn(u *unit) bool {
	_, placed := u.table.keyPositions()
	return placed && !u.table.Exists && c.workers <= oneReader
}

// next gives the next task, or false when everything is done or ctx ended.
func (q *queue) next(ctx context.Context) (task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ctx.Err() == nil {
		t, more := q.pick()
		if t.unit != nil {
			q.start(t)
			return t, true
		}
		if !more {
			return task{}, false
		}
		q.wake.Wait()
	}
	return task{}, false
}

// pick looks for a task, in the order of units. Tables have no more than their
// share of the workers while another needs some; who would wait for indexes
// compares what is complete. More says that there are, or will be, others.
func (q *queue) pick() (t task, more bool) {
	var beyond *unit
	building := 0
	for _, u := range q.units {
		switch {
		case u.complete:
			continue
		case u.indexing:
			building++
		case !u.splitter.idle() && u.active < q.share:
			return task{unit: u}, true
		case !u.splitter.idle():
			beyond = cmp.Or(beyond, u)
		case u.active == 0:
			return task{unit: u, index: true}, true
		}
		more = true
	}
	if beyond == nil && more && len(q.unproven) > 0 && q.copier.loading.room(building+q.proving) {
		t, q.unproven = q.unproven[0], q.unproven[1:]
		return t, true
	}
	return task{unit: beyond}, more
}

func (q *queue) start(t task) {
	u := t.unit
	switch {
	case t.index:
		u.indexing = true
	case t.proof != nil:
		q.proving++
		return
	default:
		u.active++
	}
	if u.step == nil {
		u.step = q.copier.reporter.Step(u.table.Name)
		u.began = time.Now()
	}
}

func (q *queue) end(t task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case t.index:
		t.unit.complete = true
		t.unit.took = time.Since(t.unit.began)
		q.unproven = append(q.unproven, q.copier.unproven(t.unit)...)
	case t.proof != nil:
		q.proving--
	default:
		t.unit.active--
	}
	q.wake.Broadcast()
}
