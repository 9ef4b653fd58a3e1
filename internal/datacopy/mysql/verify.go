package mysql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// schemaUnit is the part of a report that is about definitions.
const schemaUnit = "(schema)"

// verifier compares both sides.
type verifier struct {
	*copier
	// sent is the journal of the copy, nil to compare with what the source has
	// now.
	sent datacopy.Journal
}

// Verify implements datacopy.Engine.
func (e *Engine) Verify(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter) (*datacopy.Report, error) {
	return e.verify(ctx, req, plan, journal, reporter, nil)
}

// verify compares what is not proven yet.
func (e *Engine) verify(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, journal datacopy.Journal, reporter progress.Reporter, p *proof) (*datacopy.Report, error) {
	d, err := readDetail(plan)
	if err != nil {
		return nil, err
	}
	v := &verifier{sent: journal, copier: &copier{
		req: req, plan: plan, detail: d, journal: journal, reporter: reporter, proof: p,
		limiter: datacopy.NewLimiter(req.MaxBytesPerSecond), workers: cmp.Or(req.Parallel, defaultWorkers), started: time.Now(),
	}}
	if journal == nil || journal.Plan() == nil {
		v.sent, v.journal = nil, &datacopy.MemoryJournal{}
	}
	if v.from, err = open(ctx, req.From, "source"); err != nil {
		return nil, err
	}
	if v.to, err = open(ctx, req.To, "target"); err != nil {
		return nil, err
	}
	return v.run(ctx)
}

// check is the comparison of one table.
type check struct {
	unit   *unit
	report datacopy.UnitReport

	mu          sync.Mutex
	here, there digest
}

func (v *verifier) run(ctx context.Context) (*datacopy.Report, error) {
	if err := v.makeUnits(); err != nil {
		return nil, err
	}
	target, err := v.to.schemaNow(ctx)
	if err != nil {
		return nil, err
	}
	step := v.reporter.Step("verifying")
	report := &datacopy.Report{Units: []datacopy.UnitReport{v.compareSchema(target)}}
	checks, err := v.checks(target)
	if err == nil {
		err = defaultPulse.attend(ctx, v.reporter.Note, func(ctx context.Context) error { return v.compareAll(ctx, checks, step) }, v.from, v.to)
	}
	if err != nil {
		step.Fail(err)
		return nil, err
	}
	for _, c := range checks {
		report.Units = append(report.Units, c.finish())
	}
	slices.SortFunc(report.Units, func(a, b datacopy.UnitReport) int { return cmp.Compare(a.Name, b.Name) })
	report.Duration = time.Since(v.started)
	step.Done("%s", report.Answer())
	return report, nil
}

// checks makes one for each table; those that need no look have their answer.
func (v *verifier) checks(target *schema) ([]*check, error) {
	var checks []*check
	for _, u := range v.units {
		c := &check{unit: u, report: datacopy.UnitReport{Name: u.table.Name, Noun: "rows", Answer: datacopy.Equal}}
		checks = append(checks, c)
		there := target.table(u.table.Name)
		if there == nil {
			c.report.Add("table "+u.table.Name, datacopy.Missing)
			continue
		}
		if compareColumns(u.table, there) != nil {
			c.report.Answer, c.report.Cause = datacopy.Unknown, "its columns are defined otherwise in the target"
			continue
		}
		var err error
		if u.splitter, err = newSplitter(u.table, v.rowsPerChunk(u.table), v.journal); err != nil {
			return nil, err
		}
		if v.sent != nil {
			c.complete(v.sent)
		}
	}
	return checks, nil
}

// complete says whether the journal knows all of the table.
func (c *check) complete(journal datacopy.Journal) {
	c.unit.splitter.mu.Lock()
	defer c.unit.splitter.mu.Unlock()
	missing := 0
	for _, k := range c.unit.splitter.known {
		if _, ok := journal.Lookup(c.unit.table.rowsUnit(), k.name()); !ok {
			missing++
		}
	}
	if !c.unit.splitter.over || missing > 0 {
		c.report.Answer, c.report.Cause = datacopy.Unknown, "the copy of this table is not complete: resume it"
		c.unit.splitter.known, c.unit.splitter.over = nil, true
	}
}

// compareAll works through the chunks of all tables with several connections
// to both servers.
func (v *verifier) compareAll(ctx context.Context, checks []*check, step progress.Step) error {
	var total, rows atomic.Int64
	for _, c := range checks {
		total.Add(c.unit.table.Rows)
	}
	group, ctx := errgroup.WithContext(ctx)
	for range v.workers {
		group.Go(func() error {
			w := &worker{copier: v.copier, lanes: map[*unit]*lane{}}
			defer w.closeBoth()
			for _, c := range checks {
				for c.unit.splitter != nil {
					done, more, err := v.compareNext(ctx, w, c)
					if err != nil {
						return fmt.Errorf("verifying table %s: %w", c.unit.table.Name, err)
					}
					if !more {
						break
					}
					step.Count(rows.Add(done), max(total.Load(), rows.Load()), "rows")
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (w *worker) closeBoth() {
	if w.source != nil {
		_ = w.source.Close()
	}
	w.close()
}

// compareNext compares the next chunk; what may pass is tried again.
func (v *verifier) compareNext(ctx context.Context, w *worker, c *check) (rows int64, more bool, err error) {
	retry := datacopy.Retry{Passing: passing, Count: &v.retries}
	var k chunk
	taken := false
	err = retry.Do(ctx, func(int) error {
		if err := v.connectBoth(ctx, w); err != nil {
			return err
		}
		if !taken {
			if k, more, err = c.unit.splitter.next(ctx, w.source); err != nil || !more {
				return err
			}
			taken = true
		}
		rows, err = v.compareChunk(ctx, w, c, k)
		return err
	})
	return rows, more, err
}

func (v *verifier) connectBoth(ctx context.Context, w *worker) error {
	if w.source == nil || w.source.Broken() {
		conn, err := v.from.connect(ctx)
		if err != nil {
			return err
		}
		w.source = conn
		if _, err := conn.Exec(ctx, "SET SESSION TRANSACTION READ ONLY"); err != nil {
			return err
		}
	}
	return w.connected(ctx)
}

func (v *verifier) compareChunk(ctx context.Context, w *worker, c *check, k chunk) (int64, error) {
	here, there, err := v.digests(ctx, w, c, k)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.here, c.there = c.here.merge(here), c.there.merge(there)
	c.mu.Unlock()
	if here == there {
		return there.rows, nil
	}
	differences, err := v.differences(ctx, w, c.unit, k)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range differences {
		c.report.Add(d.Key, d.What)
	}
	if len(differences) == 0 {
		c.report.Add(k.shown(c.unit.table), "differs from what was sent; the source has the same now")
	}
	return there.rows, nil
}

// digests gives those of a chunk on both sides. The source's is that of the
// rows as sent when the journal has it.
func (v *verifier) digests(ctx context.Context, w *worker, c *check, k chunk) (here, there digest, err error) {
	u := c.unit
	if sum, proven := v.proof.of(u.table, k); proven {
		return sum, sum, nil
	}
	if v.sent != nil {
		entry, _ := v.sent.Lookup(u.table.rowsUnit(), k.name())
		if here, err = parseDigest(entry.Digest); err != nil {
			return here, there, err
		}
		there, err = digestOf(ctx, w.target, u.table, k.condition(u.table))
		return here, there, err
	}
	if u.mask == nil {
		return w.both(ctx, u, k)
	}
	var group errgroup.Group
	group.Go(func() error {
		e := newEncoder(u.table, u.mask)
		err := w.each(ctx, u, k, e, func([][]byte) error { return nil })
		here = e.sent
		return err
	})
	group.Go(func() (err error) {
		there, err = digestOf(ctx, w.target, u.table, k.condition(u.table))
		return err
	})
	return here, there, group.Wait()
}

// each reads and masks the rows of a chunk.
func (w *worker) each(ctx context.Context, u *unit, k chunk, e *encoder, visit func([][]byte) error) error {
	rows, err := w.source.Query(ctx, u.selectRows(k))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := e.prepare(rows.Fields); err != nil {
			return err
		}
		if err := visit(rows.Fields); err != nil {
			return err
		}
	}
	return rows.Err()
}

// compareSchema compares definitions: tables and indexes word for word, other
// objects by name, and by text where both servers print alike.
func (v *verifier) compareSchema(target *schema) datacopy.UnitReport {
	report := datacopy.UnitReport{Name: schemaUnit, Noun: "definitions", Answer: datacopy.Equal}
	planned := v.detail.Schema
	if target.Copy != "" {
		report.Answer, report.Cause = datacopy.Unknown, "a copy into this database is not complete"
	}
	alike := v.from.mariadb == v.to.mariadb && v.from.version[0] == v.to.version[0]
	for _, t := range planned.Tables {
		report.Count++
		there := target.table(t.Name)
		if there == nil {
			report.Add("table "+t.Name, datacopy.Missing)
			continue
		}
		report.TargetCount++
		sameProduct := v.from.mariadb == v.to.mariadb
		differences := compareTables(t, there, sameProduct)
		if sameProduct && !alike {
			differences = slices.DeleteFunc(differences, func(d string) bool { return strings.HasSuffix(d, " differs") })
		}
		for _, d := range differences {
			report.Add("table "+t.Name, d)
		}
	}
	for _, pair := range [][2][]object{
		{planned.Views, target.Views}, {planned.Routines, target.Routines}, {planned.Triggers, target.Triggers},
		{planned.Events, target.Events}, {planned.Sequences, target.Sequences},
	} {
		compareObjects(&report, pair[0], pair[1], alike)
	}
	return report
}

func compareObjects(report *datacopy.UnitReport, want, have []object, alike bool) {
	there := map[string]object{}
	for _, o := range have {
		there[o.Kind+" "+o.Name] = o
	}
	for _, o := range want {
		report.Count++
		other, ok := there[o.Kind+" "+o.Name]
		label := strings.ToLower(o.Kind) + " " + o.Name
		switch {
		case !ok:
			report.Add(label, datacopy.Missing)
			continue
		case alike && o.Kind != "SEQUENCE" && normal(o.Create) != normal(other.Create):
			report.Add(label, datacopy.Changed)
		}
		report.TargetCount++
	}
}

// compareColumns says whether rows of both tables can be compared at all.
func compareColumns(a, b *table) error {
	if len(a.Columns) != len(b.Columns) {
		return errors.New("another number of columns")
	}
	for i, c := range a.Columns {
		if c.Name != b.Columns[i].Name || c.Data != b.Columns[i].Data && !(c.Data == "json" && b.Columns[i].Data == "longtext") {
			return fmt.Errorf("column %s", c.Name)
		}
	}
	return nil
}
