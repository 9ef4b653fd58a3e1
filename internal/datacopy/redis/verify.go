package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Verify is part of datacopy.Engine. Both sides are read now, whatever the
// journal: what the source changed since shows as changed, and an incremental
// copy brings it.
func (e *Engine) Verify(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, _ datacopy.Journal, reporter progress.Reporter) (*datacopy.Report, error) {
	began := time.Now()
	// What was refused to be overwritten may well be compared.
	unrefused := *plan
	unrefused.Overwrites, unrefused.Blockers = nil, nil
	c, err := e.prepare(ctx, req, &unrefused)
	if err != nil {
		return nil, err
	}
	report := &datacopy.Report{}
	for _, unit := range plan.Units {
		step := reporter.Step("verifying " + unit.Name)
		var found datacopy.UnitReport
		err := c.attend(ctx, reporter.Note, func(ctx context.Context) (err error) {
			found, err = c.verifyUnit(ctx, unit, step)
			return err
		})
		if err != nil {
			step.Fail(err)
			if ctx.Err() != nil {
				return report, ctx.Err()
			}
			found.Answer, found.Cause = datacopy.Unknown, err.Error()
		} else {
			step.Done("%s: %s", found.Answer, datacopy.Counted(found.Count, found.Noun))
		}
		report.Units = append(report.Units, found)
	}
	report.Duration = time.Since(began)
	return report, nil
}

// verification is that of one database.
type verification struct {
	*unitCopy
	mu     sync.Mutex
	report datacopy.UnitReport
	// renamed are the keys whose names are masked, as the source has them, less
	// those of the target: which is which cannot be told of these.
	renamed int64
}

func (c *copier) verifyUnit(ctx context.Context, unit datacopy.Unit, step progress.Step) (datacopy.UnitReport, error) {
	v := &verification{report: datacopy.UnitReport{Name: unit.Name, Noun: unit.Noun, Answer: datacopy.Equal}}
	p, err := parsePair(unit)
	if err != nil {
		return v.report, err
	}
	v.unitCopy = c.open(ctx, unit, p)
	defer v.close()
	v.step = step
	if err := v.compareAll(ctx); err != nil {
		return v.report, fmt.Errorf("verifying %s: %w", unit.Name, err)
	}
	if err := v.findExtra(ctx); err != nil {
		return v.report, fmt.Errorf("verifying %s: %w", unit.Name, err)
	}
	return v.report, nil
}

// compareAll compares each key of the source with the target.
func (v *verification) compareAll(ctx context.Context) error {
	v.pieces = make(chan *piece, v.workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(v.pieces)
		for _, node := range v.copier.source.layout.Load().nodes {
			if err := v.list(ctx, node); err != nil {
				return err
			}
		}
		return nil
	})
	for range v.workers {
		group.Go(func() error {
			w := &worker{unitCopy: v.unitCopy, source: newLines(v.copier.source, v.from), target: newLines(v.copier.target, v.to)}
			defer w.drop()
			for p := range v.pieces {
				if err := v.comparePiece(ctx, w, p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (v *verification) list(ctx context.Context, node string) error {
	l := listing{server: v.copier.source, side: v.scope.source(), database: v.from, node: node, sizes: true, once: true, retry: v.retry}
	return l.run(ctx, "0", func(p page) error {
		small, large := v.cut(node, p)
		for _, piece := range append(small, large...) {
			if err := v.unitCopy.send(ctx, piece); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verification) comparePiece(ctx context.Context, w *worker, p *piece) error {
	if err := v.limiter.Wait(ctx, int(p.bytes)); err != nil {
		return err
	}
	var differences []found
	err := w.retried(ctx, func() (err error) {
		differences, err = w.compare(ctx, p.keys, p.bytes >= largeKey)
		return err
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Count += int64(len(p.keys))
	for _, key := range p.keys {
		if v.scope.renames(v.scope.name(key)) {
			v.renamed++
		}
	}
	for _, d := range differences {
		v.report.Add(string(v.scope.toTarget(nil, d.key)), d.what)
	}
	v.step.Count(v.report.Count, max(v.unit.Count, v.report.Count), "keys")
	return nil
}

// findExtra lists the target for keys that the source does not have.
func (v *verification) findExtra(ctx context.Context) error {
	source := newLines(v.copier.source, v.from)
	defer source.drop()
	err := v.eachOfTarget(ctx, func(ctx context.Context, keys [][]byte, _ *lines) error {
		own := v.scope.known(keys)
		extra, err := v.absent(ctx, source, own)
		if err != nil {
			source.drop()
			return v.copier.source.failed("looking for keys in", err)
		}
		v.report.TargetCount += int64(len(keys))
		v.renamed -= int64(len(keys) - len(own))
		for _, key := range v.scope.allToTarget(extra) {
			v.report.Add(string(key), datacopy.Extra)
		}
		return nil
	})
	if err == nil && v.renamed < 0 {
		v.report.Add("keys with masked names", fmt.Sprintf("%d more than in the source", -v.renamed))
	}
	return err
}
