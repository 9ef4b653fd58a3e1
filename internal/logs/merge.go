package logs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Sink takes merged lines. Its methods are called by one goroutine.
type Sink interface {
	// Write takes a run of lines, which it must not keep.
	Write(lines []Line) error
	// Flush says that nothing follows at once.
	Flush() error
	// CaughtUp says, once, that the past of all readers was written.
	CaughtUp() error
}

// MergeOptions bound how long and how much lines are held back to be put in
// order. Zero fields take the defaults.
type MergeOptions struct {
	// Window is how long a line waits for older ones of other readers, once
	// the readers have caught up with the present. Default 200 ms.
	Window time.Duration
	// Patience is how long a reader that is still busy with its past may be
	// silent before the others go on without it. Default 4 s.
	Patience time.Duration
	// MaxBuffered bounds the memory of lines held back, in bytes: beyond it
	// order yields to flow. Default 16 MiB.
	MaxBuffered int
}

func (o *MergeOptions) setDefaults() {
	if o.Window == 0 {
		o.Window = 200 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 4 * time.Second
	}
	if o.MaxBuffered == 0 {
		o.MaxBuffered = 16 << 20
	}
}

// Merger brings the lines of many readers into one order by time. While
// readers are busy with the past the order is exact; afterwards it is exact
// for lines that arrive within the window. The order of one reader's lines is
// always kept. Readers may join at any time; one that is silent or fails does
// not hold up the others for longer than the options say.
type Merger struct {
	opts MergeOptions
	wake chan struct{}

	mu     sync.Mutex
	joined []*input
	closed bool

	// Below: Run's goroutine only.
	inputs   []*input
	heads    headHeap
	buffered int // bytes of batches held
	past     int // batches held that are of readers' past
	remarks  []Line
	written  bool
	caughtUp bool
	failures []error
}

// NewMerger makes a merger without readers.
func NewMerger(opts MergeOptions) *Merger {
	opts.setDefaults()
	return &Merger{opts: opts, wake: make(chan struct{}, 1)}
}

// Add lets a reader join. The name, such as "pod web-1", says in remarks who
// is silent. The merger closes the reader. Safe for concurrent use.
func (m *Merger) Add(name string, r Reader) {
	m.mu.Lock()
	m.joined = append(m.joined, &input{name: name, reader: r, batches: make(chan *Batch, 1)})
	m.mu.Unlock()
	m.poke()
}

// Close says that no reader joins any more, so that Run ends with the last of
// them.
func (m *Merger) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.poke()
}

func (m *Merger) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run merges into the sink until the merger is closed and all readers are at
// their end, the context is done, or the sink fails. It gives the sink's
// error, the context's, or those of readers that failed on the way.
func (m *Merger) Run(ctx context.Context, sink Sink) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var pumps sync.WaitGroup
	defer func() {
		cancel()
		for _, in := range m.inputs {
			err = errors.Join(err, in.close())
		}
		pumps.Wait()
	}()
	for {
		closed := m.admit(ctx, &pumps)
		m.collect()
		ranDry, wait, err := m.emit(sink)
		switch {
		case err != nil:
			return err
		case ranDry:
			continue
		}
		if err := m.flush(sink); err != nil {
			return err
		}
		if closed && len(m.inputs) == 0 {
			return errors.Join(m.failures...)
		}
		if err := m.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// admit starts the readers that joined and says whether no more can.
func (m *Merger) admit(ctx context.Context, pumps *sync.WaitGroup) (closed bool) {
	m.mu.Lock()
	joined := m.joined
	m.joined = nil
	closed = m.closed
	m.mu.Unlock()
	for _, in := range joined {
		in.silentSince = time.Now()
		m.inputs = append(m.inputs, in)
		pumps.Go(func() { in.pump(ctx, m.poke) })
	}
	return closed
}

// collect takes what the readers have brought and forgets those that are at
// their end.
func (m *Merger) collect() {
	kept := m.inputs[:0]
	for _, in := range m.inputs {
		for m.wants(in) && m.receive(in) {
		}
		if in.ended && len(in.queue) == 0 {
			m.failures = append(m.failures, in.end()...)
			continue
		}
		kept = append(kept, in)
	}
	clear(m.inputs[len(kept):])
	m.inputs = kept
}

// wants says whether to take more from a reader: everything from one that
// lives in the present, else as much as is needed to compare.
func (m *Merger) wants(in *input) bool {
	return !in.ended && (len(in.queue) == 0 || in.live && m.buffered < m.opts.MaxBuffered)
}

// receive takes one batch, if there is one.
func (m *Merger) receive(in *input) bool {
	var b *Batch
	select {
	case next, open := <-in.batches:
		if !open {
			in.ended = true
			return false
		}
		b = next
	default:
		return false
	}
	h := held{batch: b, at: time.Now(), past: !in.live}
	in.live = in.live || b.CaughtUp
	if len(b.Lines) == 0 {
		b.Release()
		return true
	}
	m.buffered += b.Size()
	if h.past {
		m.past++
	}
	in.queue = append(in.queue, h)
	in.stalled = false
	if len(in.queue) == 1 {
		in.next = 0
		m.heads.push(in)
	}
	return true
}

// emit writes the lines whose turn it is, until it must wait, at most as long
// as it says, or a reader's lines have run out, so that its next ones must be
// looked for first.
func (m *Merger) emit(sink Sink) (ranDry bool, wait time.Duration, err error) {
	waitPast, silent := m.survey()
	if err := m.remark(sink); err != nil {
		return false, 0, err
	}
	if waitPast > 0 {
		return false, waitPast, nil
	}
	for len(m.heads) > 0 {
		if silent && m.past == 0 && m.buffered < m.opts.MaxBuffered {
			if wait := m.opts.Window - time.Since(m.heads[0].queue[0].at); wait > 0 {
				return false, wait, m.announce(sink)
			}
		}
		if ranDry, err = m.writeRun(sink); ranDry || err != nil {
			return ranDry, 0, err
		}
	}
	return false, idle, m.announce(sink)
}

// idle is how long to wait when only news can change anything.
const idle = time.Hour

// survey says how long to wait for readers that are silent in their past, and
// whether one in the present is silent.
func (m *Merger) survey() (waitPast time.Duration, silent bool) {
	for _, in := range m.inputs {
		switch {
		case len(in.queue) > 0 || in.ended || in.stalled:
		case in.live:
			silent = true
		default:
			left := m.opts.Patience - time.Since(in.silentSince)
			if left <= 0 {
				in.stalled = true
				text := fmt.Sprintf("nothing from %s for %s: going on without it", in.name, m.opts.Patience)
				m.remarks = append(m.remarks, Line{At: time.Now().UnixNano(), Mark: MarkStalled, Text: []byte(text)})
			}
			waitPast = max(waitPast, left)
		}
	}
	return waitPast, silent
}

// remark writes what there is to say about readers.
func (m *Merger) remark(sink Sink) error {
	if len(m.remarks) == 0 {
		return nil
	}
	remarks := m.remarks
	m.remarks, m.written = nil, true
	return sink.Write(remarks)
}

// announce tells the sink, once, that the past is written.
func (m *Merger) announce(sink Sink) error {
	if m.caughtUp || m.past > 0 {
		return nil
	}
	m.caughtUp = true
	return sink.CaughtUp()
}

// writeRun writes the lines of the reader whose turn it is up to another's
// turn, and says whether that used up what is held of it.
func (m *Merger) writeRun(sink Sink) (ranDry bool, err error) {
	in := m.heads[0]
	h := in.queue[0]
	limit := m.heads.second()
	end := in.next + 1
	for end < len(h.batch.Lines) && h.batch.Lines[end].At <= limit {
		end++
	}
	if err := sink.Write(h.batch.Lines[in.next:end]); err != nil {
		return false, err
	}
	m.written = true
	in.next = end
	if end == len(h.batch.Lines) {
		m.drop(in)
	}
	if len(in.queue) == 0 {
		in.silentSince = time.Now()
		m.heads.pop()
		return true, nil
	}
	m.heads.down(0)
	return false, nil
}

// drop lets go of the reader's oldest batch.
func (m *Merger) drop(in *input) {
	h := in.queue[0]
	in.queue[0] = held{}
	in.queue = in.queue[1:]
	in.next = 0
	m.buffered -= h.batch.Size()
	if h.past {
		m.past--
	}
	h.batch.Release()
}

func (m *Merger) flush(sink Sink) error {
	if !m.written {
		return nil
	}
	m.written = false
	return sink.Flush()
}

// pause waits for news, at most as long as said.
func (m *Merger) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-m.wake:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
