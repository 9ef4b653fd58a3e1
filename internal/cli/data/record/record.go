// Package record keeps what a copy in a cluster writes down: its journal and
// its state, in ConfigMaps that the controller has made, so that a pod that is
// killed is followed by one that goes on. It knows how that is stored and not
// what is copied. Start at Open.
package record

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// segmentSize is how large one gets, compressed; it is written as a whole
	// at every flush, so that it must not be large.
	segmentSize = 256 << 10
	// keyJournal holds the lines of a segment, compressed.
	keyJournal = "journal.gz"
	// patience is how long an API server may be away.
	patience = 2 * time.Minute
	// together is how long lines wait for others before they are written.
	together = 100 * time.Millisecond
)

// line is one line of a journal: a plan or an entry of one store.
type line struct {
	Store string          `json:"store"`
	Plan  *datacopy.Plan  `json:"plan,omitempty"`
	Entry *datacopy.Entry `json:"e,omitempty"`
}

// Record is the journals of all stores of one copy. One process at a time may
// have it; another one that writes ends this one's. Safe for concurrent use.
type Record struct {
	ctx             context.Context
	cl              client.Client
	namespace, name string

	journals map[string]*journal // complete after Open, but for new stores

	mu      sync.Mutex
	written *sync.Cond
	// segment that is written to, the lines in it, and what waits.
	segment *corev1.ConfigMap
	number  int
	lines   bytes.Buffer
	queued  bytes.Buffer
	next    uint64 // lines queued so far
	stored  uint64 // of them, stored
	writing bool
	err     error
}

// Open reads what there is of the copy called name. Everything that is written
// later ends with ctx.
func Open(ctx context.Context, cl client.Client, namespace, name string) (*Record, error) {
	r := &Record{ctx: ctx, cl: cl, namespace: namespace, name: name, journals: map[string]*journal{}}
	r.written = sync.NewCond(&r.mu)
	for n := range batch.Segments {
		segment := &corev1.ConfigMap{}
		if err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: batch.SegmentName(name, n)}, segment); err != nil {
			return nil, fmt.Errorf("reading the journal of %s: %w", name, err)
		}
		text, err := unpack(segment.BinaryData[keyJournal])
		if err != nil {
			return nil, fmt.Errorf("reading the journal of %s: segment %d: %w", name, n, err)
		}
		if n > 0 && len(text) == 0 {
			break
		}
		if err := r.load(text); err != nil {
			return nil, fmt.Errorf("reading the journal of %s: segment %d: %w", name, n, err)
		}
		r.segment, r.number = segment, n
		r.lines.Reset()
		r.lines.Write(text)
	}
	return r, nil
}

// load remembers the lines of a segment.
func (r *Record) load(text []byte) error {
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return err
		}
		var err error
		switch j := r.journal(l.Store); {
		case l.Plan != nil:
			err = j.MemoryJournal.Begin(l.Plan)
		case l.Entry != nil:
			err = j.MemoryJournal.Record(*l.Entry)
		}
		if err != nil {
			return err
		}
	}
	return scanner.Err()
}

// Journal gives the journal of a store.
func (r *Record) Journal(store string) (datacopy.Journal, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journal(store), nil
}

func (r *Record) journal(store string) *journal {
	if r.journals[store] == nil {
		r.journals[store] = &journal{record: r, store: store}
	}
	return r.journals[store]
}

// journal is that of one store.
type journal struct {
	datacopy.MemoryJournal
	record *Record
	store  string
}

// Begin is part of datacopy.Journal.
func (j *journal) Begin(plan *datacopy.Plan) error {
	known := j.Plan() != nil
	if err := j.MemoryJournal.Begin(plan); err != nil || known {
		return err
	}
	return j.record.append(line{Store: j.store, Plan: plan})
}

// Record is part of datacopy.Journal.
func (j *journal) Record(entry datacopy.Entry) error {
	if err := j.record.append(line{Store: j.store, Entry: &entry}); err != nil {
		return err
	}
	return j.MemoryJournal.Record(entry)
}

// append stores a line and returns when the API server has it. Whoever finds
// nobody writing writes for all that wait.
func (r *Record) append(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued.Write(append(text, '\n'))
	r.next++
	mine := r.next
	for r.stored < mine && r.err == nil {
		if r.writing {
			r.written.Wait()
			continue
		}
		r.write()
	}
	return r.err
}

// write stores what is queued. It is called with mu held and gives it up
// meanwhile, so that others can queue more.
func (r *Record) write() {
	r.writing = true
	r.mu.Unlock()
	time.Sleep(together)
	r.mu.Lock()
	lines, upTo := bytes.Clone(r.queued.Bytes()), r.next
	r.queued.Reset()
	r.mu.Unlock()
	err := r.store(lines)
	r.mu.Lock()
	r.writing, r.stored = false, upTo
	if err != nil {
		r.err = fmt.Errorf("writing the journal of %s: %w", r.name, err)
	}
	r.written.Broadcast()
}

// store puts lines into the segment, or into the next one when it is full. Only
// one call at a time.
func (r *Record) store(lines []byte) error {
	if len(r.segment.BinaryData[keyJournal]) > segmentSize {
		if err := r.turn(); err != nil {
			return err
		}
	}
	r.lines.Write(lines)
	packed, err := pack(r.lines.Bytes())
	if err != nil {
		return err
	}
	r.segment.BinaryData = map[string][]byte{keyJournal: packed}
	return r.update(r.segment)
}

// turn begins the next segment.
func (r *Record) turn() error {
	if r.number+1 == batch.Segments {
		return fault.New(fault.Failed, "Copy parts of it, with --store and --include.", "there is no room left for more chunks")
	}
	next := &corev1.ConfigMap{}
	if err := r.cl.Get(r.ctx, client.ObjectKey{Namespace: r.namespace, Name: batch.SegmentName(r.name, r.number+1)}, next); err != nil {
		return err
	}
	r.number++
	r.segment = next
	r.lines.Reset()
	return nil
}

// update writes an object, waiting for an API server that is away. A conflict
// means that another process works on the same copy.
func (r *Record) update(object *corev1.ConfigMap) error {
	deadline := time.Now().Add(patience)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := r.cl.Update(r.ctx, object)
		switch {
		case err == nil:
			return nil
		case apierrors.IsConflict(err) && r.arrived(object):
			return nil
		case apierrors.IsConflict(err):
			return fault.New(fault.Failed, "", "another process works on this copy: %w", err)
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsInvalid(err), time.Now().After(deadline), r.ctx.Err() != nil:
			return err
		}
		select {
		case <-r.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// arrived says whether the conflict is with our own write, whose answer was
// lost.
func (r *Record) arrived(object *corev1.ConfigMap) bool {
	now := &corev1.ConfigMap{}
	if err := r.cl.Get(r.ctx, client.ObjectKeyFromObject(object), now); err != nil {
		return false
	}
	if !bytes.Equal(now.BinaryData[keyJournal], object.BinaryData[keyJournal]) {
		return false
	}
	object.ResourceVersion = now.ResourceVersion
	return true
}

// Publish replaces what the copy's own ConfigMap says. It may fail for a moment
// without harm, but for the last time: then retry is set.
func (r *Record) Publish(ctx context.Context, data map[string]string, retry bool) error {
	deadline := time.Now().Add(patience)
	for {
		err := r.publish(ctx, data)
		if err == nil || !retry || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Second)
	}
}

func (r *Record) publish(ctx context.Context, data map[string]string) error {
	kept := &corev1.ConfigMap{}
	if err := r.cl.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: r.name}, kept); err != nil {
		return fmt.Errorf("writing the state of %s: %w", r.name, err)
	}
	kept.Data = data
	if err := r.cl.Update(ctx, kept); err != nil {
		return fmt.Errorf("writing the state of %s: %w", r.name, err)
	}
	return nil
}

func pack(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = writer.Write(text)
	err = errors.Join(err, writer.Close())
	return packed.Bytes(), err
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
