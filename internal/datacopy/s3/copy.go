package s3

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

const (
	// frontierChunk is the journal's entry of how far the listing is copied.
	frontierChunk = "objects"
	// atEnd is the position behind the last object; keys are at "k" + key.
	atEnd = "end"
	atKey = "k"
)

// copier is one copy under way.
type copier struct {
	req      datacopy.Request
	plan     *datacopy.Plan
	journal  datacopy.Journal
	from, to *bucket
	names    *datacopy.Names
	// renames is the mask where it changes names; nil where none does.
	renames datacopy.NameMask
	options options
	limiter *datacopy.Limiter
	retry   datacopy.Retry
	retries atomic.Int64
	workers int
	// onServer says that the server copies by itself.
	onServer atomic.Bool
	buffers  sync.Pool
	lost     lost
	access   access
	step     progress.Step
	expected int64

	done, sent, bytes, skipped, repeated, removed atomic.Int64
	// ours is when the target was marked, by its server's clock: what is equal
	// and younger was copied by an earlier run of this copy.
	ours    time.Time
	resumed bool
	// marked says that the target has a mark, marking that it is this run's.
	marked, marking bool
	// marks are the versions of the mark, each nil where there are none.
	marks []*string
}

// connect opens both sides.
func (e *Engine) connect(ctx context.Context, req datacopy.Request, options options) (*copier, error) {
	c := &copier{req: req, options: options, limiter: datacopy.NewLimiter(req.MaxBytesPerSecond)}
	c.retry = e.retry
	c.retry.Passing, c.retry.Count = passing, &c.retries
	c.buffers.New = func() any { return new(bytes.Buffer) }
	c.onServer.Store(sameServer(req.From, req.To) && !options.stream)
	switch {
	case req.Parallel > 0:
		c.workers = min(req.Parallel, maxWorkers)
	case c.onServer.Load():
		c.workers = serverWorkers
	default:
		c.workers = defaultWorkers
	}
	var err error
	if c.names, err = req.Names(); err != nil {
		return nil, err
	}
	if mask, able := req.Mask.(datacopy.NameMask); able && mask.Renames() {
		c.renames = mask
	}
	if c.from, err = e.open(ctx, req.From, c.workers); err != nil {
		return nil, err
	}
	if c.to, err = e.open(ctx, req.To, c.workers); err != nil {
		return nil, err
	}
	return c, nil
}

// Copy is part of datacopy.Engine.
func (e *Engine) Copy(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter) (*datacopy.Result, error) {
	result := &datacopy.Result{Started: time.Now().UTC()}
	if err := plan.Check(req); err != nil {
		return result, err
	}
	options, err := readOptions(req.Options)
	if err != nil {
		return result, err
	}
	c, err := e.connect(ctx, req, options)
	if err != nil {
		return result, err
	}
	c.plan, c.journal = plan, journal
	for _, unit := range plan.Units {
		c.step, c.expected = reporter.Step(unit.Name), unit.Count
		err := c.run(ctx, unit)
		c.report(ctx, result, unit)
		if err != nil {
			c.step.Fail(err)
			return result, fmt.Errorf("copying %s: %w", unit.Name, err)
		}
		c.step.Done("%s", datacopy.Counted(c.sent.Load(), unit.Noun))
	}
	return result, nil
}

func (c *copier) report(ctx context.Context, result *datacopy.Result, unit datacopy.Unit) {
	result.Units = append(result.Units, datacopy.UnitResult{
		Name: unit.Name, Count: c.sent.Load(), Bytes: c.bytes.Load(), Chunks: int(c.sent.Load()),
		Skipped: int(c.skipped.Load()), Repeated: int(c.repeated.Load()), Removed: c.removed.Load(), Duration: time.Since(result.Started),
	})
	result.Duration, result.Workers = time.Since(result.Started), c.workers
	result.Retries, result.Throttled = c.retries.Load(), c.limiter.Waited()
	if n := c.lost.tags.Load(); n > 0 {
		result.NotKept = append(result.NotKept, fmt.Sprintf("tags of %s: the key may not read them", datacopy.Counted(n, "objects")))
	}
	if n := c.lost.etags.Load(); n > 0 {
		result.NotKept = append(result.NotKept, fmt.Sprintf("ETags of %s: the server makes others of the same contents", datacopy.Counted(n, "objects")))
	}
	result.NotKept = append(result.NotKept, c.accessLost(ctx)...)
}

// run copies the bucket.
func (c *copier) run(ctx context.Context, unit datacopy.Unit) error {
	frontier := datacopy.NewFrontier(c.journal, unit.Name, frontierChunk, atEnd)
	known := frontier.Done()
	if known.Note == atEnd {
		c.skipped.Add(known.Count)
		// A crash may have come before the mark was removed.
		if err := c.recognise(ctx); err != nil {
			return err
		}
		return c.unmark(ctx)
	}
	c.skipped.Add(known.Count)
	c.done.Add(known.Count)
	if err := c.copyAll(ctx, frontier, strings.TrimPrefix(known.Note, atKey)); err != nil {
		return err
	}
	return c.unmark(ctx)
}

// copyAll has workers do what find finds.
func (c *copier) copyAll(ctx context.Context, frontier *datacopy.Frontier, after string) error {
	group, ctx := errgroup.WithContext(ctx)
	lanes := newLanes()
	group.Go(func() error {
		defer lanes.close()
		return c.find(ctx, frontier, lanes, after)
	})
	for n := range c.workers {
		group.Go(func() error {
			return lanes.each(n, func(w work) error { return c.carryOut(ctx, w) })
		})
	}
	return group.Wait()
}

// find goes through both listings and hands out what is to be done. Listing is
// most of the work where little has changed, so it begins before all else.
func (c *copier) find(ctx context.Context, frontier *datacopy.Frontier, lanes *lanes, after string) error {
	source := c.listing(c.from, after).begin(ctx)
	defer source.stop()
	target := c.listTarget(ctx, after)
	defer func() { target.stop() }()
	for _, prepare := range []func(context.Context) error{c.recognise, c.clearUploads, c.clearRenamed} {
		if err := prepare(ctx); err != nil {
			return err
		}
	}
	if target == nil {
		target = c.listTarget(ctx, after) // whether this run goes on with another is known by now
	}
	return matches(source, target, func(found []match, until string, end bool) error {
		return c.handOut(ctx, frontier, lanes, found, position(until, end))
	})
}

func position(until string, end bool) string {
	switch {
	case end:
		return atEnd
	case until == "":
		return ""
	}
	return atKey + until
}

// listTarget gives nil where nothing of the target matters: it was empty.
func (c *copier) listTarget(ctx context.Context, after string) *reading {
	if c.plan.Mode != datacopy.Incremental && !c.plan.Replace && !c.resumed || c.renames != nil {
		return nil
	}
	return c.listing(c.to, after).begin(ctx)
}

// listing is of what is copied, behind a key.
func (c *copier) listing(b *bucket, after string) *listing {
	return &listing{bucket: b, retry: c.retry, after: after, versions: c.options.versions}
}

// handOut gives the workers what of a page is to be done.
func (c *copier) handOut(ctx context.Context, frontier *datacopy.Frontier, todo *lanes, found []match, until string) error {
	due := found[:0]
	var count, size int64
	for _, m := range found {
		if !c.meant(m) {
			continue
		}
		if m.source != nil {
			count++
			size += m.source.size
			c.rename(m.source)
		}
		if c.due(m) {
			due = append(due, m)
		} else if m.source != nil {
			c.skipped.Add(1)
			c.progress(1)
		}
	}
	if len(due) > 0 {
		if err := c.mark(ctx); err != nil {
			return err
		}
	}
	finished, listed := noop, noop
	if until != "" {
		stretch := frontier.Begin(until, len(due), count, size)
		finished, listed = stretch.Part, stretch.Listed
	}
	for _, m := range due {
		if err := todo.add(ctx, work{m, finished}); err != nil {
			return err
		}
	}
	return listed()
}

func noop() error { return nil }

// meant says whether an object is within include and exclude.
func (c *copier) meant(m match) bool {
	if m.source != nil {
		return c.names.Has(m.source.key)
	}
	return c.names.Has(m.target.key)
}

// due says whether something is to be done about an object.
func (c *copier) due(m match) bool {
	switch {
	case m.source == nil:
		return c.removes()
	case m.target == nil:
		return true
	case c.options.versions:
		return judgeHistory(m.source, m.target) == different
	case c.plan.Mode == datacopy.Incremental && c.req.Mask == nil:
		return judge(m.source, m.target) != same
	}
	if !c.resumed || m.target.modified.Before(c.ours) {
		return true
	}
	if c.arrived(m) {
		return false
	}
	c.repeated.Add(1)
	return true
}

// arrived says that an earlier run of this copy brought an object as the source
// still has it: the ETags say so, or where they cannot, the order of events.
// Objects arrive whole or not at all, and the verification reads them.
func (c *copier) arrived(m match) bool {
	if c.req.Mask == nil {
		switch judge(m.source, m.target) {
		case same:
			return true
		case different:
			return false
		}
	}
	return m.source.modified.Before(m.target.modified)
}

// removes says that what only the target has is to go.
func (c *copier) removes() bool {
	if c.plan.Mode == datacopy.Incremental {
		return c.req.Delete
	}
	return c.plan.Replace
}

func (c *copier) progress(n int64) {
	done := c.done.Add(n)
	c.step.Count(done, max(done, c.expected), "objects")
}

// carryOut copies or removes one object.
func (c *copier) carryOut(ctx context.Context, w work) error {
	if w.source == nil {
		if err := c.remove(ctx, w.target); err != nil {
			return err
		}
		return w.finished()
	}
	if due, err := c.dueByName(ctx, w.match); err != nil || !due {
		if err == nil {
			c.skipped.Add(1)
			c.progress(1)
			err = w.finished()
		}
		return err
	}
	bring := c.copyLatest
	if c.options.versions {
		bring = c.copyHistory
	}
	if err := bring(ctx, w.match); err != nil {
		return err
	}
	c.progress(1)
	return w.finished()
}

// copyLatest brings an object that has one version, or one that matters.
func (c *copier) copyLatest(ctx context.Context, m match) error {
	etag, err := c.copyObject(ctx, m.source)
	if etag != "" {
		c.sent.Add(1)
		c.count(m.source, etag)
	}
	return err
}

// count takes note of what arrived.
func (c *copier) count(o *object, etag string) {
	c.bytes.Add(o.size)
	if etag != o.etag && c.req.Mask == nil {
		c.lost.etags.Add(1)
	}
}

// remove removes an object of the target that the source does not have. It is
// asked for once more: a listing that lacks an object is no reason.
func (c *copier) remove(ctx context.Context, target *object) error {
	key := target.key
	err := c.retry.Do(ctx, func(int) error {
		_, err := c.from.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.from.name, Key: aws.String(c.from.prefix + key)})
		return err
	})
	if err == nil {
		return nil
	}
	if !notFound(err) {
		return c.from.failed(fmt.Sprintf("making sure that %q is gone from", key), err)
	}
	err = c.retry.Do(ctx, func(int) error {
		if c.options.versions {
			return c.forget(ctx, target)
		}
		_, err := c.to.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.to.name, Key: aws.String(c.to.prefix + key)})
		return err
	})
	if err != nil {
		return c.to.failed(fmt.Sprintf("removing %q from", key), err)
	}
	c.removed.Add(1)
	return nil
}

// mask gives what changes an object's contents, or nil.
func (c *copier) mask(o *object) (datacopy.ValueMask, error) {
	if c.req.Mask == nil {
		return nil, nil
	}
	mask, err := c.req.Mask.Value(c.from.name, o.key)
	if err != nil {
		return nil, fmt.Errorf("masking %q: %w", o.key, err)
	}
	return mask, nil
}
