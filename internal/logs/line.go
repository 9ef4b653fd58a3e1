// Package logs brings the output of an environment's containers together:
// lines of many containers become one sequence in time order, whether they
// are read live from the cluster (live), from the embedded archive (archive),
// from Loki (loki) or from a distant Landfall (httpapi).
//
// The package knows lines, readers and their merge; it knows nothing of
// Kubernetes, files or HTTP. Start at Line and Reader, then Merger.
package logs

import (
	"strings"
	"sync"
	"time"
)

// Origin is where a line comes from. Origins are shared between lines and
// never change.
type Origin struct {
	Component string `json:"component,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	// Only is true where the container is the only one of its pod, so that
	// people need not be told its name.
	Only bool `json:"-"`
}

// Key identifies the container across sources.
func (o *Origin) Key() string { return o.Pod + "/" + o.Container }

// String names the origin for people: COMPONENT/POD, with the container where
// the pod has several. A pod's name usually starts with its component's, which
// is not said twice.
func (o *Origin) String() string {
	name := o.Pod
	switch {
	case o.Component == "" || o.Pod == o.Component:
	case strings.HasPrefix(o.Pod, o.Component+"-"):
		name = o.Component + "/" + o.Pod[len(o.Component)+1:]
	default:
		name = o.Component + "/" + o.Pod
	}
	if !o.Only && o.Container != "" {
		name += "/" + o.Container
	}
	return name
}

// Line is one line of output, or a mark: a remark of Landfall's own in the
// flow, such as a gap.
type Line struct {
	// Origin is nil for a remark about no container in particular.
	Origin *Origin
	// At is the time the container runtime gave the line, in nanoseconds since
	// 1970.
	At int64
	// Text without the newline. It belongs to the line's batch.
	Text []byte
	// Mark says that Text is a remark; "" for a container's own output.
	Mark Mark
}

// Time is At as a time in UTC.
func (l *Line) Time() time.Time { return time.Unix(0, l.At).UTC() }

// Mark is the kind of a remark in the flow of lines.
type Mark string

// Marks.
const (
	// MarkGap: lines are missing here, or may be.
	MarkGap Mark = "gap"
	// MarkRestart: the container ended and another instance of it runs.
	MarkRestart Mark = "restart"
	// MarkStalled: a node or source does not answer; the rest goes on.
	MarkStalled Mark = "stalled"
	// MarkResumed: what had stalled answers again.
	MarkResumed Mark = "resumed"
)

// Batch is a run of lines read at once, in order. Its buffer is used again
// after Release.
type Batch struct {
	Lines []Line
	// CaughtUp says that what follows happens now: the reader's past is at its
	// end with this batch, which may be empty.
	CaughtUp bool
	// Instance and Position say, of a batch of one container's live output,
	// how often the container was restarted before and how far was read.
	Instance int32
	Position Position

	buf []byte
}

// Size is the memory the batch holds, in bytes.
func (b *Batch) Size() int { return cap(b.buf) + cap(b.Lines)*lineSize }

// lineSize is the memory of a Line without its text.
const lineSize = 64

// Append adds a line; the text is copied into the batch.
func (b *Batch) Append(origin *Origin, at int64, mark Mark, text []byte) {
	start := len(b.buf)
	// Growing moves the buffer; earlier lines keep the old one alive.
	b.buf = append(b.buf, text...)
	b.Lines = append(b.Lines, Line{Origin: origin, At: at, Mark: mark, Text: b.buf[start:len(b.buf):len(b.buf)]})
}

// Release gives the batch back. Its lines must not be used any more.
func (b *Batch) Release() {
	clear(b.Lines)
	b.Lines, b.buf, b.CaughtUp, b.Instance, b.Position = b.Lines[:0], b.buf[:0], false, 0, Position{}
	if cap(b.buf) <= maxPooled {
		batches.Put(b)
	}
}

// maxPooled keeps a batch that held one giant line from staying for ever.
const maxPooled = 256 << 10

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch gives an empty batch.
func NewBatch() *Batch { return batches.Get().(*Batch) }

// MarkBatch is a batch of one remark.
func MarkBatch(origin *Origin, at time.Time, mark Mark, text string) *Batch {
	b := NewBatch()
	b.Append(origin, at.UnixNano(), mark, []byte(text))
	return b
}
