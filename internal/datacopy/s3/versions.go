package s3

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// histories makes of versions one object for each key that has its earlier
// ones. open are versions of a key whose end was not seen, which the next page
// may go on with.
func histories(open, versions []object, more bool) (whole, still []object, err error) {
	byKey := func(a, b object) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(versions, byKey) {
		// Some servers (versitygw) list markers behind all versions of a page.
		slices.SortStableFunc(versions, byKey)
	}
	for len(versions) > 0 {
		end := 1
		for end < len(versions) && versions[end].key == versions[0].key {
			end++
		}
		if len(open) > 0 && open[0].key != versions[0].key {
			if whole, err = closed(whole, open); err != nil {
				return nil, nil, err
			}
			open = nil
		}
		open, versions = append(open, versions[:end]...), versions[end:]
	}
	if more || len(open) == 0 {
		return whole, open, nil
	}
	whole, err = closed(whole, open)
	return whole, nil, err
}

// closed appends the object that has these versions.
func closed(whole, versions []object) ([]object, error) {
	slices.SortStableFunc(versions, func(a, b object) int {
		if isULID(a.version) && isULID(b.version) {
			return strings.Compare(b.version, a.version)
		}
		return 0 // as listed
	})
	for i, v := range versions {
		if v.latest != (i == 0) {
			return nil, fmt.Errorf("the versions of %q come in another order than the newest first", v.key)
		}
	}
	latest := versions[0]
	if len(versions) > 1 {
		latest.earlier = slices.Clone(versions[1:])
		slices.Reverse(latest.earlier)
	}
	return append(whole, latest), nil
}

// isULID says that a version's ID begins with its time, as versitygw's do: then
// it tells where among versions a marker belongs that is listed elsewhere. IDs
// of AWS have 32 characters, of MinIO 36.
func isULID(version string) bool { return len(version) == 26 }

// versions are all of an object, the oldest first.
func (o *object) versions() []*object {
	all := make([]*object, 0, len(o.earlier)+1)
	for i := range o.earlier {
		all = append(all, &o.earlier[i])
	}
	return append(all, o)
}

// judgeHistory compares all versions. Unlike numbers are different.
func judgeHistory(source, target *object) verdict {
	if len(source.earlier) != len(target.earlier) {
		return different
	}
	theirs, worst := target.versions(), same
	for i, v := range source.versions() {
		worst = max(worst, judgeVersion(v, theirs[i]))
		if worst == different {
			break
		}
	}
	return worst
}

// judgeVersion compares what may be markers.
func judgeVersion(source, target *object) verdict {
	switch {
	case source.deleted != target.deleted:
		return different
	case source.deleted:
		return same
	}
	return judge(source, target)
}

// alike says that two objects have as many versions of the same sizes.
func alike(source, target *object) bool {
	return slices.EqualFunc(source.versions(), target.versions(), func(a, b *object) bool {
		return a.deleted == b.deleted && a.size == b.size
	})
}

// versionID is how the SDK is asked for a version: nil for the latest.
func (o *object) versionID() *string {
	if o.version == "" {
		return nil
	}
	return &o.version
}

// query asks for the version in our own requests.
func (o *object) query() url.Values {
	if o.version == "" {
		return nil
	}
	return url.Values{"versionId": {o.version}}
}

// common is how many of an object's versions, from the oldest on, the target has
// already. Where ETags tell nothing, equal sizes do: the verification reads.
func common(source, target []*object) int {
	for i := range min(len(source), len(target)) {
		if judgeVersion(source[i], target[i]) == different {
			return i
		}
	}
	return min(len(source), len(target))
}

// copyHistory brings what the target does not have of an object's versions, the
// oldest first and one after the other.
func (c *copier) copyHistory(ctx context.Context, m match) error {
	source, target := m.source, m.target
	err := c.retry.Do(ctx, func(attempt int) (err error) {
		if attempt > 0 {
			// Whether the version before arrived, only the target can tell.
			if target, err = c.historyOf(ctx, c.to, source.key); err != nil {
				return err
			}
		}
		return c.tryHistory(ctx, source, target)
	})
	if err != nil {
		return c.to.failed(fmt.Sprintf("copying the versions of %q to", source.key), err)
	}
	c.sent.Add(1)
	return nil
}

func (c *copier) tryHistory(ctx context.Context, source, target *object) error {
	todo := source.versions()
	if target != nil {
		theirs := target.versions()
		if have := common(todo, theirs); have == len(theirs) {
			todo = todo[have:]
		} else if err := c.forget(ctx, target); err != nil {
			return err
		}
	}
	for _, v := range todo {
		if err := c.copyVersion(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// copyVersion adds a version to an object of the target. One that is gone
// meanwhile is none.
func (c *copier) copyVersion(ctx context.Context, v *object) error {
	if v.deleted {
		_, err := c.to.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.to.name, Key: aws.String(c.to.prefix + v.key)})
		return err
	}
	if err := c.limiter.Wait(ctx, int(min(v.size, 1<<30))); err != nil {
		return err
	}
	etag, err := c.tryObject(ctx, v)
	if err == nil {
		c.count(v, etag)
	}
	if notFound(err) && codeOf(err) != "NoSuchBucket" {
		return nil
	}
	return err
}

// forget removes an object of the target with all its versions: it has another
// history than the source's.
func (c *copier) forget(ctx context.Context, target *object) error {
	if !c.removes() && !c.resumed {
		return fault.New(fault.Refused, "Ask for deletions as well, or copy into an empty bucket.",
			"the target has other versions of %q, which would have to go", target.key)
	}
	for _, v := range target.versions() {
		_, err := c.to.client.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: &c.to.name, Key: aws.String(c.to.prefix + v.key), VersionId: aws.String(v.version),
		})
		if err != nil && !notFound(err) {
			return err
		}
	}
	return nil
}

// historyOf gives an object with its versions, nil when there is none.
func (c *copier) historyOf(ctx context.Context, b *bucket, key string) (*object, error) {
	only := *b
	only.prefix += key
	l := &listing{bucket: &only, retry: c.retry, versions: true}
	for p := range l.pages(ctx) {
		if p.err != nil {
			return nil, p.err
		}
		// The shortest key below a prefix is the prefix itself, and the first.
		if len(p.objects) > 0 {
			found := p.objects[0]
			if found.key != "" {
				return nil, nil
			}
			for _, v := range found.versions() {
				v.key = key
			}
			return &found, nil
		}
	}
	return nil, nil
}

// checkVersions says in the plan what stands against copying versions.
func (c *copier) checkVersions(ctx context.Context, plan *datacopy.Plan) error {
	if c.req.Mask != nil {
		plan.Blockers = append(plan.Blockers, "earlier versions are not masked: leave them or the mask away")
	}
	var out *s3.GetBucketVersioningOutput
	err := c.retry.Do(ctx, func(int) (err error) {
		out, err = c.to.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &c.to.name})
		return err
	})
	if err != nil {
		return c.to.failed("asking for the versioning of", err)
	}
	if out.Status != types.BucketVersioningStatusEnabled {
		plan.Blockers = append(plan.Blockers, fmt.Sprintf("the bucket %s keeps no versions: turn its versioning on", c.to.name))
	}
	return nil
}
