// Package logstest is the conformance suite of logs.Source: what every source
// of gathered logs must do, whatever it is made of.
package logstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/internal/logs"
)

// Entry is one line to be gathered.
type Entry struct {
	Project, Environment, Namespace, Component, Pod, Container string

	At   time.Time
	Text string
}

// Gather makes a source that holds the entries, which are in order of time.
type Gather func(t *testing.T, entries []Entry) logs.Source

// base is the time of the first entry.
var base = time.Now().Add(-time.Hour).UTC().Truncate(time.Second)

// Lines in the data: more than a page of any source holds.
const many = 6000

func entry(environment, component, pod string, at time.Time, text string) Entry {
	return Entry{Project: "shop", Environment: environment, Namespace: "shop-" + environment, Component: component, Pod: pod, Container: "main", At: at, Text: text}
}

// data has an interleaving of pods, lines of one nanosecond across a page's
// limit, odd texts, and other environments that no answer may show.
func data() (entries []Entry) {
	for i := range many {
		at := base.Add(time.Duration(i) * time.Millisecond)
		switch i % 3 {
		case 0:
			entries = append(entries, entry("staging", "web", "web-1", at, fmt.Sprint("GET /orders/", i)))
		case 1:
			entries = append(entries, entry("staging", "web", "web-2", at, fmt.Sprint("GET /cart/", i)))
		default:
			entries = append(entries, entry("staging", "worker", "worker-1", at, fmt.Sprint("job ", i)))
		}
		if i%100 == 0 {
			entries = append(entries, entry("pr-1", "web", "web-1", at, "of another environment"))
			other := entry("staging", "web", "web-1", at, "of another project")
			other.Project, other.Namespace = "bank", "bank-staging"
			entries = append(entries, other)
		}
	}
	same := base.Add(many * time.Millisecond)
	for i := range 300 {
		entries = append(entries, entry("staging", "burst", "burst-1", same, fmt.Sprintf("burst %03d", i)))
	}
	for i, text := range []string{"", "tab\tand \"quotes\" \\ and \x1b[31mred\x1b[0m", "ünïcode ✓ 日本語", strings.Repeat("long ", 20_000)} {
		entries = append(entries, entry("staging", "odd", "odd-1", same.Add(time.Duration(i+1)), text))
	}
	return entries
}

// Source runs the suite.
func Source(t *testing.T, gather Gather) {
	entries := data()
	source := gather(t, entries)
	staging := logs.Query{Project: "shop", Environment: "staging", Namespace: "shop-staging", Since: base.Add(-time.Minute), Until: base.Add(time.Hour)}
	tests := map[string]func(*logs.Query){
		"everything":        func(*logs.Query) {},
		"one component":     func(q *logs.Query) { q.Components = []string{"web"} },
		"two components":    func(q *logs.Query) { q.Components = []string{"web", "worker"} },
		"unknown component": func(q *logs.Query) { q.Components = []string{"nosuch"} },
		"one pod":           func(q *logs.Query) { q.Pod = "web-2" },
		"one container":     func(q *logs.Query) { q.Container = "main" },
		"other container":   func(q *logs.Query) { q.Container = "sidecar" },
		"from a nanosecond": func(q *logs.Query) { q.Since = base.Add(1234 * time.Millisecond) },
		"to a nanosecond":   func(q *logs.Query) { q.Until = base.Add(1234 * time.Millisecond) },
		"one nanosecond":    func(q *logs.Query) { q.Since = base.Add(77 * time.Millisecond); q.Until = q.Since },
		"after everything":  func(q *logs.Query) { q.Since = base.Add(30 * time.Minute) },
		"text":              func(q *logs.Query) { q.Grep = regexp.MustCompile(`orders/\d*7$`) },
		"text with quotes":  func(q *logs.Query) { q.Grep = regexp.MustCompile("\"quotes\" \\\\|`") },
		"text nowhere":      func(q *logs.Query) { q.Grep = regexp.MustCompile(`no such text`) },
		"newest":            func(q *logs.Query) { q.Tail = 10 },
		"newest of a burst": func(q *logs.Query) { q.Components = []string{"burst"}; q.Tail = 250 },
		"newest with text":  func(q *logs.Query) { q.Grep = regexp.MustCompile(`cart/`); q.Tail = 40 },
		"newest of few":     func(q *logs.Query) { q.Components = []string{"odd"}; q.Tail = 1000 },
		"other environment": func(q *logs.Query) { q.Environment, q.Namespace = "pr-1", "shop-pr-1" },
		"no environment":    func(q *logs.Query) { q.Environment, q.Namespace = "never", "shop-never" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			q := staging
			change(&q)
			if diff := cmp.Diff(expect(entries, q), read(t, source, q)); diff != "" {
				t.Errorf("lines (-want +got):\n%.3000s", diff)
			}
		})
	}
	t.Run("names of origins", func(t *testing.T) { testOrigins(t, source, staging) })
	t.Run("several readers at once", func(t *testing.T) { testConcurrent(t, source, entries, staging) })
	t.Run("closed early", func(t *testing.T) { testCloseEarly(t, source, staging) })
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, source, staging) })
}

// expect answers the query from the entries.
func expect(entries []Entry, q logs.Query) (texts []string) {
	for _, e := range entries {
		o := &logs.Origin{Component: e.Component, Pod: e.Pod, Container: e.Container}
		if e.Project == q.Project && e.Environment == q.Environment && q.WantsOrigin(o) && q.WantsTime(e.At.UnixNano()) && q.WantsText([]byte(e.Text)) {
			texts = append(texts, show(e.At, e.Text))
		}
	}
	if q.Tail > 0 && len(texts) > q.Tail {
		texts = texts[len(texts)-q.Tail:]
	}
	return texts
}

func show(at time.Time, text string) string {
	return at.UTC().Format("15:04:05.000000000 ") + text
}

func read(t *testing.T, source logs.Source, q logs.Query) (texts []string) {
	t.Helper()
	r, err := source.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		texts = append(texts, show(lines[i].Time(), string(lines[i].Text)))
	}
	return texts
}

func testOrigins(t *testing.T, source logs.Source, q logs.Query) {
	q.Tail = 1
	r, err := source.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	want := logs.Origin{Component: "odd", Pod: "odd-1", Container: "main"}
	got := *lines[0].Origin
	got.Only = false // some sources know
	if got != want {
		t.Errorf("origin %+v, want %+v", got, want)
	}
}

func testConcurrent(t *testing.T, source logs.Source, entries []Entry, q logs.Query) {
	want := expect(entries, q)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			if got := read(t, source, q); !slices.Equal(got, want) {
				t.Errorf("a reader beside others got %d lines instead of %d", len(got), len(want))
			}
		})
	}
	readers.Wait()
}

func testCloseEarly(t *testing.T, source logs.Source, q logs.Query) {
	r, err := source.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	if err := r.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func testCancelled(t *testing.T, source logs.Source, q logs.Query) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := source.Read(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			t.Fatal("a cancelled reader claims to be complete")
		}
		if err != nil {
			return
		}
		b.Release()
	}
}
