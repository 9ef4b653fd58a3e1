package logs

import (
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Query selects lines of one environment.
type Query struct {
	// Project is the namespace that holds the Environment.
	Project     string
	Environment string
	// Namespace of the environment on its cluster, for sources that know
	// nothing of environments.
	Namespace string
	// Components wanted; all without any.
	Components []string
	// Pod and Container narrow it further; "" is any.
	Pod       string
	Container string
	// Since and Until bound the time, both included; zero is open.
	Since, Until time.Time
	// Grep lets pass only text it matches; nil is any. Marks always pass.
	Grep *regexp.Regexp
	// Tail keeps only the newest lines of the whole answer; 0 keeps all.
	Tail int
}

// WantsOrigin says whether lines of the origin are asked for.
func (q *Query) WantsOrigin(o *Origin) bool {
	return (len(q.Components) == 0 || slices.Contains(q.Components, o.Component)) &&
		(q.Pod == "" || q.Pod == o.Pod) &&
		(q.Container == "" || q.Container == o.Container)
}

// WantsTime says whether a line of this time is asked for.
func (q *Query) WantsTime(at int64) bool {
	return (q.Since.IsZero() || at >= q.Since.UnixNano()) &&
		(q.Until.IsZero() || at <= q.Until.UnixNano())
}

// WantsText says whether the text matches.
func (q *Query) WantsText(text []byte) bool { return q.Grep == nil || q.Grep.Match(text) }

// Reader gives lines in batches, each container's lines in the order they
// were written. It is used by one goroutine at a time; Close may come from
// another one and ends a Next under way.
type Reader interface {
	// Next gives the next batch, which the caller releases, or io.EOF.
	Next(ctx context.Context) (*Batch, error)
	Close() error
}

// Source answers queries from gathered logs.
//
// Read gives the lines asked for in ascending order of time. Lines of equal
// time stand in the order they were gathered. A Source is safe for concurrent
// use, holds a bounded amount of memory however long the answer, and may be
// asked again after an error. An environment that it knows nothing of is an
// empty answer, not an error.
type Source interface {
	Read(ctx context.Context, q Query) (Reader, error)
}

// ReadAll gives all lines of a reader and closes it. For small answers.
func ReadAll(ctx context.Context, r Reader) (lines []Line, err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, b.Lines...) // the batch stays with its lines: not released
	}
}

// Push turns a function that pushes batches into a reader. The function runs
// once, from the first Next on; emit gives ctx's error when nobody wants more.
func Push(run func(ctx context.Context, emit func(*Batch) error) error) Reader {
	return &pushReader{run: run, batches: make(chan *Batch), stop: make(chan struct{})}
}

type pushReader struct {
	run     func(context.Context, func(*Batch) error) error
	start   sync.Once
	once    sync.Once
	batches chan *Batch
	stop    chan struct{}
	err     error
}

func (r *pushReader) Next(ctx context.Context) (*Batch, error) {
	r.start.Do(func() { go r.pump(ctx) })
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

func (r *pushReader) pump(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(r.batches)
	go func() {
		select {
		case <-r.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	r.err = r.run(ctx, func(b *Batch) error {
		select {
		case r.batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (r *pushReader) Close() error {
	r.once.Do(func() { close(r.stop) })
	return nil
}

// Prepend gives a batch that was read already before the rest of its reader.
// The batch may be nil.
func Prepend(b *Batch, rest Reader) Reader {
	if b == nil {
		return rest
	}
	return &prepended{Reader: rest, first: b}
}

type prepended struct {
	Reader
	first *Batch
}

func (p *prepended) Next(ctx context.Context) (*Batch, error) {
	if b := p.first; b != nil {
		p.first = nil
		return b, nil
	}
	return p.Reader.Next(ctx)
}

// Failed is a reader that failed already. It closes the reader it is in place
// of, which may be nil.
func Failed(err error, instead Reader) Reader { return &failedReader{err, instead} }

type failedReader struct {
	err     error
	instead Reader
}

func (r *failedReader) Next(context.Context) (*Batch, error) { return nil, r.err }

func (r *failedReader) Close() error {
	if r.instead == nil {
		return nil
	}
	return r.instead.Close()
}

// Await is a reader that is had later: ready waits for it. Until then closing
// closes early.
func Await(ready func(context.Context) (Reader, error), early Reader) Reader {
	return &awaited{ready: ready, Reader: early}
}

type awaited struct {
	Reader
	ready func(context.Context) (Reader, error)
	got   Reader
}

func (a *awaited) Next(ctx context.Context) (*Batch, error) {
	if a.got == nil {
		got, err := a.ready(ctx)
		if err != nil {
			return nil, err
		}
		a.got = got
	}
	return a.got.Next(ctx)
}
