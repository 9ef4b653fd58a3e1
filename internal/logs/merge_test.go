package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is a sink that keeps texts, with "|" where the past ended.
type recorder struct{ texts []string }

func (r *recorder) Write(lines []Line) error {
	for i := range lines {
		r.texts = append(r.texts, string(lines[i].Text))
	}
	return nil
}
func (r *recorder) Flush() error    { return nil }
func (r *recorder) CaughtUp() error { r.texts = append(r.texts, "|"); return nil }

// chanReader is a reader fed by a test.
type chanReader struct {
	batches chan *Batch
	err     error
}

func (r *chanReader) Next(ctx context.Context) (*Batch, error) {
	select {
	case b, open := <-r.batches:
		if open {
			return b, nil
		}
		if r.err != nil {
			return nil, r.err
		}
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
func (r *chanReader) Close() error { return nil }

func batch(origin string, caughtUp bool, times ...int64) *Batch {
	b := NewBatch()
	b.CaughtUp = caughtUp
	for _, at := range times {
		b.Append(&Origin{Pod: origin}, at, "", fmt.Appendf(nil, "%s%d", origin, at))
	}
	return b
}

func TestMergeOrdersThePastExactly(t *testing.T) {
	const readers, lines = 40, 500
	random := rand.New(rand.NewPCG(1, 2))
	m := NewMerger(MergeOptions{})
	var want []int64
	for i := range readers {
		var batches []*Batch
		at := int64(0)
		for range lines / 50 {
			var times []int64
			for range 50 {
				at += random.Int64N(1000)
				times = append(times, at)
			}
			want = append(want, times...)
			batches = append(batches, batch(fmt.Sprint("p", i, "-"), false, times...))
		}
		m.Add(fmt.Sprint("p", i), given(batches...))
	}
	m.Close()
	var got []int64
	if err := m.Run(t.Context(), sinkFunc(func(l Line) { got = append(got, l.At) })); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if m.buffered != 0 || m.past != 0 {
		t.Errorf("after the end %d bytes and %d batches are still accounted for", m.buffered, m.past)
	}
}

type sinkFunc func(Line)

func (f sinkFunc) Write(lines []Line) error {
	for _, l := range lines {
		f(l)
	}
	return nil
}
func (sinkFunc) Flush() error    { return nil }
func (sinkFunc) CaughtUp() error { return nil }

func TestMergeKeepsAReadersOwnOrder(t *testing.T) {
	m := NewMerger(MergeOptions{})
	m.Add("a", given(batch("a", false, 5, 3, 9)))
	m.Add("b", given(batch("b", false, 4, 6)))
	m.Close()
	r := &recorder{}
	if err := m.Run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b4", "a5", "a3", "b6", "a9", "|"}, r.texts); diff != "" {
		t.Error(diff)
	}
}

func TestMergeGoesOnWithoutSilentReader(t *testing.T) {
	dead := &chanReader{batches: make(chan *Batch)}
	m := NewMerger(MergeOptions{Patience: 30 * time.Millisecond})
	m.Add("pod a", given(batch("a", false, 1, 2)))
	m.Add("pod dead", dead)
	m.Close()
	r := &recorder{}
	done := make(chan error)
	go func() { done <- m.Run(t.Context(), r) }()
	time.Sleep(80 * time.Millisecond)
	close(dead.batches)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := []string{"nothing from pod dead for 30ms: going on without it", "a1", "a2", "|"}
	if diff := cmp.Diff(want, r.texts); diff != "" {
		t.Error(diff)
	}
}

func TestMergeReordersWithinWindow(t *testing.T) {
	a, b := &chanReader{batches: make(chan *Batch, 9)}, &chanReader{batches: make(chan *Batch, 9)}
	m := NewMerger(MergeOptions{Window: 100 * time.Millisecond})
	m.Add("a", a)
	m.Add("b", b)
	m.Close()
	a.batches <- batch("a", true, 1)
	b.batches <- batch("b", true, 2)
	lines := make(chan string, 9)
	done := make(chan error)
	go func() { done <- m.Run(t.Context(), sinkFunc(func(l Line) { lines <- string(l.Text) })) }()
	a.batches <- batch("a", false, 20)
	time.Sleep(20 * time.Millisecond)
	b.batches <- batch("b", false, 10) // late, but within the window
	var got []string
	for range 3 {
		got = append(got, <-lines)
	}
	started := time.Now()
	got = append(got, <-lines) // nothing of b follows: the window lets it go
	if waited := time.Since(started); waited > time.Second {
		t.Errorf("a20 was held back for %s", waited)
	}
	close(a.batches)
	close(b.batches)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a1", "b2", "b10", "a20"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMergeMemoryStaysBoundedWhileOneReaderIsSilent(t *testing.T) {
	busy, silent := &chanReader{batches: make(chan *Batch)}, &chanReader{batches: make(chan *Batch, 1)}
	silent.batches <- batch("s", true)
	m := NewMerger(MergeOptions{Window: time.Hour, MaxBuffered: 64 << 10})
	m.Add("busy", busy)
	m.Add("silent", silent)
	m.Close()
	const batches = 500
	go func() {
		for i := range batches {
			b := batch("b", true)
			b.Append(&Origin{}, int64(i), "", []byte(strings.Repeat("x", 4096)))
			busy.batches <- b
		}
		close(busy.batches)
		close(silent.batches)
	}()
	n, most := 0, 0
	err := m.Run(t.Context(), sinkFunc(func(Line) { n++; most = max(most, m.buffered) }))
	if err != nil || n != batches {
		t.Fatalf("got %d lines and %v", n, err)
	}
	if most > 80<<10 {
		t.Errorf("%d bytes were held back", most)
	}
}

func TestMergeSaysWhichReaderFailed(t *testing.T) {
	broken := &chanReader{batches: make(chan *Batch), err: errors.New("disk on fire")}
	close(broken.batches)
	m := NewMerger(MergeOptions{})
	m.Add("the archive", broken)
	m.Add("a", given(batch("a", false, 1)))
	m.Close()
	r := &recorder{}
	err := m.Run(t.Context(), r)
	if err == nil || err.Error() != "reading logs of the archive: disk on fire" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"a1", "|"}, r.texts); diff != "" {
		t.Error(diff)
	}
}

func TestMergeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := NewMerger(MergeOptions{})
	m.Add("a", &chanReader{batches: make(chan *Batch)})
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := m.Run(ctx, &recorder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTailKeepsTheNewestOfThePast(t *testing.T) {
	a := &chanReader{batches: make(chan *Batch, 3)}
	a.batches <- batch("a", false, 1, 2, 3)
	a.batches <- batch("a", true, 4)
	a.batches <- batch("a", false, 5)
	close(a.batches)
	m := NewMerger(MergeOptions{})
	m.Add("a", a)
	m.Close()
	r := &recorder{}
	if err := m.Run(t.Context(), NewTail(r, 2)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a3", "a4", "|", "a5"}, r.texts); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkMerge(b *testing.B) {
	const readers, perBatch = 20, 300
	text := []byte(strings.Repeat("x", 100))
	b.SetBytes(int64(len(text)))
	m := NewMerger(MergeOptions{})
	for i := range readers {
		origin := &Origin{Component: "web", Pod: fmt.Sprint("web-", i)}
		m.Add("", &madeReader{left: b.N / readers, make: func(n int, at int64) *Batch {
			batch := NewBatch()
			for k := range min(n, perBatch) {
				batch.Lines = append(batch.Lines, Line{Origin: origin, At: at + int64(k*readers+i), Text: text})
			}
			return batch
		}})
	}
	m.Close()
	if err := m.Run(b.Context(), NewPrinter(io.Discard, PrintOptions{})); err != nil {
		b.Fatal(err)
	}
}

type madeReader struct {
	left int
	at   int64
	make func(n int, at int64) *Batch
}

func (r *madeReader) Next(context.Context) (*Batch, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	b := r.make(r.left, r.at)
	r.left -= len(b.Lines)
	r.at += int64(len(b.Lines) * 20)
	return b, nil
}
func (r *madeReader) Close() error { return nil }

// given is a reader of batches that are at hand.
func given(bs ...*Batch) Reader { return &sliceReader{batches: bs} }

type sliceReader struct{ batches []*Batch }

func (r *sliceReader) Next(context.Context) (*Batch, error) {
	if len(r.batches) == 0 {
		return nil, io.EOF
	}
	b := r.batches[0]
	r.batches = r.batches[1:]
	return b, nil
}

func (r *sliceReader) Close() error { return nil }
