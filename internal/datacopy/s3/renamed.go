package s3

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// Masked names are in another order than the source's, and do not tell what
// they stand for. So both sides are not listed side by side: what matters of
// the target is asked for name by name, and what it has too many of is known by
// number only.

// rename gives an object the key that it has in the target.
func (c *copier) rename(o *object) {
	if c.renames == nil {
		return
	}
	if name, renamed := c.renames.Name(c.from.name, o.key); renamed {
		o.renamed = name
	}
}

// targetKey is the key in the target, without its prefix.
func (o *object) targetKey() string {
	if o.renamed != "" {
		return o.renamed
	}
	return o.key
}

func (c *copier) toKey(o *object) string { return c.to.prefix + o.targetKey() }

// warnRenamed says in the plan what masked names make impossible.
func (c *copier) warnRenamed(plan *datacopy.Plan) {
	if c.renames == nil {
		return
	}
	if len(c.req.Include)+len(c.req.Exclude) > 0 {
		plan.Blockers = append(plan.Blockers, "the mask changes names of objects, which include and exclude cannot choose in the target: copy all objects")
	}
	if c.req.Delete {
		plan.Warnings = append(plan.Warnings, "objects whose names the mask changes are not removed from the target: replace it to be rid of old ones")
	}
}

// clearRenamed removes from the target what is to go, before anything is
// copied: a name that a mask may have made is asked of nobody, and goes with
// Replace only.
func (c *copier) clearRenamed(ctx context.Context) error {
	if c.renames == nil || !c.removes() {
		return nil
	}
	target := c.listing(c.to, "")
	for p := range target.pages(ctx) {
		if p.err != nil {
			return p.err
		}
		for i := range p.objects {
			o := &p.objects[i]
			if c.resumed && !o.modified.Before(c.ours) {
				continue // of an earlier run of this copy
			}
			if err := c.mark(ctx); err != nil {
				return err
			}
			if err := c.removeRenamed(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *copier) removeRenamed(ctx context.Context, o *object) error {
	if _, renamed := c.renames.Name(c.from.name, o.key); !renamed {
		return c.remove(ctx, o)
	}
	if !c.plan.Replace {
		return nil
	}
	err := c.retry.Do(ctx, func(int) error {
		_, err := c.to.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.to.name, Key: aws.String(c.to.prefix + o.key)})
		return err
	})
	if err != nil {
		return c.to.failed(fmt.Sprintf("removing %q from", o.key), err)
	}
	c.removed.Add(1)
	return nil
}

// dueByName says whether something is to be done about an object whose
// counterpart was not listed: a run that goes on asks for it.
func (c *copier) dueByName(ctx context.Context, m match) (bool, error) {
	if c.renames == nil || !c.resumed {
		return true, nil
	}
	target, err := c.ask(ctx, c.to, m.source.targetKey())
	if err != nil || target == nil {
		return true, err
	}
	return c.due(match{source: m.source, target: target}), nil
}

// runRenamed compares each object of the source with the one under its masked
// name, and the number of objects backwards.
func (v *verification) runRenamed(ctx context.Context) error {
	var found atomic.Int64
	err := spread(ctx, verifyWorkers, func(ctx context.Context, todo chan<- match) error {
		source := v.listing(v.from, "").begin(ctx)
		defer source.stop()
		return matches(source, nil, func(found []match, _ string, _ bool) error {
			for _, m := range found {
				v.rename(m.source)
				select {
				case todo <- m:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}, func(ctx context.Context, m match) error {
		there, err := v.lookByName(ctx, m)
		if there {
			found.Add(1)
		}
		return err
	})
	if err != nil {
		return err
	}
	target := v.listing(v.to, "")
	for p := range target.pages(ctx) {
		if p.err != nil {
			return p.err
		}
		v.report.TargetCount += int64(len(p.objects))
	}
	switch more := v.report.TargetCount - found.Load(); {
	case more > 0:
		v.report.Add("objects with masked names", fmt.Sprintf("%d more than in the source", more))
	case more < 0:
		v.report.Add("objects with masked names", fmt.Sprintf("%d have a name that another has, too", -more))
	}
	return nil
}

// lookByName compares one object, and says whether the target has one.
func (v *verification) lookByName(ctx context.Context, m match) (there bool, err error) {
	m.target, err = v.ask(ctx, v.to, m.source.targetKey())
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	v.report.Count++
	v.progress(1)
	if m.target == nil {
		v.report.Add(m.source.key, datacopy.Missing)
	}
	v.mu.Unlock()
	if m.target == nil {
		return false, nil
	}
	return true, v.look(ctx, m)
}
