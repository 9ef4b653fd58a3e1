package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (c *copier) markKey() *string { return aws.String(c.to.prefix + markName) }

// mark is what a target has that is incomplete.
type mark struct {
	// plan is whose copy did not end, since is when it began, by the clock of
	// the target's server.
	plan  string
	since time.Time
	// version is its own where the bucket keeps versions.
	version *string
}

// findMark gives the target's mark, nil when it has none.
func (c *copier) findMark(ctx context.Context) (*mark, error) {
	var out *s3.HeadObjectOutput
	err := c.retry.Do(ctx, func(int) (err error) {
		out, err = c.to.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.to.name, Key: c.markKey()})
		return err
	})
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.to.failed("looking for an earlier copy in", err)
	}
	return &mark{plan: out.Metadata["plan"], since: aws.ToTime(out.LastModified), version: out.VersionId}, nil
}

// recognise finds out whether the target has the mark of an earlier run of the
// same copy, which stays, with its time.
func (c *copier) recognise(ctx context.Context) error {
	found, err := c.findMark(ctx)
	if err != nil {
		return err
	}
	if c.marked = found != nil; c.marked {
		c.marks = append(c.marks, found.version)
	}
	if found != nil && found.plan == c.plan.ID {
		c.ours, c.resumed = found.since, true
	}
	return nil
}

// mark says in the target that it is incomplete, before anything in it is
// changed: where nothing differs, nothing is written.
func (c *copier) mark(ctx context.Context) error {
	if c.resumed || c.marking {
		return nil
	}
	c.marked, c.marking = true, true
	err := c.retry.Do(ctx, func(int) error {
		out, err := c.to.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &c.to.name, Key: c.markKey(), Body: strings.NewReader(""), Metadata: map[string]string{"plan": c.plan.ID},
		})
		if err == nil {
			c.marks = append(c.marks, out.VersionId)
		}
		return err
	})
	return c.to.failed("writing the mark of an incomplete copy into", err)
}

// unmark removes the mark, and where the bucket keeps versions for good.
func (c *copier) unmark(ctx context.Context) error {
	if !c.marked {
		return nil
	}
	for _, version := range c.marks {
		err := c.retry.Do(ctx, func(int) error {
			_, err := c.to.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.to.name, Key: c.markKey(), VersionId: version})
			return err
		})
		if err != nil {
			return c.to.failed("removing the mark of an incomplete copy from", err)
		}
	}
	return nil
}
