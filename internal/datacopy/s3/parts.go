package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// layout is how an object was uploaded.
type layout struct {
	parts    int
	partSize int64
}

// layoutOf finds out in which parts an object was uploaded, so that it can be
// written in the same and keep its ETag. All parts but the last are of one
// size, or the ETag will differ, which is found out then.
func (c *copier) layoutOf(ctx context.Context, b *bucket, o *object) (layout, error) {
	parts := partsOf(o.etag)
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + o.key), PartNumber: aws.Int32(1), IfMatch: aws.String(quoted(o.etag)), VersionId: o.versionID(),
	})
	if notFound(err) || statusOf(err) == 412 {
		return layout{}, changed(err)
	}
	if err != nil && passing(err) {
		return layout{}, err
	}
	first := int64(0)
	if err == nil && parts > 0 {
		first = aws.ToInt64(out.ContentLength)
	}
	fits := func(size int64) bool { return size > 0 && (o.size+size-1)/size == int64(parts) }
	if fits(first) {
		return layout{parts, first}, nil
	}
	size := int64(defaultPart)
	for (o.size+size-1)/size > mostParts {
		size *= 2
	}
	return layout{int((o.size + size - 1) / size), size}, nil
}

// rangeOf is the part's first and last byte.
func (l layout) rangeOf(part int, size int64) (first, last int64) {
	first = int64(part-1) * l.partSize
	return first, min(first+l.partSize, size) - 1
}

// copyPartsOnServer lets the server copy part by part.
func (c *copier) copyPartsOnServer(ctx context.Context, o *object) (string, error) {
	return c.inParts(ctx, o, func(ctx context.Context, upload *s3.CreateMultipartUploadOutput, part int, l layout) (*string, error) {
		first, last := l.rangeOf(part, o.size)
		out, err := c.to.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: upload.Bucket, Key: upload.Key, UploadId: upload.UploadId, PartNumber: aws.Int32(int32(part)),
			CopySource: aws.String(c.copySource(o)), CopySourceIfMatch: aws.String(quoted(o.etag)), CopySourceRange: aws.String(byteRange(first, last)),
		})
		if err != nil {
			return nil, changed(err)
		}
		if out.CopyPartResult == nil {
			return nil, errors.New("the server's answer is empty")
		}
		return out.CopyPartResult.ETag, nil
	})
}

// streamParts reads and writes part by part.
func (c *copier) streamParts(ctx context.Context, o *object) (string, error) {
	return c.inParts(ctx, o, func(ctx context.Context, upload *s3.CreateMultipartUploadOutput, part int, l layout) (*string, error) {
		first, last := l.rangeOf(part, o.size)
		in, err := c.get(ctx, o, byteRange(first, last))
		if err != nil {
			return nil, err
		}
		defer in.Body.Close()
		out, err := c.to.requests.send(ctx, request{
			method: http.MethodPut, key: c.toKey(o), body: in.Body, size: last - first + 1,
			query: url.Values{"partNumber": {strconv.Itoa(part)}, "uploadId": {aws.ToString(upload.UploadId)}},
		})
		if err != nil {
			return nil, err
		}
		defer out.Body.Close()
		return aws.String(out.Header.Get("ETag")), nil
	})
}

func byteRange(first, last int64) string {
	return "bytes=" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10)
}

// partCopy brings one part and gives its ETag.
type partCopy func(ctx context.Context, upload *s3.CreateMultipartUploadOutput, part int, l layout) (*string, error)

// inParts uploads an object in the parts that the source has. Whatever goes
// wrong, no parts are left lying in the target.
func (c *copier) inParts(ctx context.Context, o *object, bring partCopy) (etag string, err error) {
	l, err := c.layoutOf(ctx, c.from, o)
	if err != nil {
		return "", err
	}
	upload, err := c.beginParts(ctx, o)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, c.endParts(ctx, upload, err == nil))
	}()
	completed, err := c.allParts(ctx, upload, l, bring)
	if err != nil {
		return "", &settledError{err}
	}
	out, err := c.to.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: upload.Bucket, Key: upload.Key, UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	})
	if err != nil {
		return "", err
	}
	return unquote(aws.ToString(out.ETag)), nil
}

// allParts brings parts, a few at a time, each again when that may help.
func (c *copier) allParts(ctx context.Context, upload *s3.CreateMultipartUploadOutput, l layout, bring partCopy) ([]types.CompletedPart, error) {
	completed := make([]types.CompletedPart, l.parts)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for part := 1; part <= l.parts; part++ {
		group.Go(func() error {
			return c.retry.Do(ctx, func(int) error {
				tag, err := bring(ctx, upload, part, l)
				completed[part-1] = types.CompletedPart{ETag: tag, PartNumber: aws.Int32(int32(part))}
				return err
			})
		})
	}
	return completed, group.Wait()
}

// beginParts starts an upload and notes it in the journal, so that a run after
// a crash can put it away.
func (c *copier) beginParts(ctx context.Context, o *object) (*s3.CreateMultipartUploadOutput, error) {
	head, err := c.from.requests.send(ctx, request{
		method: http.MethodHead, key: c.from.prefix + o.key, query: o.query(), header: http.Header{"If-Match": {quoted(o.etag)}},
	})
	if err != nil {
		return nil, changed(err)
	}
	defer head.Body.Close()
	header, err := c.writing(ctx, o, propertiesOf(head))
	if err != nil {
		return nil, err
	}
	key := c.toKey(o)
	said, err := c.to.requests.ask(ctx, request{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}, header: header})
	if err != nil {
		return nil, err
	}
	upload := &s3.CreateMultipartUploadOutput{Bucket: &c.to.name, Key: &key, UploadId: &said.upload}
	return upload, c.noteUpload(said.upload, key)
}

// endParts puts an upload that failed away, also when ctx has ended.
func (c *copier) endParts(ctx context.Context, upload *s3.CreateMultipartUploadOutput, complete bool) error {
	if !complete {
		if err := c.abort(ctx, aws.ToString(upload.Key), aws.ToString(upload.UploadId)); err != nil {
			return err
		}
	}
	return c.forgetUpload(aws.ToString(upload.UploadId))
}
