package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Many captures several targets, parallel at once, and hands each to done as
// it comes: one call after the other, with the target's place in the list, and
// a spec or an error. One target's failure stops nothing; an error of done, or
// the end of ctx, stops all and is returned. What done does not keep is free
// again: memory follows parallel, not the number of targets. All share one
// salt.
func Many(ctx context.Context, targets []target.Target, parallel int, options Options, report progress.Reporter,
	done func(i int, spec *hostspec.Spec, err error) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if options.Salt == "" {
		options.Salt = NewSalt()
	}
	crowd := &crowd{step: report.Step(title(targets)), total: len(targets)}
	var next atomic.Int64
	var one sync.Mutex
	var workers sync.WaitGroup
	for range max(1, min(parallel, len(targets))) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(targets) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				spec, err := Capture(ctx, targets[i], options)
				if ctx.Err() != nil {
					return
				}
				one.Lock()
				crowd.count(err)
				if err := done(i, spec, err); err != nil {
					cancel(err)
				}
				one.Unlock()
			}
		})
	}
	workers.Wait()
	err := context.Cause(ctx)
	crowd.end(err)
	return err
}

func title(targets []target.Target) string {
	if len(targets) == 1 {
		return "capture " + targets[0].Name()
	}
	return "capture"
}

// crowd is the progress of many captures.
type crowd struct {
	step                progress.Step
	total, done, failed int
}

func (c *crowd) count(err error) {
	c.done++
	if err != nil {
		c.failed++
	}
	c.step.Count(int64(c.done), int64(c.total), "targets")
	if c.failed > 0 {
		c.step.Update("%d failed", c.failed)
	}
}

func (c *crowd) end(err error) {
	switch {
	case err != nil:
		c.step.Fail(err)
	case c.failed > 0:
		c.step.Fail(errFailed(c.failed, c.total))
	case c.total == 1:
		c.step.Done("captured")
	default:
		c.step.Done("%d targets", c.total)
	}
}

func errFailed(failed, total int) error {
	if total == 1 {
		return errors.New("failed")
	}
	return fmt.Errorf("%d of %d targets could not be captured", failed, total)
}
