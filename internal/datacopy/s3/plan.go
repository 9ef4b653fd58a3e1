package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

const (
	// counted is how many objects a plan counts; more would make planning as
	// slow as listing everything.
	counted = 50_000
	// glanced is how many it counts where the copy begins with a comparison,
	// which tells more, and should not wait for the plan.
	glanced = 100
	// objectsASecond and bytesASecond are what modest servers manage, for the
	// estimate of how long a copy takes.
	objectsASecond = 800
	bytesASecond   = 150 << 20
)

// Plan is part of datacopy.Engine.
func (e *Engine) Plan(ctx context.Context, req datacopy.Request) (*datacopy.Plan, error) {
	options, err := readOptions(req.Options)
	if err != nil {
		return nil, err
	}
	c, err := e.connect(ctx, req, options)
	if err != nil {
		return nil, err
	}
	// Nobody waits a minute to read that an address is wrong.
	c.retry.Attempts = 3
	plan := datacopy.NewPlan(req)
	most := counted
	if plan.Mode == datacopy.Incremental {
		most = glanced
	}
	var unit datacopy.Unit
	var locked bool
	group, within := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		unit, err = c.census(within, c.from, most)
		return err
	})
	group.Go(func() error { return c.planTarget(within, plan) })
	group.Go(func() error {
		locked = c.locks(within)
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := c.names.Conclude(plan, unit.Noun, !unit.Estimate); err != nil {
		return nil, err
	}
	if req.Mask != nil {
		unit.Masked = []string{"objects that a rule names"}
	}
	plan.Units = append(plan.Units, unit)
	c.warnRenamed(plan)
	if len(req.Subset) > 0 {
		plan.Blockers = append(plan.Blockers, "S3 knows no predicates: choose objects by include and exclude")
	}
	if req.MaxThreadsRunning > 0 || req.MaxReplicaLag > 0 {
		plan.Warnings = append(plan.Warnings, "S3 has no threads or lag to watch: limit the bytes a second instead")
	}
	if !options.tags {
		plan.NotKept = append(plan.NotKept, "tags, as asked for")
	}
	if options.versions {
		plan.NotKept = append(plan.NotKept, "times and IDs of versions")
	} else {
		plan.NotKept = append(plan.NotKept, "earlier versions of objects")
	}
	if options.acls {
		plan.NotKept = append(plan.NotKept, "access lists that name users: only those open to everyone are kept")
	} else {
		plan.NotKept = append(plan.NotKept, "access lists of objects")
	}
	if locked {
		plan.NotKept = append(plan.NotKept, "retention and legal holds: objects of the target can be removed")
	}
	if !unit.Estimate {
		plan.Estimate = time.Duration(unit.Count)*time.Second/objectsASecond + time.Duration(unit.Bytes)*time.Second/bytesASecond
	}
	return plan, nil
}

// census counts objects and bytes, at most about so many; of a larger bucket
// the count is a lower bound. Whether one is meant at all is always found out.
func (c *copier) census(ctx context.Context, b *bucket, most int) (datacopy.Unit, error) {
	unit := datacopy.Unit{Name: c.from.name, Noun: "objects"}
	l := c.listing(b, "")
	if !c.names.Choosy() {
		l.most = most
	}
	seen := 0
	for p := range l.pages(ctx) {
		if p.err != nil {
			return unit, p.err
		}
		for _, o := range p.objects {
			if c.names.Has(o.key) {
				unit.Count++
				unit.Bytes += o.size
			}
		}
		if seen += len(p.objects); p.more && seen >= most && (c.names.Some() || !c.names.Choosy()) {
			unit.Estimate = true
			unit.Warnings = append(unit.Warnings, fmt.Sprintf("the plan counts the first %s of the bucket only, and there are more", datacopy.Counted(int64(seen), unit.Noun)))
			break
		}
	}
	unit.Chunks = int(unit.Count/pageSize) + 1
	return unit, nil
}

// locks says that objects of the source can be locked against deletion. Servers
// that do not know of locks, and keys that may not ask, say that they cannot.
func (c *copier) locks(ctx context.Context) bool {
	out, err := c.from.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &c.from.name})
	return err == nil && out.ObjectLockConfiguration != nil &&
		out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled
}

// planTarget says what of the target would be lost.
func (c *copier) planTarget(ctx context.Context, plan *datacopy.Plan) error {
	err := c.retry.Do(ctx, func(int) error {
		_, err := c.to.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &c.to.name})
		return err
	})
	if notFound(err) {
		plan.Blockers = append(plan.Blockers, fmt.Sprintf("the bucket %s does not exist: make it first", c.to.name))
		return nil
	}
	if err != nil {
		return c.to.failed("looking for", err)
	}
	if c.options.versions {
		if err := c.checkVersions(ctx, plan); err != nil {
			return err
		}
	}
	if plan.Mode == datacopy.Incremental {
		return nil
	}
	found, err := c.census(ctx, c.to, counted)
	if err != nil || found.Count == 0 {
		return err
	}
	holds := fmt.Sprintf("bucket %s holds %s, %s", c.to.name, datacopy.Counted(found.Count, found.Noun), humanize.Bytes(uint64(max(found.Bytes, 0))))
	if found.Estimate {
		holds = fmt.Sprintf("bucket %s holds more than %s", c.to.name, datacopy.Counted(found.Count, found.Noun))
	}
	mark, err := c.findMark(ctx)
	switch {
	case err != nil:
		return err
	case mark != nil:
		plan.Warnings = append(plan.Warnings, holds+" of a copy that did not end: they are overwritten")
	default:
		plan.Overwrites = append(plan.Overwrites, holds)
	}
	return nil
}
