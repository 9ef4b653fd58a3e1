package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

const (
	// followEvery is how long changes are gathered before they are copied.
	followEvery = 100 * time.Millisecond
	// pauseFor is how long a source whose writes were stopped stays so, unless
	// somebody ends the pause.
	pauseFor = 10 * time.Minute
)

var _ datacopy.Follower = (*Engine)(nil)

// Follow is part of datacopy.Follower. The source tells which keys change
// (notify-keyspace-events must have "EA" or more; it is not set from here), and
// those are copied as they are then, or removed. What notifications miss, which
// is FLUSHALL and whatever happens while a connection is lost, is found by
// comparing everything: at the beginning, after each lost connection, and on
// cutover. Stopping writes is CLIENT PAUSE WRITE for ten minutes.
func (e *Engine) Follow(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, _ datacopy.Journal, cutover <-chan struct{}, reporter progress.Reporter) (*datacopy.Result, error) {
	result := &datacopy.Result{Started: time.Now().UTC()}
	// Following is mirroring: what differs is copied, what is gone is removed.
	mirror := *plan
	mirror.Mode, mirror.Delete, mirror.Overwrites, mirror.Detail = datacopy.Incremental, true, nil, nil
	req.Mode, req.Delete = mirror.Mode, mirror.Delete
	c, err := e.prepare(ctx, req, &mirror)
	if err != nil {
		return result, err
	}
	result.Workers = c.workers
	if err := c.source.notifies(ctx); err != nil {
		return result, err
	}
	followers := make([]*follower, len(plan.Units))
	err = c.attend(ctx, reporter.Note, func(attended context.Context) error {
		group, within := errgroup.WithContext(attended)
		for i, unit := range plan.Units {
			f := &follower{copier: c, unit: unit, step: reporter.Step("following " + unit.Name), dirty: map[string]time.Time{}}
			followers[i] = f
			group.Go(func() error { return f.run(within, cutover) })
		}
		if err := group.Wait(); err != nil || ctx.Err() != nil {
			return err
		}
		return attended.Err()
	})
	for _, f := range followers {
		result.Units = append(result.Units, datacopy.UnitResult{Name: f.unit.Name, Count: f.sent, Removed: f.removed, Duration: time.Since(result.Started)})
	}
	return c.finish(result), err
}

// Followable is part of datacopy.Follower.
func (e *Engine) Followable(ctx context.Context, req datacopy.Request) error {
	source, err := connect(ctx, req.From)
	if err != nil {
		return err
	}
	return source.notifies(ctx)
}

// notifies makes sure that every node of the source tells of changes.
func (s *server) notifies(ctx context.Context) error {
	for _, node := range s.layout.Load().nodes {
		client := redis.NewClient(s.options(node, 0))
		found, err := client.ConfigGet(ctx, "notify-keyspace-events").Result()
		_ = client.Close()
		if err != nil {
			return s.failed("asking whether it tells of changes:", err)
		}
		flags := found["notify-keyspace-events"]
		if !strings.Contains(flags, "E") || !(strings.Contains(flags, "A") || strings.Trim("g$lshzxet", flags) == "") {
			return fault.New(fault.Refused, "Run CONFIG SET notify-keyspace-events EA on the source, or copy in the incremental mode instead.",
				"following %s: its node %s does not tell of changes", s.address, node)
		}
	}
	return nil
}

// follower follows one database.
type follower struct {
	*copier
	unit          datacopy.Unit
	step          progress.Step
	copy          *unitCopy
	sent, removed int64

	mu sync.Mutex
	// dirty are keys that changed, with the time of the first change that is
	// not copied.
	dirty map[string]time.Time
	// lost says that changes may have been missed.
	lost bool
}

func (f *follower) run(ctx context.Context, cutover <-chan struct{}) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			f.step.Fail(err)
			return
		}
		f.step.Done("%s copied, %s removed", datacopy.Counted(f.sent, "keys"), humanize.Comma(f.removed))
	}()
	p, err := parsePair(f.unit)
	if err != nil {
		return err
	}
	f.copy = f.open(ctx, f.unit, p)
	defer f.copy.close()
	listening, stop := context.WithCancel(ctx)
	group, listening := errgroup.WithContext(listening)
	subscribed := make(chan struct{}, len(f.source.layout.Load().nodes))
	for _, node := range f.source.layout.Load().nodes {
		group.Go(func() error { return f.listen(listening, node, p.from, subscribed) })
	}
	defer func() {
		stop()
		err = errors.Join(err, group.Wait())
	}()
	for range cap(subscribed) {
		select {
		case <-subscribed:
		case <-listening.Done():
			return nil
		}
	}
	f.lost = true
	return f.followUntil(listening, ctx, cutover)
}

// followUntil copies changes until ctx ends, which is the end wished for, or
// until cutover, which leaves both sides equal.
func (f *follower) followUntil(listening, ctx context.Context, cutover <-chan struct{}) error {
	w := &worker{unitCopy: f.copy, source: newLines(f.source, f.copy.from), target: newLines(f.target, f.copy.to)}
	defer w.drop()
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		if err := f.catchUp(listening, w); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-listening.Done():
			return nil
		case <-cutover:
			return f.cutOver(listening)
		case <-ticker.C:
		}
	}
}

// listen gathers the keys that a node tells of, and notes when it may have
// missed some.
func (f *follower) listen(ctx context.Context, node string, database int, subscribed chan<- struct{}) error {
	for first := true; ctx.Err() == nil; first = false {
		err := f.retry.Do(ctx, func(int) error {
			return f.hear(ctx, node, database, func() {
				if first {
					subscribed <- struct{}{}
					return
				}
				f.mayHaveMissed()
			})
		})
		if err != nil && ctx.Err() == nil {
			return f.source.failed("listening for changes of", err)
		}
	}
	return nil
}

// hear gathers keys until the connection is lost, which is no error once it
// was there.
func (f *follower) hear(ctx context.Context, node string, database int, subscribed func()) error {
	client := redis.NewClient(f.source.options(node, database))
	defer client.Close()
	events := client.PSubscribe(ctx, fmt.Sprintf("__keyevent@%d__:*", database))
	defer events.Close()
	// Waiting for a message does not look at ctx.
	defer context.AfterFunc(ctx, func() { _ = events.Close() })()
	if _, err := events.Receive(ctx); err != nil {
		return err
	}
	subscribed()
	for {
		message, err := events.ReceiveMessage(ctx)
		if err != nil {
			return nil //nolint:nilerr // whoever listens subscribes again
		}
		f.changed(message.Payload)
	}
}

func (f *follower) mayHaveMissed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = true
}

func (f *follower) changed(key string) {
	if !f.scope.source().has([]byte(key)) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.dirty[key]; !known {
		f.dirty[key] = time.Now()
	}
}

// take gives what is to be done now, and how old the oldest of it is.
func (f *follower) take() (keys [][]byte, lost bool, behind time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, since := range f.dirty {
		keys = append(keys, []byte(key))
		behind = max(behind, time.Since(since))
	}
	lost, f.lost = f.lost, false
	clear(f.dirty)
	return keys, lost, behind
}

// catchUp copies what changed until now.
func (f *follower) catchUp(ctx context.Context, w *worker) error {
	keys, lost, behind := f.take()
	f.step.Count(int64(behind.Seconds()), 0, "s behind")
	if lost {
		return f.compareAll(ctx)
	}
	for len(keys) > 0 {
		n := min(len(keys), scanCount)
		if err := w.retried(ctx, func() error { return f.bring(ctx, w, keys[:n]) }); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// compareAll copies whatever differs. Keys that change meanwhile stay noted.
func (f *follower) compareAll(ctx context.Context) error {
	c := f.copier
	pass := &copier{
		req: c.req, plan: c.plan, journal: &datacopy.MemoryJournal{}, source: c.source, target: c.target,
		scope: c.scope, limiter: c.limiter, retry: c.retry, workers: c.workers,
	}
	mirror := *pass.plan
	mirror.Mode = datacopy.Incremental
	pass.plan = &mirror
	done, err := pass.unit(ctx, f.unit, f.step)
	f.sent += done.Count
	f.removed += done.Removed
	return err
}

// bring copies keys as they are now, and removes those that are gone.
func (f *follower) bring(ctx context.Context, w *worker, keys [][]byte) error {
	gone, err := w.absent(ctx, w.source, keys)
	if err != nil {
		return f.source.failed("looking for keys in", err)
	}
	if err := unlink(ctx, f.scope.allToTarget(gone), w.target); err != nil {
		return f.target.failed("removing keys of", err)
	}
	sizes, err := w.sizes(ctx, keys)
	if err != nil {
		return err
	}
	small, large := w.cut("", page{keys: keys, sizes: sizes})
	for _, p := range append(small, large...) {
		if err := w.limiter.Wait(ctx, int(p.bytes)); err != nil {
			return err
		}
		if err := w.send(ctx, p.keys, nil, p.bytes >= largeKey); err != nil {
			return err
		}
	}
	f.sent += int64(len(keys) - len(gone))
	f.removed += int64(len(gone))
	return nil
}

// sizes asks for the memory of keys.
func (w *worker) sizes(ctx context.Context, keys [][]byte) ([]int64, error) {
	server := w.copier.source
	sizes := make([]int64, len(keys))
	for i, key := range keys {
		size, err := w.fromClient.MemoryUsage(ctx, string(key)).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, server.failedKey("reading the size of", key, err)
		}
		sizes[i] = size
	}
	return sizes, nil
}

// cutOver stops writes where that is allowed, and compares everything once
// more. When it fails the source is writable again.
func (f *follower) cutOver(ctx context.Context) (err error) {
	if f.req.StopWrites {
		if err := f.pause(ctx, "CLIENT", "PAUSE", pauseFor.Milliseconds(), "WRITE"); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
				defer cancel()
				err = errors.Join(err, f.pause(ctx, "CLIENT", "UNPAUSE"))
			}
		}()
	}
	return f.compareAll(ctx)
}

func (f *follower) pause(ctx context.Context, command ...any) error {
	for _, node := range f.source.layout.Load().nodes {
		client := redis.NewClient(f.source.options(node, 0))
		err := client.Do(ctx, command...).Err()
		_ = client.Close()
		if err != nil {
			return f.source.failed(fmt.Sprintf("sending %v to", command[:2]), err)
		}
	}
	return nil
}
