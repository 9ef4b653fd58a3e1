package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// clearedUnit is where the journal says which databases of the target were
// emptied for this copy.
const clearedUnit = "#cleared"

// copier is one copy under way.
type copier struct {
	req            datacopy.Request
	plan           *datacopy.Plan
	journal        datacopy.Journal
	source, target *server
	scope          *scope
	limiter        *datacopy.Limiter
	retry          datacopy.Retry
	pulse          datacopy.Pulse
	retries        atomic.Int64
	workers        int
	// byType is set when the target does not know the source's payloads.
	byType atomic.Bool
}

// Copy is part of datacopy.Engine.
func (e *Engine) Copy(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter) (*datacopy.Result, error) {
	result := &datacopy.Result{Started: time.Now().UTC()}
	c, err := e.prepare(ctx, req, plan)
	if err != nil {
		return result, err
	}
	c.journal = journal
	result.Workers = c.workers
	for _, unit := range plan.Units {
		step := reporter.Step(unit.Name)
		var done datacopy.UnitResult
		err := c.attend(ctx, reporter.Note, func(ctx context.Context) (err error) {
			done, err = c.unit(ctx, unit, step)
			return err
		})
		result.Units = append(result.Units, done)
		if err != nil {
			step.Fail(err)
			return c.finish(result), fmt.Errorf("copying %s: %w", unit.Name, err)
		}
		step.Done("%s", datacopy.Counted(done.Count, "keys"))
	}
	return c.finish(result), nil
}

// attend does something, and ends it when one of the servers answers no more.
func (c *copier) attend(ctx context.Context, note func(string, ...any), do func(context.Context) error) error {
	return c.pulse.Attend(ctx, note, do, c.source.attended("source"), c.target.attended("target"))
}

func (c *copier) finish(result *datacopy.Result) *datacopy.Result {
	result.Duration = time.Since(result.Started)
	result.Retries = c.retries.Load()
	result.Throttled = c.limiter.Waited()
	return result
}

// prepare opens both sides for a copy or a verification.
func (e *Engine) prepare(ctx context.Context, req datacopy.Request, plan *datacopy.Plan) (*copier, error) {
	if err := plan.Check(req); err != nil {
		return nil, err
	}
	c := &copier{req: req, plan: plan, pulse: e.pulse, limiter: datacopy.NewLimiter(req.MaxBytesPerSecond), workers: defaultWorkers}
	c.retry = e.retrying(&c.retries)
	if req.Parallel > 0 {
		c.workers = min(req.Parallel, maxWorkers)
	}
	var err error
	if c.scope, err = newScope(req); err != nil {
		return nil, err
	}
	if c.source, err = connect(ctx, req.From); err != nil {
		return nil, err
	}
	c.target, err = connect(ctx, req.To)
	return c, err
}

// retrying is the engine's way to try again, counting.
func (e *Engine) retrying(count *atomic.Int64) datacopy.Retry {
	retry := e.retry
	retry.Passing, retry.Count = passing, count
	return retry
}

// unit copies one database.
func (c *copier) unit(ctx context.Context, unit datacopy.Unit, step progress.Step) (datacopy.UnitResult, error) {
	began := time.Now()
	p, err := parsePair(unit)
	if err != nil {
		return datacopy.UnitResult{Name: unit.Name}, err
	}
	u := c.open(ctx, unit, p)
	defer u.close()
	u.step = step
	steps := []func(context.Context) error{u.mark, u.clear, u.copyKeys, u.removeExtra, u.unmark}
	for _, do := range steps {
		if err = do(ctx); err != nil {
			break
		}
	}
	return datacopy.UnitResult{
		Name: unit.Name, Count: u.sent.Load(), Bytes: u.bytes.Load(), Duration: time.Since(began),
		Chunks: int(u.chunks.Load()), Skipped: int(u.skipped.Load()), Repeated: int(u.resumption.repeated.Load()), Removed: u.removed,
	}, err
}

// unitCopy is the copy of one database.
type unitCopy struct {
	*copier
	pair
	unit        datacopy.Unit
	step        progress.Step
	incremental bool
	// way is how the source is read.
	way    way
	pieces chan *piece
	// large are the large keys that were handed out, busy those that are being
	// written by type.
	large map[string]bool
	busy  claims
	// fromClient and toClient are for what is off the fast path.
	fromClient, toClient redis.UniversalClient
	// unwatch ends the watch of the context over them.
	unwatch func() bool

	resumption resumption

	done, sent, bytes, chunks, skipped atomic.Int64
	removed                            int64
}

// piece is keys of one node that are copied together; one key when large.
type piece struct {
	node string
	keys [][]byte
	// expiries are the keys', as the listing told; nil when it was not asked.
	expiries []int64
	bytes    int64
	// values are the keys', when they come out of a snapshot in this version of
	// its format; memory is what all of it lives in.
	values  []value
	version int
	memory  []byte
	// finished tells the journal that the piece is done.
	finished func() error
}

// open makes the copy of one database ready. Its clients end with ctx: they do
// not look at it while they wait for an answer.
func (c *copier) open(ctx context.Context, unit datacopy.Unit, p pair) *unitCopy {
	u := &unitCopy{copier: c, pair: p, unit: unit, way: wayOf(c.plan, unit.Name), fromClient: c.source.client(p.from), toClient: c.target.client(p.to)}
	u.unwatch = context.AfterFunc(ctx, u.closeClients)
	return u
}

func (u *unitCopy) close() {
	u.unwatch()
	u.closeClients()
}

func (u *unitCopy) closeClients() {
	_ = u.fromClient.Close()
	_ = u.toClient.Close()
}

// mark says in the target that it is incomplete.
func (u *unitCopy) mark(ctx context.Context) error {
	err := u.toClient.HSet(ctx, u.scope.to+markKey, "plan", u.plan.ID, "from", u.plan.From, "began", time.Now().UTC().Format(time.RFC3339)).Err()
	return u.target.failed("writing the mark of an incomplete copy into", err)
}

func (u *unitCopy) unmark(ctx context.Context) error {
	return u.target.failed("removing the mark of an incomplete copy from", u.toClient.Del(ctx, u.scope.to+markKey).Err())
}

// clear removes what a full copy replaces, once.
func (u *unitCopy) clear(ctx context.Context) error {
	if u.plan.Mode == datacopy.Incremental {
		return nil
	}
	if _, done := u.journal.Lookup(clearedUnit, u.unit.Name); done {
		u.resumption.comparing.Store(true)
		return nil
	}
	remove := func(ctx context.Context, keys [][]byte, connections *lines) error {
		u.removed += int64(len(keys))
		return unlink(ctx, keys, connections)
	}
	if err := u.eachOfTarget(ctx, remove); err != nil {
		return fmt.Errorf("removing what is replaced: %w", err)
	}
	return u.journal.Record(datacopy.Entry{Unit: clearedUnit, Chunk: u.unit.Name})
}

// copyKeys lists the source and copies meanwhile.
func (u *unitCopy) copyKeys(ctx context.Context) error {
	u.incremental = u.plan.Mode == datacopy.Incremental
	u.pieces = make(chan *piece, u.workers)
	before := u.source.layout.Load()
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(u.pieces)
		return u.listAll(within, before)
	})
	for range u.workers {
		group.Go(func() error { return u.work(within) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	u.step.Count(u.done.Load(), u.done.Load(), "keys")
	return u.unmoved(ctx, before)
}

// listAll hands out what is to be copied, node by node.
func (u *unitCopy) listAll(ctx context.Context, nodes *layout) error {
	if err := u.resumeLarge(ctx); err != nil {
		return err
	}
	for _, node := range nodes.nodes {
		if err := u.listNode(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// listNode hands out what one node has, in the way that the plan chose.
func (u *unitCopy) listNode(ctx context.Context, node string) error {
	if u.way.By == byReplication {
		err := u.listSnapshot(ctx, node)
		var refusal *refusal
		if !errors.As(err, &refusal) {
			return err
		}
		u.step.Update("%v: its keys are listed instead", refusal)
	}
	return u.list(ctx, node)
}

// unmoved makes sure that no slot of the source moved from a node that was
// still to be listed to one that was listed already.
func (u *unitCopy) unmoved(ctx context.Context, before *layout) error {
	if err := u.source.refresh(ctx); err != nil {
		return err
	}
	if u.source.layout.Load().same(before) {
		return nil
	}
	return fault.New(fault.Failed, "Wait until the cluster has settled, then copy in the incremental mode.",
		"listing the keys of %s: slots moved between its nodes meanwhile", u.source.address)
}

// work copies pieces until there are no more.
func (u *unitCopy) work(ctx context.Context) error {
	w := &worker{unitCopy: u, source: newLines(u.copier.source, u.from), target: newLines(u.copier.target, u.to)}
	defer w.drop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p, more := <-u.pieces:
			if !more {
				return nil
			}
			if err := w.piece(ctx, p); err != nil {
				return err
			}
			u.counted(len(p.keys))
			if err := p.finished(); err != nil {
				return err
			}
			p.release()
		}
	}
}

// counted reports so many more keys.
func (u *unitCopy) counted(n int) {
	done := u.done.Add(int64(n))
	u.step.Count(done, max(u.unit.Count, done), "keys")
}

// list hands the keys of a node to the workers, from where the journal says
// that an earlier run came.
func (u *unitCopy) list(ctx context.Context, node string) error {
	position, err := u.position(ctx, node)
	if err != nil || position.ended() {
		return err
	}
	l := listing{server: u.source, side: u.scope.source(), database: u.from, node: node, sizes: true, expiries: !u.incremental, retry: u.retry}
	err = l.run(ctx, position.cursor, func(p page) error {
		small, large := u.cut(node, p)
		stretch := position.begin(p, len(small))
		for _, piece := range small {
			piece.finished = stretch.Part
			if err := u.send(ctx, piece); err != nil {
				return err
			}
		}
		for _, piece := range large {
			if err := u.sendLarge(ctx, piece); err != nil {
				return err
			}
		}
		return stretch.Listed()
	})
	return err
}

func (u *unitCopy) send(ctx context.Context, p *piece) error {
	select {
	case u.pieces <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cut makes pieces of a page, so that no pipeline keeps a server busy for
// long.
func (u *unitCopy) cut(node string, p page) (pieces, large []*piece) {
	now := &piece{node: node}
	for i, key := range p.keys {
		size := p.sizes[i]
		if size >= largeKey {
			large = append(large, &piece{node: node, keys: [][]byte{key}, bytes: size})
			continue
		}
		if now.bytes+size > pieceBytes && len(now.keys) > 0 {
			pieces = append(pieces, now)
			now = &piece{node: node}
		}
		now.keys = append(now.keys, key)
		if p.expiries != nil {
			now.expiries = append(now.expiries, p.expiries[i])
		}
		now.bytes += size
	}
	if len(now.keys) > 0 {
		pieces = append(pieces, now)
	}
	return pieces, large
}
