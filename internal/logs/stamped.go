package logs

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Sizes of reading, in bytes.
const (
	chunkSize = 32 << 10
	// MaxLine is the longest line kept in one piece; longer ones are cut.
	MaxLine = 1 << 20
)

// Stamped cuts a stream of the Kubernetes log API with timestamps=true into
// batches of lines. Not for concurrent use.
type Stamped struct {
	src    io.Reader
	origin *Origin
	keep   func(at int64, text []byte) bool
	gap    func() bool
	remark func([]byte) bool
	fill   bool

	clock    Clock
	position Position
	resume   Resumption
	rest     []byte // of a line whose end has not come
	cut      bool   // the last line goes on
	fresh    bool   // the last line was new
	err      error
}

// StampedOptions say how to read.
type StampedOptions struct {
	// Keep chooses lines; those left out still count for the position. Nil
	// keeps all.
	Keep func(at int64, text []byte) bool
	// Fill makes batches as full as they get; without it lines are given as
	// soon as they are there.
	Fill bool
	// From is where reading goes on; its zero value is the beginning.
	From Position
	// Gap is asked when the log does not reach back to From. If it says false
	// the log is another one: nothing of it is given, and Next's error is
	// ErrOtherLog. Nil says true.
	Gap func() bool
	// Remark is asked whether to pass on, as a mark, what the kubelet says in
	// place of lines. Nil says true.
	Remark func(text []byte) bool
	// Replaced says that the log is known not to reach back to From, so that
	// this is no gap.
	Replaced bool
}

// ErrOtherLog says that the stream is not the one to go on with.
var ErrOtherLog = errors.New("the log is another one than before")

// NewStamped reads src, the output of origin.
func NewStamped(src io.Reader, origin *Origin, opts StampedOptions) *Stamped {
	s := &Stamped{src: src, origin: origin, keep: opts.Keep, gap: opts.Gap, remark: opts.Remark, fill: opts.Fill, position: opts.From, resume: opts.From.Resume()}
	s.resume.replaced = opts.Replaced
	return s
}

// Position is how far was read: behind the last line of the last batch.
func (s *Stamped) Position() Position { return s.position }

// Next gives the next batch, which may be empty, or the stream's error. A last
// line without newline is given too.
func (s *Stamped) Next() (*Batch, error) {
	if s.err != nil {
		return nil, s.err
	}
	b := NewBatch()
	s.read(b)
	whole := bytes.LastIndexByte(b.buf, '\n') + 1
	if errors.Is(s.err, io.EOF) || whole == 0 && len(b.buf) >= MaxLine {
		whole = len(b.buf)
	}
	s.rest = append(s.rest[:0], b.buf[whole:]...)
	s.split(b, b.buf[:whole])
	if len(b.Lines) == 0 && s.err != nil {
		b.Release()
		return nil, s.err
	}
	return b, nil
}

// read fills the batch's buffer until it holds a whole line at least, or the
// stream ends.
func (s *Stamped) read(b *Batch) {
	if need := len(s.rest) + chunkSize; cap(b.buf) < need {
		b.buf = make([]byte, 0, need)
	}
	b.buf = append(b.buf[:0], s.rest...)
	ended := false // a line's end was read
	for s.err == nil {
		if len(b.buf) == cap(b.buf) {
			if ended || len(b.buf) >= MaxLine {
				return
			}
			b.buf = append(b.buf, make([]byte, len(b.buf))...)[:len(b.buf)]
		}
		var n int
		n, s.err = s.src.Read(b.buf[len(b.buf):cap(b.buf)])
		ended = ended || bytes.IndexByte(b.buf[len(b.buf):len(b.buf)+n], '\n') >= 0
		b.buf = b.buf[:len(b.buf)+n]
		if ended && !s.fill {
			return
		}
	}
}

// split makes lines of the text.
func (s *Stamped) split(b *Batch, text []byte) {
	for len(text) > 0 && !errors.Is(s.err, ErrOtherLog) {
		line, rest, ended := bytes.Cut(text, []byte{'\n'})
		text = rest
		s.line(b, line)
		s.cut = !ended
	}
}

// line adds one line, unless it was seen before or is not asked for.
func (s *Stamped) line(b *Batch, line []byte) {
	at, text, stamped := s.clock.Split(line)
	switch {
	case s.cut: // more of the line before, with its time and fate
		at, text = s.lastTime(), line
	case !stamped:
		s.markRemark(b, line)
		return
	default:
		gap := false
		if s.fresh, gap = s.resume.Take(at); gap {
			if s.gap != nil && !s.gap() {
				s.err = ErrOtherLog
				return
			}
			s.markGap(b, at)
		}
		if s.fresh {
			s.position.Note(at)
		}
	}
	if s.fresh && (s.keep == nil || s.keep(at, text)) {
		b.Lines = append(b.Lines, Line{Origin: s.origin, At: at, Text: text})
	}
}

// markRemark passes on what the kubelet says in place of lines, such as that it
// cannot retrieve them.
func (s *Stamped) markRemark(b *Batch, line []byte) {
	s.fresh = false // nor is what follows of it
	if len(line) > 0 && (s.remark == nil || s.remark(line)) {
		b.Lines = append(b.Lines, Line{Origin: s.origin, At: s.lastTime(), Mark: MarkGap, Text: append([]byte("the node says: "), line...)})
	}
}

func (s *Stamped) lastTime() int64 {
	if s.position.Begun() {
		return s.position.Last
	}
	return time.Now().UnixNano()
}

// markGap says that the log does not reach back to what was read last.
func (s *Stamped) markGap(b *Batch, at int64) {
	text := "lines may be missing: the log was rotated or replaced between " +
		stampText(s.position.Last) + " and " + stampText(at)
	b.Lines = append(b.Lines, Line{Origin: s.origin, At: at, Mark: MarkGap, Text: []byte(text)})
}

func stampText(at int64) string { return time.Unix(0, at).UTC().Format("15:04:05.000") }
