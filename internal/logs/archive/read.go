package archive

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
)

// Read answers the query: see logs.Source. Lines that were appended before
// are in the answer, those that come later are not.
func (a *Archive) Read(ctx context.Context, q logs.Query) (logs.Reader, error) {
	blocks, err := a.find(&q)
	if err != nil {
		return nil, err
	}
	if q.Tail > 0 {
		if err := narrowToTail(ctx, &q, blocks); err != nil {
			releaseAll(blocks)
			return nil, err
		}
	}
	slices.SortStableFunc(blocks, func(x, y wanted) int { return cmp.Compare(x.ref.Oldest, y.ref.Oldest) })
	r := logs.Reader(&reader{query: q, blocks: blocks, held: blocks})
	if q.Tail > 0 {
		r = newestOf(r, q.Tail)
	}
	return r, nil
}

// wanted is a block that may hold lines of the answer.
type wanted struct {
	segment *segment
	ref     blockRef
	// origins of the streams that are asked for, by number in the segment.
	origins map[uint32]*logs.Origin
}

// find lists the blocks to look into. Their segments are held until released.
func (a *Archive) find(q *logs.Query) ([]wanted, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, ErrClosed
	}
	if err := a.flush(); err != nil {
		return nil, err
	}
	var found []wanted
	origins := map[logs.Origin]*logs.Origin{}
	for _, s := range a.segments {
		if !overlaps(q, s.oldest, s.newest) {
			continue
		}
		mine := s.origins(q, origins)
		for _, ref := range s.blocks {
			if overlaps(q, ref.Oldest, ref.Newest) && slices.ContainsFunc(ref.Streams, func(n uint32) bool { return mine[n] != nil }) {
				s.acquire()
				found = append(found, wanted{s, ref, mine})
			}
		}
	}
	return found, nil
}

func overlaps(q *logs.Query, oldest, newest int64) bool {
	return (q.Since.IsZero() || newest >= q.Since.UnixNano()) && (q.Until.IsZero() || oldest <= q.Until.UnixNano())
}

// origins gives the streams that are asked for. Equal origins are one pointer
// in the whole answer.
func (s *segment) origins(q *logs.Query, shared map[logs.Origin]*logs.Origin) map[uint32]*logs.Origin {
	mine := map[uint32]*logs.Origin{}
	for i := range s.streams {
		stream := &s.streams[i]
		if stream.Project != q.Project || stream.Environment != q.Environment {
			continue
		}
		origin := stream.Origin()
		if !q.WantsOrigin(origin) {
			continue
		}
		if shared[*origin] == nil {
			shared[*origin] = origin
		}
		mine[uint32(i)] = shared[*origin]
	}
	return mine
}

func releaseAll(blocks []wanted) {
	for _, w := range blocks {
		w.segment.release()
	}
}

// narrowToTail moves the query's beginning to where the newest lines asked for
// begin, looking into as few blocks as that takes, the newest first.
func narrowToTail(ctx context.Context, q *logs.Query, blocks []wanted) error {
	slices.SortFunc(blocks, func(x, y wanted) int { return cmp.Compare(y.ref.Newest, x.ref.Newest) })
	var newest timeHeap
	var buf []byte
	for _, w := range blocks {
		if len(newest) == q.Tail && w.ref.Newest < newest[0] {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c := cursor{wanted: w}
		if err := c.open(buf); err != nil {
			continue // told when the answer is read
		}
		for c.advance(q) {
			if len(newest) < q.Tail {
				heap.Push(&newest, c.line.at)
			} else if c.line.at > newest[0] {
				newest[0] = c.line.at
				heap.Fix(&newest, 0)
			}
		}
		buf = c.text
	}
	if len(newest) == q.Tail {
		q.Since = time.Unix(0, newest[0])
	}
	return nil
}

// timeHeap is a heap of times, the oldest first.
type timeHeap []int64

func (h timeHeap) Len() int           { return len(h) }
func (h timeHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h timeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timeHeap) Push(x any)        { *h = append(*h, x.(int64)) }
func (h *timeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// cursor goes over the lines of one block that are asked for.
type cursor struct {
	wanted
	head  blockHead
	text  []byte
	lines lineReader
	line  line
	from  *logs.Origin
	err   error
}

func (c *cursor) open(buf []byte) error {
	head, text, err := c.segment.block(c.ref, buf)
	if err != nil {
		return err
	}
	c.head, c.text, c.lines = head, text, newLineReader(head, text)
	return nil
}

// advance goes to the next line asked for.
func (c *cursor) advance(q *logs.Query) bool {
	for {
		l, ok, err := c.lines.next()
		if !ok {
			c.err = err
			return false
		}
		origin := c.origins[c.head.Entries[l.entry].Stream]
		if origin == nil || !q.WantsTime(l.at) || l.mark == "" && !q.WantsText(l.text) {
			continue
		}
		c.line, c.from = l, origin
		return true
	}
}

// reader merges blocks, of which it holds only those open that overlap at the
// time it has come to.
type reader struct {
	query  logs.Query
	blocks []wanted // not opened yet, by oldest line
	held   []wanted // all, for the release
	open   cursors
	bufs   [][]byte
	closed bool
}

// batchText is how much text a batch of an answer holds, in bytes.
const batchText = 32 << 10

// Next gives the next lines.
func (r *reader) Next(ctx context.Context) (*logs.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := logs.NewBatch()
	for size := 0; size < batchText; {
		r.openDue(b)
		if len(r.open) == 0 {
			break
		}
		c := r.open[0]
		b.Append(c.from, c.line.at, c.line.mark, c.line.text)
		size += len(c.line.text) + 16
		r.step(b, c)
	}
	if len(b.Lines) == 0 {
		b.Release()
		return nil, io.EOF
	}
	return b, nil
}

// openDue opens the blocks that may hold the next line.
func (r *reader) openDue(b *logs.Batch) {
	for len(r.blocks) > 0 && (len(r.open) == 0 || r.blocks[0].ref.Oldest <= r.open[0].line.at) {
		c := &cursor{wanted: r.blocks[0]}
		r.blocks = r.blocks[1:]
		var buf []byte
		if n := len(r.bufs); n > 0 {
			buf, r.bufs = r.bufs[n-1], r.bufs[:n-1]
		}
		if err := c.open(buf); err != nil {
			r.damaged(b, c, err)
			continue
		}
		if c.advance(&r.query) {
			heap.Push(&r.open, c)
		} else {
			r.finish(b, c)
		}
	}
}

// step goes on from a line that was given.
func (r *reader) step(b *logs.Batch, c *cursor) {
	if c.advance(&r.query) {
		heap.Fix(&r.open, 0)
		return
	}
	heap.Pop(&r.open)
	r.finish(b, c)
}

func (r *reader) finish(b *logs.Batch, c *cursor) {
	if c.err != nil {
		r.damaged(b, c, c.err)
	}
	r.bufs = append(r.bufs, c.text)
}

// damaged says in the flow that lines are missing.
func (r *reader) damaged(b *logs.Batch, c *cursor, err error) {
	text := fmt.Sprintf("up to %d gathered lines cannot be read: %s at %d: %v", c.ref.Lines, c.segment.path, c.ref.Offset, err)
	b.Append(nil, c.ref.Oldest, logs.MarkGap, []byte(text))
}

// Close lets go of the files.
func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		releaseAll(r.held)
	}
	return nil
}

// cursors is a heap, the oldest line first; lines of one time in the order of
// their blocks.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	if h[i].line.at != h[j].line.at {
		return h[i].line.at < h[j].line.at
	}
	return h[i].before(h[j])
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// before orders blocks as they were written.
func (c *cursor) before(other *cursor) bool {
	if c.segment.number != other.segment.number {
		return c.segment.number < other.segment.number
	}
	return c.ref.Offset < other.ref.Offset
}

// newestOf gives the newest n lines of a reader.
func newestOf(r logs.Reader, n int) logs.Reader {
	return &tailReader{Reader: r, n: n}
}

type tailReader struct {
	logs.Reader
	n    int
	done bool
}

func (t *tailReader) Next(ctx context.Context) (*logs.Batch, error) {
	if t.done {
		return nil, io.EOF
	}
	t.done = true
	out := logs.NewBatch()
	tail := logs.NewTail(batchSink{out}, t.n)
	for {
		b, err := t.Reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = tail.Write(b.Lines)
			b.Release()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := tail.CaughtUp(); err != nil {
		return nil, err
	}
	if len(out.Lines) == 0 {
		out.Release()
		return nil, io.EOF
	}
	return out, nil
}

// batchSink collects lines in a batch.
type batchSink struct{ b *logs.Batch }

func (s batchSink) Write(lines []logs.Line) error {
	for _, l := range lines {
		s.b.Append(l.Origin, l.At, l.Mark, l.Text)
	}
	return nil
}
func (batchSink) Flush() error    { return nil }
func (batchSink) CaughtUp() error { return nil }
