package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// errMoved says that an object changed between being listed and being read.
var errMoved = errors.New("it changed meanwhile")

// copyObject brings one object to the target and gives its ETag there. An
// object that is gone meanwhile is none: "". One that changed since it was
// listed is copied as it is by then, which o says afterwards.
func (c *copier) copyObject(ctx context.Context, o *object) (etag string, err error) {
	const changes = 5
	for range changes {
		etag, err = c.bringObject(ctx, o)
		if !errors.Is(err, errMoved) {
			return etag, err
		}
		if found, err := c.lookAgain(ctx, o); err != nil || !found {
			return "", err
		}
	}
	return "", err
}

// lookAgain asks the source for an object as it is now.
func (c *copier) lookAgain(ctx context.Context, o *object) (found bool, err error) {
	now, err := c.ask(ctx, c.from, o.key)
	if err != nil || now == nil {
		return false, err
	}
	o.etag, o.size, o.class, o.modified = now.etag, now.size, now.class, now.modified
	return true, nil
}

// ask gives an object of a bucket, nil when there is none.
func (c *copier) ask(ctx context.Context, b *bucket, key string) (*object, error) {
	var out *s3.HeadObjectOutput
	err := c.retry.Do(ctx, func(int) (err error) {
		out, err = b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
		return err
	})
	switch {
	case notFound(err):
		return nil, nil
	case err != nil:
		return nil, b.failed(fmt.Sprintf("asking for %q in", key), err)
	}
	return &object{
		key: key, size: aws.ToInt64(out.ContentLength), etag: unquote(aws.ToString(out.ETag)),
		class: out.StorageClass, modified: aws.ToTime(out.LastModified),
	}, nil
}

func (c *copier) bringObject(ctx context.Context, o *object) (etag string, err error) {
	if err := c.limiter.Wait(ctx, int(min(o.size, 1<<30))); err != nil {
		return "", err
	}
	err = c.retry.Do(ctx, func(int) error {
		etag, err = c.tryObject(ctx, o)
		return err
	})
	switch {
	case notFound(err) && codeOf(err) != "NoSuchBucket":
		return "", nil
	case err != nil:
		return "", c.to.failed(fmt.Sprintf("copying %q to", o.key), err)
	}
	return etag, nil
}

func (c *copier) tryObject(ctx context.Context, o *object) (string, error) {
	mask, err := c.mask(o)
	if err != nil {
		return "", err
	}
	if mask != nil {
		return c.maskObject(ctx, o, mask)
	}
	// Some servers cannot copy what stands for a folder.
	if c.onServer.Load() && !strings.HasSuffix(o.key, "/") {
		etag, err := c.copyOnServer(ctx, o)
		if !denied(err) {
			return etag, err
		}
		// The target's key may write and not read the source; ours may.
		c.onServer.Store(false)
	}
	if o.size > largestPut || partsOf(o.etag) > 0 {
		return c.streamParts(ctx, o)
	}
	return c.stream(ctx, o)
}

// copyOnServer lets the server copy, with all that belongs to the object.
func (c *copier) copyOnServer(ctx context.Context, o *object) (string, error) {
	if o.size > largestPut || partsOf(o.etag) > 0 {
		return c.copyPartsOnServer(ctx, o)
	}
	header := http.Header{
		"X-Amz-Copy-Source":          {c.copySource(o)},
		"X-Amz-Copy-Source-If-Match": {quoted(o.etag)},
	}
	if class := c.class(o); class != "" {
		header["X-Amz-Storage-Class"] = []string{string(class)}
	}
	switch word, err := c.accessOf(ctx, o); {
	case err != nil:
		return "", err
	case word != "":
		header["X-Amz-Acl"] = []string{word}
	}
	if !c.options.tags {
		header["X-Amz-Tagging-Directive"] = []string{string(types.TaggingDirectiveReplace)}
	}
	said, err := c.to.requests.ask(ctx, request{method: http.MethodPut, key: c.toKey(o), header: header})
	if err != nil {
		return "", changed(err)
	}
	return said.etag, nil
}

// changed recognises the answer to a condition that no longer holds.
func changed(err error) error {
	if codeOf(err) == "PreconditionFailed" {
		return fault.New(fault.Failed, "Copy again in the incremental mode.", "%w", errMoved)
	}
	return err
}

func quoted(etag string) string { return `"` + etag + `"` }

// copySource is the source as a header holds it.
func (c *copier) copySource(o *object) string {
	path := strings.Split(c.from.name+"/"+c.from.prefix+o.key, "/")
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	// A plus is a space to some servers, though not in a path.
	source := strings.ReplaceAll(strings.Join(path, "/"), "+", "%2B")
	if query := o.query(); query != nil {
		source += "?" + query.Encode()
	}
	return source
}

// class is the storage class to write; "" is the server's default.
func (c *copier) class(o *object) types.StorageClass {
	if c.options.storageClass != "" {
		return types.StorageClass(c.options.storageClass)
	}
	if o.class == types.StorageClassStandard {
		return ""
	}
	return o.class
}

// get reads an object, or when part is not "" that range of its bytes.
func (c *copier) get(ctx context.Context, o *object, part string) (*http.Response, error) {
	header := http.Header{"If-Match": {quoted(o.etag)}}
	if part != "" {
		header["Range"] = []string{part}
	} else {
		header["X-Amz-Checksum-Mode"] = []string{string(types.ChecksumModeEnabled)}
	}
	answer, err := c.from.requests.send(ctx, request{method: http.MethodGet, key: c.from.prefix + o.key, query: o.query(), header: header})
	return answer, changed(err)
}

// stream reads an object and writes it meanwhile, in one piece.
func (c *copier) stream(ctx context.Context, o *object) (string, error) {
	answer, err := c.get(ctx, o, "")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body io.Reader = answer.Body
	if o.size <= smallObject {
		buffer := c.buffers.Get().(*bytes.Buffer)
		defer c.buffers.Put(buffer)
		buffer.Reset()
		if n, err := io.Copy(buffer, answer.Body); err != nil || n != o.size {
			return "", short(err, n, o.size)
		}
		body = bytes.NewReader(buffer.Bytes())
	}
	return c.put(ctx, o, propertiesOf(answer).withChecksums(answer), body, o.size)
}

// short says that fewer bytes came than were announced.
func short(err error, got, want int64) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%d of %d bytes came: %w", got, want, io.ErrUnexpectedEOF)
}

// put writes an object in one piece.
func (c *copier) put(ctx context.Context, o *object, p *properties, body io.Reader, size int64) (string, error) {
	header, err := c.writing(ctx, o, p)
	if err != nil {
		return "", err
	}
	answer, err := c.to.requests.send(ctx, request{method: http.MethodPut, key: c.toKey(o), header: header, body: body, size: size})
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	return unquote(answer.Header.Get("ETag")), nil
}

// maskObject reads an object, masks it, and writes what came of it.
func (c *copier) maskObject(ctx context.Context, o *object, mask datacopy.ValueMask) (string, error) {
	masked, p, err := c.readMasked(ctx, o, mask)
	if err != nil {
		return "", err
	}
	return c.put(ctx, o, p, bytes.NewReader(masked), int64(len(masked)))
}

// readMasked gives the contents of an object as they are sent.
func (c *copier) readMasked(ctx context.Context, o *object, mask datacopy.ValueMask) ([]byte, *properties, error) {
	if o.size > wholeObject {
		return nil, nil, fault.New(fault.Refused, "Exclude the object, or keep it with a rule.",
			"masking %q: it has %d bytes, more than a mask can hold", o.key, o.size)
	}
	answer, err := c.get(ctx, o, "")
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	contents, err := io.ReadAll(io.LimitReader(answer.Body, wholeObject))
	if err != nil || int64(len(contents)) != o.size {
		return nil, nil, short(err, int64(len(contents)), o.size)
	}
	masked, err := mask.Mask("", contents, &datacopy.Scratch{})
	if err != nil {
		return nil, nil, fmt.Errorf("masking %q: %w", o.key, err)
	}
	return masked, propertiesOf(answer), nil
}
