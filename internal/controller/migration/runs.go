package migration

import (
	"context"
	"errors"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
)

// runs are the migrations that this process works on: one goroutine each, and
// never two for one object.
type runs struct {
	mu sync.Mutex
	// ctx ends when this process is no longer the leader; nil before it is.
	ctx context.Context
	all map[types.NamespacedName]*run
	wg  sync.WaitGroup
}

// run is the work on one attempt of one migration.
type run struct {
	uid     types.UID
	attempt int64
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	object  *v1alpha1.Migration
	journal *migration.Journal
	wake    func()
	// told: people know why a deletion waits. Guarded by runs.mu.
	told bool
}

func newRuns() *runs { return &runs{all: map[types.NamespacedName]*run{}} }

// errNotLeading says that it is not yet, or no longer, this process's turn.
var errNotLeading = errors.New("migrations are not worked on by this process yet")

// serve lets runs begin, until the context ends; then it waits for all of them.
func (r *runs) serve(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	<-ctx.Done()
	r.wg.Wait()
	return nil
}

// see gives the newest object to the run of its attempt, which it starts if
// there is none. One of an earlier attempt ends first.
func (r *runs) see(m *v1alpha1.Migration, work func(context.Context, *run)) error {
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	r.mu.Lock()
	if r.ctx == nil || r.ctx.Err() != nil {
		r.mu.Unlock()
		return errNotLeading
	}
	known := r.all[key]
	if known != nil && known.uid == m.UID && known.attempt == migration.Attempt(m) {
		r.mu.Unlock()
		known.observe(m)
		return nil
	}
	r.mu.Unlock()
	if known != nil {
		r.stop(key)
	}
	r.start(key, m, work)
	return nil
}

func (r *runs) start(key types.NamespacedName, m *v1alpha1.Migration, work func(context.Context, *run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithCancel(r.ctx)
	one := &run{uid: m.UID, attempt: migration.Attempt(m), cancel: cancel, done: make(chan struct{}), object: m.DeepCopy()}
	r.all[key] = one
	r.wg.Go(func() {
		defer close(one.done)
		defer cancel()
		work(ctx, one)
		r.forget(key, one)
	})
}

// stop ends the run, if there is one, and waits for it.
func (r *runs) stop(key types.NamespacedName) {
	r.mu.Lock()
	one := r.all[key]
	r.mu.Unlock()
	if one != nil {
		one.cancel()
		<-one.done
	}
}

func (r *runs) forget(key types.NamespacedName, one *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[key] == one {
		delete(r.all, key)
	}
}

// count is how many there are.
func (r *runs) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// with does something with the run, if there is one.
func (r *runs) with(key types.NamespacedName, do func(*run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.all[key]; one != nil {
		do(one)
	}
}

// observe gives the newest object, with people's words, to the work under way.
func (one *run) observe(m *v1alpha1.Migration) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.object = m.DeepCopy()
	if one.journal != nil {
		one.journal.Observe(m)
	}
	if one.wake != nil {
		one.wake()
	}
}

// attach says which journal is to hear words from now on, and how to wake who
// acts on them.
func (one *run) attach(j *migration.Journal, wake func()) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.journal, one.wake = j, wake
	j.Observe(one.object)
}
