package mysql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// defaultWorkers keep both servers and the way between them busy.
const defaultWorkers = 4

// copier carries out one plan.
type copier struct {
	req      datacopy.Request
	plan     *datacopy.Plan
	detail   *detail
	from, to *server
	journal  datacopy.Journal
	reporter progress.Reporter
	limiter  *datacopy.Limiter
	// loading has who loads rows into the target.
	loading *places
	// proof is what was compared on the way, nil when nobody wants it.
	proof *proof

	workers int
	started time.Time
	retries atomic.Int64
	units   []*unit

	mu      sync.Mutex
	notKept []string
}

// Copy implements datacopy.Engine.
func (e *Engine) Copy(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter) (*datacopy.Result, error) {
	return e.copy(ctx, req, plan, journal, reporter, nil)
}

// copy copies, and collects a proof meanwhile unless it is nil.
func (e *Engine) copy(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter, p *proof) (*datacopy.Result, error) {
	if err := plan.Check(req); err != nil {
		return nil, err
	}
	d, err := readDetail(plan)
	if err != nil {
		return nil, err
	}
	if err := journal.Begin(plan); err != nil {
		return nil, err
	}
	c := &copier{
		req: req, plan: plan, detail: d, journal: journal, reporter: reporter, proof: p,
		limiter: datacopy.NewLimiter(req.MaxBytesPerSecond), workers: cmp.Or(req.Parallel, defaultWorkers), started: time.Now(),
	}
	err = c.run(ctx)
	return c.result(), err
}

// run makes passes until one comes to its end. A pass ends early when the
// source's connection does: its snapshot is gone with it, and the next pass
// looks at what was done before under a new one.
func (c *copier) run(ctx context.Context) error {
	if c.done(stateUnit, "finished") {
		return nil
	}
	var err error
	if c.from, err = open(ctx, c.req.From, "source"); err != nil {
		return err
	}
	if c.to, err = open(ctx, c.req.To, "target"); err != nil {
		return err
	}
	c.loading = c.to.places(c.workers)
	if err := c.makeUnits(); err != nil {
		return err
	}
	guard, stop := context.WithCancel(ctx)
	defer stop()
	c.guardSource(guard)
	retry := datacopy.Retry{Passing: func(err error) bool { return passing(err) || wire.Code(err) == errTableChanged }, Count: &c.retries}
	err = retry.Do(ctx, func(attempt int) error {
		if attempt > 0 {
			c.reporter.Note("the copy goes on after: %v", err)
		}
		err = defaultPulse.attend(ctx, c.reporter.Note, c.pass, c.from, c.to)
		return err
	})
	c.endSteps(err)
	return err
}

// pass does what is left under one snapshot.
func (c *copier) pass(ctx context.Context) error {
	shot, err := c.from.take(ctx, c.detail.Schema.Tables, c.workers)
	if err != nil {
		return err
	}
	defer shot.close()
	if err := unchanged(c.detail.Schema, shot.schema); err != nil {
		return err
	}
	if shot.warning != "" {
		c.reporter.Note("%s", shot.warning)
	}
	target, err := c.connectTarget(ctx)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := c.prepare(ctx, target); err != nil {
		return c.to.explain(fmt.Errorf("preparing the target: %w", err))
	}
	if err := c.rememberPosition(shot); err != nil {
		return err
	}
	if err := c.work(ctx, shot); err != nil {
		return c.whyUnreadable(ctx, err)
	}
	if err := c.complete(ctx, target); err != nil {
		return c.to.explain(fmt.Errorf("completing the target: %w", err))
	}
	return c.mark(stateUnit, "finished")
}

// whyUnreadable looks for what became of the source's tables when they cannot
// be read as they were planned: a snapshot does not hold their definitions.
func (c *copier) whyUnreadable(ctx context.Context, err error) error {
	switch wire.Code(err) {
	case errTableChanged, errNoTable, errNoColumn:
		if now, unread := c.from.schemaNow(ctx); unread == nil {
			return cmp.Or(unchanged(c.detail.Schema, now), err)
		}
	}
	return err
}

// stateUnit is where the journal keeps what is done beside chunks.
const stateUnit = "#state"

func (c *copier) done(unit, what string) bool {
	_, done := c.journal.Lookup(unit, what)
	return done
}

func (c *copier) mark(unit, what string) error {
	return c.journal.Record(datacopy.Entry{Unit: unit, Chunk: what})
}

// positionUnit is where the journal keeps where Follow begins: at the latest
// snapshot, since what chunks of earlier ones missed was checked under it.
const positionUnit = "#position"

func (c *copier) rememberPosition(shot *snapshot) error {
	return c.journal.Record(datacopy.Entry{Unit: positionUnit, Chunk: "binlog", Note: shot.position})
}

// connectTarget gives a connection for loading: order of tables and checks
// that the data passed at the source do not matter.
func (c *copier) connectTarget(ctx context.Context) (*wire.Conn, error) {
	conn, err := c.to.connect(ctx)
	if err != nil {
		return nil, err
	}
	statements := []string{"SET SESSION foreign_key_checks = 0"}
	if c.to.mariadb && c.req.Mask == nil {
		statements = append(statements, "SET SESSION check_constraint_checks = 0")
	}
	if c.to.binlogFormat != "STATEMENT" {
		// Without locks on gaps workers do not stand in each other's way.
		statements = append(statements, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	}
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("preparing the session at %s: %w", c.to.address, err)
		}
	}
	return conn, nil
}

// guardSource pauses reading while the source is busier than allowed.
func (c *copier) guardSource(ctx context.Context) {
	if c.req.MaxThreadsRunning == 0 && c.req.MaxReplicaLag == 0 {
		return
	}
	go func() {
		conn, err := c.from.connect(ctx)
		if err != nil {
			c.reporter.Note("the load of the source is not looked at: %v", err)
			return
		}
		defer conn.Close()
		c.limiter.Guard(ctx, time.Second, func(ctx context.Context) (bool, error) { return c.loaded(ctx, conn) })
	}()
}

// loaded says whether the source runs more threads, beside ours, or lags more
// than the request allows.
func (c *copier) loaded(ctx context.Context, conn *wire.Conn) (bool, error) {
	if limit := c.req.MaxThreadsRunning; limit > 0 {
		rows, err := conn.All(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
		if err != nil {
			return false, err
		}
		if len(rows) > 0 && number(rows[0][1]) > int64(limit+c.workers+1) {
			return true, nil
		}
	}
	if c.req.MaxReplicaLag == 0 {
		return false, nil
	}
	lag, err := c.from.lag(ctx, conn)
	return lag > c.req.MaxReplicaLag, err
}

// lag is how far the server is behind the one it replicates, 0 when none.
func (s *server) lag(ctx context.Context, conn *wire.Conn) (time.Duration, error) {
	statement, column := "SHOW SLAVE STATUS", "Seconds_Behind_Master"
	if !s.mariadb && s.atLeast(8, 0, 22) {
		statement, column = "SHOW REPLICA STATUS", "Seconds_Behind_Source"
	}
	rows, err := conn.Query(ctx, statement)
	if err != nil {
		return 0, err
	}
	position := slices.Index(rows.Names, column)
	var lag time.Duration
	for rows.Next() {
		if position >= 0 && rows.Fields[position] != nil {
			seconds, _ := strconv.Atoi(string(rows.Fields[position]))
			lag = time.Duration(seconds) * time.Second
		}
	}
	return lag, rows.Err()
}

// result says what was done so far.
func (c *copier) result() *datacopy.Result {
	r := &datacopy.Result{
		Started: c.started.UTC(), Duration: time.Since(c.started), Retries: c.retries.Load(), Throttled: c.limiter.Waited(),
		NotKept: c.notKept, Workers: c.workers,
	}
	for _, u := range c.units {
		r.Units = append(r.Units, u.result())
	}
	slices.SortFunc(r.Units, func(a, b datacopy.UnitResult) int { return cmp.Compare(a.Name, b.Name) })
	return r
}

func (c *copier) endSteps(err error) {
	for _, u := range c.units {
		if err != nil && u.step != nil && !u.complete {
			u.step.Fail(errors.New("not complete"))
		}
	}
}

func (c *copier) lose(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lost := fmt.Sprintf(format, args...); !slices.Contains(c.notKept, lost) {
		c.notKept = append(c.notKept, lost)
	}
}

var errMarker = fault.New(fault.Refused, "Begin the copy anew.",
	"copying data: the target does not hold what this copy left there; it was changed since")
