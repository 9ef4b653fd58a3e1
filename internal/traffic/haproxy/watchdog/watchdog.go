// Package watchdog stands beside one HAProxy and does two things for Landfall
// that HAProxy cannot: it refuses orders of a process that another has taken
// over from, and it returns all traffic to the old side when Landfall has been
// silent for as long as it was armed with. It asks Landfall nothing, and what it
// must know survives its own end in a small file.
//
// Start reading at Watchdog.Run and Watchdog.Obey.
package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	runtime "github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
)

// Options of a watchdog.
type Options struct {
	// HAProxy is the runtime interface beside it.
	HAProxy runtime.Socket
	// Backends that it may change; all if empty.
	Backends []string
	// State is the file in which it keeps what must survive its end.
	State string
	// ServerState is HAProxy's server-state-file, written after each change so
	// that a reload keeps the weights; not written if empty.
	ServerState string
	Log         *slog.Logger
	// SinceBoot is the clock: one that goes on while the machine sleeps and that
	// nobody can set. That of this machine if nil.
	SinceBoot func() (time.Duration, error)
	// BootID tells this start of the machine from others; this machine's if "".
	BootID string
}

const (
	// lookEvery bounds how long a deadline that has passed goes unseen.
	lookEvery = 200 * time.Millisecond
	// returnEvery is how long it waits before it tries again to return traffic.
	returnEvery = 100 * time.Millisecond
	// MinSilence and MaxSilence bound what it can be armed with.
	MinSilence = time.Second
	MaxSilence = time.Hour
)

// Watchdog of one HAProxy. Its methods may be called concurrently.
type Watchdog struct {
	options Options

	mu sync.Mutex
	// posts by backend.
	posts map[string]*post
	// saved is what the state file holds.
	saved []byte
}

// post is one backend that is guarded for a migration. Its record is under the
// watchdog's lock.
type post struct {
	record
	// busy is held while HAProxy is asked to change something.
	busy sync.Mutex
	// underWay: the loop that returns traffic runs. resumed: for a return that an
	// earlier watchdog has begun, and perhaps done.
	underWay, resumed bool
}

// record is what survives.
type record struct {
	Pair  haproxy.Pair `json:"pair"`
	Owner string       `json:"owner"`
	Epoch int64        `json:"epoch"`
	// Silence that is allowed, and until when since the boot; 0 if not armed.
	Silence  time.Duration `json:"silence,omitempty"`
	Deadline time.Duration `json:"deadline,omitempty"`
	// Returning: the deadline has passed, and traffic is not yet back.
	Returning bool `json:"returning,omitempty"`
	// DeadMan says what was done then, until the next write.
	DeadMan string `json:"deadMan,omitempty"`
}

// Open reads the state file, which may be absent. Deadlines go on where they
// were; after a start of the machine they begin anew.
func Open(o Options) (*Watchdog, error) {
	if o.SinceBoot == nil {
		o.SinceBoot = sinceBoot
	}
	if o.BootID == "" {
		id, err := bootID()
		if err != nil {
			return nil, err
		}
		o.BootID = id
	}
	now, err := o.SinceBoot()
	if err != nil {
		return nil, err
	}
	kept, err := readState(o.State)
	if err != nil {
		return nil, err
	}
	w := &Watchdog{options: o, posts: map[string]*post{}}
	for backend, record := range kept.Backends {
		if record.Deadline > 0 && kept.Boot != o.BootID {
			record.Deadline = now + record.Silence
		}
		w.posts[backend] = &post{record: record, resumed: record.Returning}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w, w.save()
}

// Run watches until its context ends. Traffic that it is returning then is
// returned by the watchdog that starts next.
func (w *Watchdog) Run(ctx context.Context) {
	var returns sync.WaitGroup
	defer returns.Wait()
	for {
		for backend, post := range w.expired() {
			returns.Go(func() { w.bringBack(ctx, backend, post) })
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// expired gives the backends whose traffic is to return and nobody does it yet.
func (w *Watchdog) expired() map[string]*post {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := map[string]*post{}
	now, err := w.options.SinceBoot()
	if err != nil {
		w.options.Log.Error("reading the clock", "error", err)
		return nil
	}
	for backend, post := range w.posts {
		if post.Deadline > 0 && now >= post.Deadline {
			post.Returning, post.Deadline, post.resumed = true, 0, false
			// Said before it is so: who sees the weights must know why.
			post.DeadMan = fmt.Sprintf("the watchdog of %s has returned all traffic since %s: Landfall had been silent for %s",
				w.options.HAProxy, time.Now().UTC().Format(time.RFC3339), post.Silence)
			w.keep()
		}
		if post.Returning && !post.underWay {
			post.underWay = true
			due[backend] = post
		}
	}
	return due
}

// bringBack writes until it is so. What HAProxy says against it is logged when
// it changes.
func (w *Watchdog) bringBack(ctx context.Context, backend string, post *post) {
	log := w.options.Log.With("backend", backend, "owner", post.Owner, "silence", post.Silence)
	log.Warn("Landfall is silent: returning all traffic to the old side")
	complaint := ""
	for {
		moved, err := w.writeOld(ctx, post)
		if err == nil {
			w.broughtBack(post, moved)
			log.Warn("all traffic is on the old side", "moved", moved)
			return
		}
		if err.Error() != complaint {
			complaint = err.Error()
			log.Error("returning traffic", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(returnEvery):
		}
	}
}

// writeOld writes weight 0 unless it is so already. Nobody can fence it.
func (w *Watchdog) writeOld(ctx context.Context, post *post) (moved bool, err error) {
	post.busy.Lock()
	defer post.busy.Unlock()
	process := w.process(post.Pair)
	report, err := process.Report(ctx)
	if err != nil {
		return false, err
	}
	if report.At(traffic.None) {
		return false, nil
	}
	if err := process.Write(ctx, traffic.None, always{}); err != nil {
		return false, err
	}
	w.keepWeights(ctx)
	return true, nil
}

func (w *Watchdog) broughtBack(post *post, moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	post.Returning, post.underWay = false, false
	if !moved && !post.resumed {
		post.DeadMan = "" // all traffic was there already
	}
	w.keep()
}

func (w *Watchdog) process(pair haproxy.Pair) haproxy.Process {
	return haproxy.Process{Socket: w.options.HAProxy, Pair: pair}
}

// always is the fence of the watchdog itself.
type always struct{}

func (always) Epoch() int64 { return 0 }
func (always) Check() error { return nil }

// mine is the fence of an order: it holds as long as no younger process, and
// no other migration, has given one.
type mine struct {
	watchdog *Watchdog
	order    haproxy.Order
}

func (m mine) Epoch() int64 { return m.order.Epoch }

func (m mine) Check() error {
	m.watchdog.mu.Lock()
	defer m.watchdog.mu.Unlock()
	o := m.order
	if post := m.watchdog.posts[o.Pair.Backend]; post == nil || post.Owner != o.Owner {
		return fault.New(fault.Refused, "", "ordering about backend %s: another migration has taken it over", o.Pair.Backend)
	}
	return m.watchdog.admissible(o)
}

// admissible says why an order may not be obeyed. The caller holds the lock.
func (w *Watchdog) admissible(o haproxy.Order) error {
	post := w.posts[o.Pair.Backend]
	switch {
	case post == nil:
		return nil
	case post.Owner != o.Owner && (post.Deadline > 0 || post.Returning):
		return fault.New(fault.Refused, "Finish or abort that migration, or wait until its dead man has returned the traffic.",
			"ordering about backend %s: it is guarded for migration %s", o.Pair.Backend, post.Owner)
	case post.Owner == o.Owner && o.Epoch < post.Epoch:
		return fault.New(fault.Refused, "", "ordering about backend %s: epoch %d is over, another process has taken over with %d", o.Pair.Backend, o.Epoch, post.Epoch)
	}
	return nil
}

// admit takes note of who gives orders for a backend now. The caller holds the
// lock, and saves.
func (w *Watchdog) admit(o haproxy.Order) (*post, error) {
	if err := w.admissible(o); err != nil {
		return nil, err
	}
	p := w.posts[o.Pair.Backend]
	if p == nil || p.Owner != o.Owner {
		p = &post{record: record{Owner: o.Owner}}
		w.posts[o.Pair.Backend] = p
	}
	p.Pair, p.Epoch = o.Pair, o.Epoch
	return p, nil
}

// allowed says whether a backend may be changed at all.
func (w *Watchdog) allowed(backend string) error {
	if len(w.options.Backends) == 0 || slices.Contains(w.options.Backends, backend) {
		return nil
	}
	return fault.New(fault.Refused, "Add it to the watchdog's --backend.", "ordering about backend %s: this watchdog may not change it", backend)
}
