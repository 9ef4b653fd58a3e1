package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// input is one reader as the merger sees it. A goroutine of its own reads
// ahead by two batches.
type input struct {
	name    string
	reader  Reader
	batches chan *Batch
	err     error // set before batches is closed
	once    sync.Once

	// Below: the merger's goroutine only.
	queue       []held
	next        int       // next line of queue[0]
	silentSince time.Time // while the queue is empty
	live        bool      // caught up with the present
	stalled     bool      // the others went on without it
	ended       bool
}

// held is a batch that waits for its turn.
type held struct {
	batch *Batch
	at    time.Time // arrival
	past  bool
}

// pump reads until the end.
func (in *input) pump(ctx context.Context, poke func()) {
	defer poke()
	defer close(in.batches)
	for {
		b, err := in.reader.Next(ctx)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				in.err = err
			}
			return
		}
		select {
		case in.batches <- b:
			poke()
		case <-ctx.Done():
			in.err = ctx.Err()
			return
		}
	}
}

// close closes the reader, once.
func (in *input) close() (err error) {
	in.once.Do(func() { err = in.reader.Close() })
	return err
}

// end closes a reader that is at its end and gives what went wrong with it.
func (in *input) end() (failures []error) {
	if in.err != nil && !errors.Is(in.err, context.Canceled) {
		failures = append(failures, fmt.Errorf("reading logs of %s: %w", in.name, in.err))
	}
	if err := in.close(); err != nil {
		failures = append(failures, fmt.Errorf("closing logs of %s: %w", in.name, err))
	}
	return failures
}

func (in *input) head() int64 { return in.queue[0].batch.Lines[in.next].At }

// headHeap is a binary heap of the readers that have lines, the oldest line's
// first. Written out because every line passes through it.
type headHeap []*input

func (h *headHeap) push(in *input) {
	*h = append(*h, in)
	for i := len(*h) - 1; i > 0; {
		parent := (i - 1) / 2
		if (*h)[parent].head() <= (*h)[i].head() {
			return
		}
		(*h)[parent], (*h)[i] = (*h)[i], (*h)[parent]
		i = parent
	}
}

// pop takes the first off.
func (h *headHeap) pop() {
	last := len(*h) - 1
	(*h)[0] = (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	h.down(0)
}

// down puts the i-th in its place after its line changed to a later one.
func (h headHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].head() < h[least].head() {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// second is the time of the oldest line of another reader than the first.
func (h headHeap) second() int64 {
	switch len(h) {
	case 1:
		return math.MaxInt64
	case 2:
		return h[1].head()
	}
	return min(h[1].head(), h[2].head())
}
