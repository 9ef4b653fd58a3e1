package logs

// Tail is a Sink that passes on only the newest lines of the past, and all of
// the present. Remarks count as lines.
type Tail struct {
	next  Sink
	ring  []tailLine
	start int
	max   int
	live  bool
}

// tailLine is a copy of a line, whose buffer is used again.
type tailLine struct {
	line Line
	text []byte
}

// NewTail passes the newest n lines of the past on to next.
func NewTail(next Sink, n int) *Tail { return &Tail{next: next, max: n} }

// Write keeps or passes on the lines.
func (t *Tail) Write(lines []Line) error {
	if t.live {
		return t.next.Write(lines)
	}
	if len(lines) > t.max {
		lines = lines[len(lines)-t.max:]
	}
	for _, l := range lines {
		if len(t.ring) < t.max {
			t.ring = append(t.ring, tailLine{})
			t.ring[len(t.ring)-1].set(l)
			continue
		}
		t.ring[t.start].set(l)
		t.start = (t.start + 1) % t.max
	}
	return nil
}

func (k *tailLine) set(l Line) {
	k.text = append(k.text[:0], l.Text...)
	k.line = l
	k.line.Text = k.text
}

// CaughtUp passes on what was kept.
func (t *Tail) CaughtUp() error {
	for i := range t.ring {
		kept := &t.ring[(t.start+i)%len(t.ring)]
		if err := t.next.Write([]Line{kept.line}); err != nil {
			return err
		}
	}
	t.ring, t.live = nil, true
	if err := t.next.CaughtUp(); err != nil {
		return err
	}
	return t.next.Flush()
}

// Flush passes on.
func (t *Tail) Flush() error {
	if !t.live {
		return nil
	}
	return t.next.Flush()
}
