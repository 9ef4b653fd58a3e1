package archive

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/logstest"
)

func open(t *testing.T, dir string, opts Options) *Archive {
	t.Helper()
	a, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// fill appends entries one by one, flushing now and then.
func fill(t *testing.T, a *Archive, entries []logstest.Entry, flushEvery int) {
	t.Helper()
	for i, e := range entries {
		s := Stream{Project: e.Project, Environment: e.Environment, Component: e.Component, Pod: e.Pod, UID: e.Project + e.Environment + e.Pod, Container: e.Container}
		var c Checkpoint
		c.Position.Note(e.At.UnixNano())
		if err := a.Append(s, []logs.Line{{At: e.At.UnixNano(), Text: []byte(e.Text)}}, c); err != nil {
			t.Fatal(err)
		}
		if i%flushEvery == 0 {
			if err := a.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestConformanceOfTail(t *testing.T) {
	logstest.Source(t, func(t *testing.T, entries []logstest.Entry) logs.Source {
		a := open(t, t.TempDir(), Options{})
		fill(t, a, entries, 50)
		return a
	})
}

func TestConformanceOfSealedSegments(t *testing.T) {
	logstest.Source(t, func(t *testing.T, entries []logstest.Entry) logs.Source {
		a := open(t, t.TempDir(), Options{SegmentText: 20 << 10})
		fill(t, a, entries, 300)
		if err := a.sealFull(); err != nil {
			t.Fatal(err)
		}
		sealed := 0
		for _, s := range a.segments {
			if s.sealed {
				sealed++
			}
		}
		if sealed < 3 {
			t.Fatalf("only %d segments were sealed: the test shows little", sealed)
		}
		return a
	})
}

func TestConformanceAfterReopening(t *testing.T) {
	logstest.Source(t, func(t *testing.T, entries []logstest.Entry) logs.Source {
		dir := t.TempDir()
		a := open(t, dir, Options{SegmentText: 20 << 10})
		fill(t, a, entries[:len(entries)/2], 300)
		if err := a.sealFull(); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = open(t, dir, Options{SegmentText: 20 << 10})
		fill(t, a, entries[len(entries)/2:], 300)
		return a
	})
}

var stream = Stream{Project: "shop", Environment: "staging", Component: "web", Pod: "web-1", UID: "u1", Container: "main"}

var query = logs.Query{Project: "shop", Environment: "staging"}

func appendLines(t *testing.T, a *Archive, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		c := Checkpoint{Instance: 2, Position: logs.Position{First: int64(i), Last: int64(i), Count: int64(i) + 1}}
		if err := a.Append(stream, []logs.Line{{At: int64(i), Text: fmt.Appendf(nil, "line %d", i)}}, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
}

func texts(t *testing.T, a *Archive, q logs.Query) (texts []string) {
	t.Helper()
	r, err := a.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		texts = append(texts, string(l.Text))
	}
	return texts
}

// TestTornTail cuts the file behind every byte, as a crash may: what is left
// are whole blocks, the checkpoint says how many lines they are, and writing
// goes on behind them.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	for i := range 8 {
		appendLines(t, a, i*3, i*3+3)
	}
	path := a.tail().path
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		file := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		got := texts(t, a, query)
		c, known := a.Checkpoint("u1", "main")
		if known != (len(got) > 0) || known && c.Position.Count != int64(len(got)) {
			t.Fatalf("cut at %d: %d lines, but the checkpoint is %+v", cut, len(got), c)
		}
		appendLines(t, a, len(got), 24)
		var want []string
		for i := range 24 {
			want = append(want, fmt.Sprint("line ", i))
		}
		if diff := cmp.Diff(want, texts(t, a, query)); diff != "" {
			t.Fatalf("cut at %d, then gone on:\n%s", cut, diff)
		}
		a.Close()
	}
}

// TestDamageInTheMiddleIsSaid changes a byte of a sealed segment: the other
// blocks are read, and the loss is marked.
func TestDamageInTheMiddleIsSaid(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{SegmentText: 1})
	appendLines(t, a, 0, 10)
	appendLines(t, a, 10, 20)
	if err := a.sealFull(); err != nil {
		t.Fatal(err)
	}
	path := a.segments[0].path
	if !a.segments[0].sealed {
		t.Fatal("the first segment is not sealed")
	}
	a.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(magic)+recordHead+20] ^= 0xff
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a = open(t, dir, Options{})
	got := texts(t, a, query)
	if len(got) != 11 || !strings.Contains(got[0], "up to 10 gathered lines cannot be read") || got[1] != "line 10" {
		t.Errorf("got %q", got)
	}
}

func TestUnreadableFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{SegmentText: 1})
	appendLines(t, a, 0, 1)
	appendLines(t, a, 1, 2)
	if err := a.sealFull(); err != nil {
		t.Fatal(err)
	}
	path := a.segments[0].path
	a.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	a = open(t, dir, Options{})
	if diff := cmp.Diff([]string{"line 1"}, texts(t, a, query)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestCrashWhileSealing(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{SegmentText: 1})
	appendLines(t, a, 0, 3)
	appendLines(t, a, 3, 4)
	tail := a.segments[0]
	content, err := os.ReadFile(tail.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.sealFull(); err != nil {
		t.Fatal(err)
	}
	a.Close()
	// The crash came after the rename, before the tail was removed.
	for name, content := range map[string][]byte{tail.path: content, filepath.Join(dir, "0000000000000009.logs.tmp"): []byte("half")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a = open(t, dir, Options{})
	if diff := cmp.Diff([]string{"line 0", "line 1", "line 2", "line 3"}, texts(t, a, query)); diff != "" {
		t.Error(diff)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRetentionByAge(t *testing.T) {
	now := time.Unix(0, 1000).Add(48 * time.Hour)
	a := open(t, t.TempDir(), Options{SegmentText: 1, MaxAge: time.Hour, Clock: func() time.Time { return now }})
	appendLines(t, a, 0, 10)
	if _, known := a.Checkpoint("u1", "main"); !known {
		t.Fatal("no checkpoint")
	}
	recent := Stream{Project: "shop", Environment: "staging", Pod: "new", UID: "u2", Container: "main"}
	if err := a.Append(recent, []logs.Line{{At: now.UnixNano(), Text: []byte("recent")}}, Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	a.maintain() // the tail that is written stays
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	a.maintain()
	if diff := cmp.Diff([]string{"recent"}, texts(t, a, query)); diff != "" {
		t.Error(diff)
	}
	if _, known := a.Checkpoint("u1", "main"); known {
		t.Error("the checkpoint outlived its lines")
	}
}

func TestRetentionBySize(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{SegmentText: 1 << 10, MaxSize: 6 << 10, MaxAge: 100 * 365 * 24 * time.Hour})
	for i := range 200 {
		appendLines(t, a, i*50, i*50+50)
		a.maintain()
	}
	stats := a.Stats()
	if stats.Bytes > 8<<10 || stats.Segments < 2 {
		t.Errorf("%+v", stats)
	}
	got := texts(t, a, query)
	if len(got) == 0 || got[len(got)-1] != "line 9999" || len(got) == 10_000 {
		t.Errorf("%d lines are left", len(got))
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.*"))
	if len(files) != stats.Segments {
		t.Errorf("%d files for %d segments", len(files), stats.Segments)
	}
}

func TestReaderSurvivesSealingAndRetention(t *testing.T) {
	a := open(t, t.TempDir(), Options{SegmentText: 1, MaxSize: 1})
	for i := range 30 {
		appendLines(t, a, i*100, i*100+100)
	}
	r, err := a.Read(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	a.maintain()
	a.Close()
	lines, err := logs.ReadAll(t.Context(), r)
	if err != nil || len(lines) != 3000 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if fault.ClassOf(err) != fault.Refused || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

// TestSearchHasFlatMemory greps through far more text than it may hold.
func TestSearchHasFlatMemory(t *testing.T) {
	a := open(t, t.TempDir(), Options{SegmentText: 8 << 20})
	lines := make([]logs.Line, 1000)
	pad := strings.Repeat("lorem ipsum ", 10)
	for i := range 400 { // 50 MB
		for k := range lines {
			n := i*len(lines) + k
			lines[k] = logs.Line{At: int64(n), Text: fmt.Appendf(nil, "%s %d", pad, n)}
		}
		if err := a.Append(stream, lines, Checkpoint{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.sealFull(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	q := query
	q.Grep = regexp.MustCompile(`7777$`)
	r, err := a.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for {
		b, err := r.Next(context.Background())
		if err != nil {
			break
		}
		n += len(b.Lines)
		b.Release()
	}
	runtime.ReadMemStats(&after)
	if n != 40 {
		t.Errorf("found %d lines", n)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 24<<20 {
		t.Errorf("the search took %d MiB more of heap", grown>>20)
	}
}

func FuzzSegment(f *testing.F) {
	a, err := Open(f.TempDir(), Options{SegmentText: 1})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		a.Append(stream, []logs.Line{{At: int64(i), Text: []byte("text")}, {At: int64(i), Mark: logs.MarkGap, Text: []byte("gap")}}, Checkpoint{})
		a.Flush()
	}
	a.sealFull()
	for _, s := range a.segments {
		content, err := os.ReadFile(s.path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, s.sealed)
	}
	a.Close()
	f.Add([]byte(magic), false)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		dir := t.TempDir()
		suffix := tailSuffix
		if sealed {
			suffix = sealedSuffix
		}
		if err := os.WriteFile(segmentPath(dir, 1, suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		r, err := a.Read(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := logs.ReadAll(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		a.sealFull()
		if err := a.Append(stream, []logs.Line{{At: 1 << 62, Text: []byte("still writable")}}, Checkpoint{}); err != nil {
			t.Fatal(err)
		}
		got := texts(t, a, query)
		if len(got) == 0 || got[len(got)-1] != "still writable" {
			t.Fatalf("got %q", got)
		}
	})
}

// FuzzBlock reads blocks whose checksum would be right.
func FuzzBlock(f *testing.F) {
	h := blockHead{Lines: 2, Entries: []blockEntry{{Stream: 1, Lines: 2}}}
	text := h.fill([]line{{at: 5, text: []byte("a")}, {at: 9, text: []byte("b"), mark: logs.MarkGap}})
	f.Add(encodeBlock(h, text, fastEncoder), text)
	f.Fuzz(func(t *testing.T, body, text []byte) {
		h, frame, err := decodeHead(body)
		if err != nil {
			return
		}
		if unpacked, err := decodeText(h, frame, nil); err == nil {
			text = unpacked
		}
		r := newLineReader(h, text)
		for {
			l, ok, _ := r.next()
			if !ok {
				break
			}
			_ = h.Entries[l.entry]
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	a, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	lines := make([]logs.Line, 300)
	for i := range lines {
		lines[i].Text = fmt.Appendf(nil, `10.0.0.%d - - "GET /orders/%d HTTP/1.1" 200 %d`, i%255, i*7919%10007, i*31)
	}
	n := 0
	for b.Loop() {
		for i := range lines {
			lines[i].At = int64(n*len(lines) + i)
		}
		n++
		if err := a.Append(stream, lines, Checkpoint{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(lines))/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(a.Stats().Bytes)/float64(b.N*len(lines)), "bytes/line")
}
