package logs

import "context"

// Start is where a container's live output begins: the time of its first line
// and how many lines at its beginning have that time.
type Start struct {
	At    int64
	Count int
}

// StartOf gives where the batch begins; ok is false where it has no output.
func StartOf(b *Batch) (start Start, ok bool) {
	for i := range b.Lines {
		switch l := &b.Lines[i]; {
		case l.Mark != "":
		case start.Count == 0:
			start = Start{At: l.At, Count: 1}
		case l.At == start.At:
			start.Count++
		default:
			return start, true
		}
	}
	return start, start.Count > 0
}

// WithoutOverlap gives the gathered lines that live output does not have:
// those of containers that are gone, and of the others what is older than
// their live output. Where lines of one nanosecond stand on both sides, only
// as many pass as the live side lacks. Starts are by Origin.Key.
func WithoutOverlap(gathered Reader, starts map[string]Start) Reader {
	return &overlapReader{Reader: gathered, starts: starts, seams: map[string]*Batch{}}
}

// overlapReader holds the lines of a container's first live nanosecond back
// until the end of that nanosecond, to know how many they are.
type overlapReader struct {
	Reader
	starts map[string]Start
	seams  map[string]*Batch
	err    error
}

func (r *overlapReader) Next(ctx context.Context) (*Batch, error) {
	for r.err == nil {
		in, err := r.Reader.Next(ctx)
		if err != nil {
			r.err = err
			break
		}
		out := NewBatch()
		out.CaughtUp = in.CaughtUp
		for i := range in.Lines {
			r.sort(out, &in.Lines[i])
		}
		in.Release()
		if len(out.Lines) > 0 || out.CaughtUp {
			return out, nil
		}
		out.Release()
	}
	out := NewBatch()
	for key := range r.seams {
		r.closeSeam(out, key)
	}
	if len(out.Lines) > 0 {
		return out, nil
	}
	out.Release()
	return nil, r.err
}

// sort passes the line on, drops it, or holds it back.
func (r *overlapReader) sort(out *Batch, l *Line) {
	for key := range r.seams {
		if r.starts[key].At < l.At {
			r.closeSeam(out, key)
		}
	}
	if l.Origin == nil {
		out.Append(nil, l.At, l.Mark, l.Text)
		return
	}
	key := l.Origin.Key()
	start, live := r.starts[key]
	switch {
	case !live || l.At < start.At:
		out.Append(l.Origin, l.At, l.Mark, l.Text)
	case l.At == start.At && l.Mark == "":
		if r.seams[key] == nil {
			r.seams[key] = NewBatch()
		}
		r.seams[key].Append(l.Origin, l.At, l.Mark, l.Text)
	}
}

// closeSeam passes on what the live side lacks of its first nanosecond.
func (r *overlapReader) closeSeam(out *Batch, key string) {
	seam := r.seams[key]
	delete(r.seams, key)
	for _, l := range seam.Lines[:max(0, len(seam.Lines)-r.starts[key].Count)] {
		out.Append(l.Origin, l.At, l.Mark, l.Text)
	}
	seam.Release()
}
