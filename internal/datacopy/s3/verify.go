package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// verifyWorkers read objects whose ETags tell nothing.
const verifyWorkers = 8

// Verify is part of datacopy.Engine. Both sides are listed now, whatever the
// journal. Equal sizes and ETags are equal contents; where ETags tell nothing
// the contents are read, from the target alone where that is enough.
func (e *Engine) Verify(ctx context.Context, req datacopy.Request, plan *datacopy.Plan, _ datacopy.Journal, reporter progress.Reporter) (*datacopy.Report, error) {
	began := time.Now()
	options, err := readOptions(req.Options)
	if err != nil {
		return nil, err
	}
	unrefused := *plan
	unrefused.Overwrites, unrefused.Blockers = nil, nil
	if err := unrefused.Check(req); err != nil {
		return nil, err
	}
	c, err := e.connect(ctx, req, options)
	if err != nil {
		return nil, err
	}
	report := &datacopy.Report{}
	for _, unit := range plan.Units {
		c.step, c.expected = reporter.Step("verifying "+unit.Name), unit.Count
		v := &verification{copier: c, report: datacopy.UnitReport{Name: unit.Name, Noun: unit.Noun, Answer: datacopy.Equal}}
		if err := v.run(ctx); err != nil {
			c.step.Fail(err)
			if ctx.Err() != nil {
				return report, ctx.Err()
			}
			v.report.Answer, v.report.Cause = datacopy.Unknown, err.Error()
		} else {
			c.step.Done("%s: %s", v.report.Answer, datacopy.Counted(v.report.Count, v.report.Noun))
		}
		report.Units = append(report.Units, v.report)
	}
	report.Duration = time.Since(began)
	return report, nil
}

// verification is that of one bucket.
type verification struct {
	*copier
	mu     sync.Mutex
	report datacopy.UnitReport
}

func (v *verification) run(ctx context.Context) error {
	if v.renames != nil {
		return v.runRenamed(ctx)
	}
	return spread(ctx, verifyWorkers, func(ctx context.Context, unclear chan<- match) error {
		source, target := v.listing(v.from, "").begin(ctx), v.listing(v.to, "").begin(ctx)
		defer source.stop()
		defer target.stop()
		return matches(source, target, func(found []match, _ string, _ bool) error {
			return v.sort(ctx, found, unclear)
		})
	}, v.look)
}

// spread has workers do what find finds, until all is done or something fails.
func spread[T any](ctx context.Context, workers int, find func(context.Context, chan<- T) error, do func(context.Context, T) error) error {
	found := make(chan T, workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(found)
		return find(ctx, found)
	})
	for range workers {
		group.Go(func() error {
			for item := range found {
				if err := do(ctx, item); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// sort settles what the listings tell and hands the rest to those who read.
func (v *verification) sort(ctx context.Context, found []match, unclear chan<- match) error {
	for _, m := range found {
		if !v.meant(m) || v.settled(m) {
			continue
		}
		select {
		case unclear <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settled counts an object and says whether listings tell enough about it.
func (v *verification) settled(m match) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if m.source != nil {
		v.report.Count++
		v.progress(1)
	}
	if m.target != nil {
		v.report.TargetCount++
	}
	switch {
	case m.source == nil:
		v.report.Add(m.target.key, datacopy.Extra)
	case m.target == nil:
		v.report.Add(m.source.key, datacopy.Missing)
	case v.req.Mask != nil:
		return false
	case !alike(m.source, m.target):
		v.report.Add(m.source.key, datacopy.Changed)
	default:
		return judgeHistory(m.source, m.target) == same
	}
	return true
}

// look reads an object that listings do not settle.
func (v *verification) look(ctx context.Context, m match) error {
	var equal bool
	err := v.retry.Do(ctx, func(int) (err error) {
		equal, err = v.equal(ctx, m)
		return err
	})
	if err != nil {
		return v.to.failed(fmt.Sprintf("comparing %q of", m.source.key), err)
	}
	if !equal {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.report.Add(m.source.key, datacopy.Changed)
	}
	return nil
}

func (v *verification) equal(ctx context.Context, m match) (bool, error) {
	mask, err := v.mask(m.source)
	switch {
	case err != nil:
		return false, err
	case mask != nil:
		return v.equalMasked(ctx, m, mask)
	case !alike(m.source, m.target):
		return false, nil
	}
	theirs := m.target.versions()
	for i, version := range m.source.versions() {
		if judgeVersion(version, theirs[i]) == same {
			continue
		}
		if equal, err := v.equalContents(ctx, match{version, theirs[i]}); err != nil || !equal {
			return false, err
		}
	}
	return true, nil
}

// equalMasked masks the source again and compares.
func (v *verification) equalMasked(ctx context.Context, m match, mask datacopy.ValueMask) (bool, error) {
	want, _, err := v.readMasked(ctx, m.source, mask)
	if err != nil || int64(len(want)) != m.target.size {
		return false, err
	}
	if etag, _, _ := etagOf(bytes.NewReader(want), 0); etag == m.target.etag {
		return true, nil
	}
	sum, err := v.contentSum(ctx, v.to, m.target)
	return sum == sha256.Sum256(want), err
}

// equalContents computes the source's ETag from the target's contents. Where
// that gives another, both are read.
func (v *verification) equalContents(ctx context.Context, m match) (bool, error) {
	l, err := v.layoutOf(ctx, v.from, m.source)
	if err != nil {
		return false, err
	}
	if partsOf(m.source.etag) == 0 {
		l.partSize = 0
	}
	body, err := v.read(ctx, v.to, m.target)
	if err != nil {
		return false, err
	}
	defer body.Close()
	etag, _, err := etagOf(body, l.partSize)
	if err != nil || etag == m.source.etag {
		return err == nil, err
	}
	ours, err := v.contentSum(ctx, v.from, m.source)
	if err != nil {
		return false, err
	}
	theirs, err := v.contentSum(ctx, v.to, m.target)
	return ours == theirs, err
}

func (v *verification) contentSum(ctx context.Context, b *bucket, o *object) (sum [sha256.Size]byte, err error) {
	body, err := v.read(ctx, b, o)
	if err != nil {
		return sum, err
	}
	defer body.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, body); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(digest.Sum(nil)), nil
}

func (v *verification) read(ctx context.Context, b *bucket, o *object) (io.ReadCloser, error) {
	if err := v.limiter.Wait(ctx, int(min(o.size, 1<<30))); err != nil {
		return nil, err
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + o.key), IfMatch: aws.String(quoted(o.etag)), VersionId: o.versionID()})
	if err != nil {
		return nil, changed(err)
	}
	return out.Body, nil
}
