package archive

import (
	"cmp"
	"slices"

	"github.com/landfall-dev/landfall/internal/logs"
)

// pending are lines that wait to be written together.
type pending struct {
	entries []pendingEntry
	byKey   map[Stream]int
	lines   []line
	buf     []byte
	size    int // bytes of text
}

type pendingEntry struct {
	stream     Stream
	lines      int
	checkpoint Checkpoint
}

func (p *pending) add(s Stream, lines []logs.Line, c Checkpoint) {
	i, known := p.byKey[s]
	if !known {
		if p.byKey == nil {
			p.byKey = map[Stream]int{}
		}
		i = len(p.entries)
		p.byKey[s] = i
		p.entries = append(p.entries, pendingEntry{stream: s})
	}
	p.entries[i].lines += len(lines)
	p.entries[i].checkpoint = c
	for _, l := range lines {
		start := len(p.buf)
		p.buf = append(p.buf, l.Text...)
		p.lines = append(p.lines, line{entry: i, at: l.At, mark: l.Mark, text: p.buf[start:len(p.buf):len(p.buf)]})
		p.size += len(l.Text) + 8
	}
}

func (p *pending) checkpoint(uid, container string) (Checkpoint, bool) {
	for i := range p.entries {
		if s := &p.entries[i].stream; s.UID == uid && s.Container == container {
			return p.entries[i].checkpoint, true
		}
	}
	return Checkpoint{}, false
}

func (p *pending) reset() {
	*p = pending{entries: p.entries[:0], lines: p.lines[:0], buf: p.buf[:0]}
}

// block gives the pending lines as a block, in order of time. number gives a
// stream's number in the segment.
func (p *pending) block(number func(Stream) uint32) (blockHead, []byte) {
	h := blockHead{Lines: len(p.lines)}
	for _, e := range p.entries {
		h.Entries = append(h.Entries, blockEntry{Stream: number(e.stream), Lines: e.lines, Checkpoint: e.checkpoint})
	}
	slices.SortStableFunc(p.lines, byTime)
	return h, h.fill(p.lines)
}

func byTime(a, b line) int { return cmp.Compare(a.at, b.at) }

// fill gives the text of sorted lines and notes their span.
func (h *blockHead) fill(lines []line) (text []byte) {
	before := int64(0)
	for _, l := range lines {
		text = appendText(text, l, before)
		before = l.at
	}
	if len(lines) > 0 {
		h.Oldest, h.Newest = lines[0].at, lines[len(lines)-1].at
	}
	h.TextLen = len(text)
	return text
}
