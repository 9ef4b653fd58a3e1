package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// follower keeps the target up to date after a copy. The binary log says which
// rows changed; what they are now is read from the source, masked and sent as
// in the copy. So what was applied twice, or read newer than the log's place,
// does no harm: when the log is at its end both sides are equal.
type follower struct {
	*copier
	worker   *worker
	syncer   *replication.BinlogSyncer
	stream   *replication.BinlogStreamer
	byName   map[string]*unit
	step     progress.Step
	database string

	// seen is the end of the last event, safe that of the last commit.
	seen, safe mysql.Position
	// pending are conditions for rows to bring up to date, by key.
	pending map[*unit]map[string]bool
	waiting int
	// whole are tables whose rows cannot be told one by one in the target: they
	// are copied again at the end.
	whole map[*unit]bool
	// until is where the log ends at cut-over.
	until *mysql.Position
	// at is when the last event was made.
	at time.Time
}

// Limits of one round of bringing rows up to date.
const (
	rowsPerRound = 1000
	quietAfter   = 200 * time.Millisecond
)

// Follow implements datacopy.Follower. It needs the source's binary log, with
// binlog_format ROW, and the right REPLICATION SLAVE there. Triggers of the
// target are away while it follows.
func (e *Engine) Follow(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, cutover <-chan struct{}, reporter progress.Reporter) (*datacopy.Result, error) {
	d, err := readDetail(plan)
	if err != nil {
		return nil, err
	}
	f := &follower{
		copier: &copier{
			req: req, plan: plan, detail: d, journal: journal, reporter: reporter,
			limiter: datacopy.NewLimiter(req.MaxBytesPerSecond), workers: 1, started: time.Now(),
		},
		byName: map[string]*unit{}, pending: map[*unit]map[string]bool{}, whole: map[*unit]bool{}, database: req.From.Name(),
	}
	f.step = reporter.Step("following")
	err = f.run(ctx, cutover)
	f.close()
	if err != nil {
		f.step.Fail(err)
		return f.result(), fmt.Errorf("following the source: %w", err)
	}
	f.step.Done("both sides are equal as of %s:%d", f.seen.Name, f.seen.Pos)
	return f.result(), nil
}

func (f *follower) run(ctx context.Context, cutover <-chan struct{}) error {
	if err := f.open(ctx); err != nil {
		return err
	}
	return defaultPulse.attend(ctx, f.reporter.Note, func(ctx context.Context) error { return f.follow(ctx, cutover) }, f.from, f.to)
}

// follow applies changes until the end of the log after cutover.
func (f *follower) follow(ctx context.Context, cutover <-chan struct{}) error {
	if err := f.beginTarget(ctx); err != nil {
		return err
	}
	for {
		if err := f.turn(ctx); err != nil {
			return err
		}
		select {
		case <-cutover:
			if f.until == nil {
				if err := f.stopSource(ctx); err != nil {
					return err
				}
			}
		default:
		}
		if f.until != nil && f.waiting == 0 && f.seen.Compare(*f.until) >= 0 {
			return f.endTarget(ctx)
		}
	}
}

// open connects to both sides and begins to read the log.
func (f *follower) open(ctx context.Context) error {
	var err error
	if f.from, err = open(ctx, f.req.From, "source"); err != nil {
		return err
	}
	if f.to, err = open(ctx, f.req.To, "target"); err != nil {
		return err
	}
	if err := f.makeUnits(); err != nil {
		return err
	}
	for _, u := range f.units {
		u.step = progress.Discard.Step("")
		u.splitter = &splitter{table: u.table, rows: 1}
		// A change is in the log a moment before others can see it.
		u.locking = " LOCK IN SHARE MODE"
		if !f.from.mariadb && f.from.atLeast(8, 0, 22) {
			u.locking = " FOR SHARE" // needs no right but SELECT
		}
		f.byName[u.table.Name] = u
	}
	if err := f.from.logsRows(); err != nil {
		return err
	}
	f.worker = &worker{copier: f.copier, lanes: map[*unit]*lane{}}
	if f.worker.source, err = f.from.connect(ctx); err != nil {
		return err
	}
	if err := f.worker.connected(ctx); err != nil {
		return err
	}
	return f.startStream()
}

func (f *follower) startStream() error {
	entry, _ := f.journal.Lookup(positionUnit, "binlog")
	file, offset, found := strings.Cut(entry.Note, ":")
	place, err := strconv.ParseUint(offset, 10, 32)
	if !found || err != nil {
		return fault.New(fault.Refused, "Give the source's user REPLICATION CLIENT (BINLOG MONITOR), turn log_bin on, and copy anew.",
			"the copy could not see where the source's binary log was")
	}
	f.safe = mysql.Position{Name: file, Pos: uint32(place)}
	f.seen, f.at = f.safe, time.Now()
	host, port, err := net.SplitHostPort(f.from.options.Addr)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	flavor := mysql.MySQLFlavor
	if f.from.mariadb {
		flavor = mysql.MariaDBFlavor
	}
	f.syncer = replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: 1<<31 + rand.Uint32N(1<<30), Flavor: flavor, Host: host, Port: uint16(number),
		User: f.from.options.User, Password: f.from.options.Password, TLSConfig: f.from.options.TLS,
		TimestampStringLocation: time.UTC, HeartbeatPeriod: 10 * time.Second, ReadTimeout: 30 * time.Second,
		MaxReconnectAttempts: 10, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	f.stream, err = f.syncer.StartSync(f.safe)
	if err != nil {
		return f.from.explain(fmt.Errorf("reading the binary log from %s: %w", entry.Note, loginError(err)))
	}
	return nil
}

// loginError keeps the server's words.
func loginError(err error) error {
	var reply *mysql.MyError
	if errors.As(err, &reply) {
		return &wire.Error{Code: reply.Code, State: reply.State, Message: reply.Message}
	}
	return err
}

func (f *follower) close() {
	if f.syncer != nil {
		f.syncer.Close()
	}
	if f.worker != nil {
		f.worker.closeBoth()
	}
}

// beginTarget marks the target as not complete and takes triggers away: rows
// that are applied had their effects at the source.
func (f *follower) beginTarget(ctx context.Context) error {
	statements := []string{
		"CREATE TABLE IF NOT EXISTS " + name(marker) + " (plan VARCHAR(64) NOT NULL PRIMARY KEY, started TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
		"REPLACE INTO " + name(marker) + " (plan) VALUES (" + text(f.plan.ID) + ")",
	}
	for _, t := range f.detail.Schema.Triggers {
		statements = append(statements, "DROP TRIGGER IF EXISTS "+name(t.Name))
	}
	for _, statement := range statements {
		if _, err := f.worker.target.Exec(ctx, statement); err != nil {
			return f.to.explain(fmt.Errorf("preparing the target: %w", err))
		}
	}
	return nil
}

// endTarget copies again what could not be followed row by row, and puts back
// what beginTarget took away.
func (f *follower) endTarget(ctx context.Context) error {
	for u := range f.whole {
		if err := f.worker.copy(ctx, u, &chunk{known: true, only: "1 = 1"}); err != nil {
			return fmt.Errorf("copying table %s again: %w", u.table.Name, err)
		}
	}
	if _, err := f.worker.target.Exec(ctx, "SET NAMES utf8mb4"); err != nil {
		return err
	}
	if err := f.replaceAll(ctx, f.worker.target, f.detail.Schema.Triggers); err != nil {
		return err
	}
	_, err := f.worker.target.Exec(ctx, "DROP TABLE IF EXISTS "+name(marker))
	return err
}

// turn takes the next event, or brings rows up to date when the log is quiet
// or enough have come together.
func (f *follower) turn(ctx context.Context) error {
	quiet, cancel := context.WithTimeout(ctx, quietAfter)
	event, err := f.stream.GetEvent(quiet)
	cancel()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		f.at = time.Now()
		return f.apply(ctx)
	case err != nil:
		return f.from.explain(fmt.Errorf("reading the binary log: %w", loginError(err)))
	}
	if err := f.take(event); err != nil {
		return err
	}
	if f.waiting >= rowsPerRound {
		return f.apply(ctx)
	}
	return nil
}

// apply brings the rows that wait up to date, and remembers how far that is.
func (f *follower) apply(ctx context.Context) error {
	f.step.Count(int64(time.Since(f.at)/time.Second), 0, "s behind")
	moved := f.waiting > 0
	for u, conditions := range f.pending {
		all := make([]string, 0, len(conditions))
		for condition := range conditions {
			all = append(all, condition)
		}
		rows := chunk{known: true, only: strings.Join(all, " OR ")}
		retry := datacopy.Retry{Passing: passing, Count: &f.retries}
		err := retry.Do(ctx, func(int) error {
			if err := f.reconnect(ctx); err != nil {
				return err
			}
			return f.worker.copy(ctx, u, &rows)
		})
		if err != nil {
			return fmt.Errorf("applying changes of table %s: %w", u.table.Name, err)
		}
		delete(f.pending, u)
	}
	f.waiting = 0
	if !moved || len(f.whole) > 0 {
		// What is copied again at the end is not applied yet.
		return nil
	}
	return f.journal.Record(datacopy.Entry{Unit: positionUnit, Chunk: "binlog", Note: fmt.Sprintf("%s:%d", f.safe.Name, f.safe.Pos)})
}

// reconnect makes sure of both connections.
func (f *follower) reconnect(ctx context.Context) error {
	w := f.worker
	if w.source.Broken() {
		conn, err := f.from.connect(ctx)
		if err != nil {
			return err
		}
		w.source = conn
	}
	return w.connected(ctx)
}

// stopSource ends writes at the source when the request allows it, and finds
// the end of its log.
func (f *follower) stopSource(ctx context.Context) error {
	conn, err := f.from.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if f.req.StopWrites {
		readOnly := "SET GLOBAL read_only = 1"
		if !f.from.mariadb {
			readOnly = "SET GLOBAL super_read_only = 1"
		}
		for _, statement := range []string{"FLUSH TABLES WITH READ LOCK", readOnly, "UNLOCK TABLES"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return f.from.explain(fmt.Errorf("stopping writes at the source: %w", err))
			}
		}
		f.reporter.Note("writes at the source are stopped: %s there lets them go on", strings.Replace(readOnly, "= 1", "= 0", 1))
	}
	file, offset, _ := strings.Cut(f.from.position(ctx, conn), ":")
	place, err := strconv.ParseUint(offset, 10, 32)
	if err != nil {
		return errors.New("finding the end of the source's binary log: the server does not tell")
	}
	f.until = &mysql.Position{Name: file, Pos: uint32(place)}
	return nil
}
