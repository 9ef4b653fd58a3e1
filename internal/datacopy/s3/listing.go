package s3

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// object is what a listing says of one. Its key is without the prefix.
type object struct {
	key      string
	size     int64
	etag     string
	class    types.StorageClass
	modified time.Time
}

// listing gives the objects of a bucket below its prefix, in the order of
// their keys' bytes, with the next page asked for while one is worked on.
type listing struct {
	bucket *bucket
	retry  datacopy.Retry
	// after is the key, without prefix, behind which to begin.
	after string
}

// page is what one request gave.
type page struct {
	objects []object
	err     error
}

// pages gives one page after the other; one with an error is the last. A
// listing that was cut short is an error, never an end.
func (l *listing) pages(ctx context.Context) iter.Seq[page] {
	return func(yield func(page) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan page, 2)
		go func() {
			defer close(ahead)
			l.read(ctx, func(p page) bool {
				select {
				case ahead <- p:
					return p.err == nil
				case <-ctx.Done():
					return false
				}
			})
		}()
		defer func() {
			cancel()
			for range ahead { //nolint:revive // the reader must end before we do
			}
		}()
		for p := range ahead {
			if !yield(p) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(page{err: err})
		}
	}
}

// read asks for pages until the last.
func (l *listing) read(ctx context.Context, emit func(page) bool) {
	var token *string
	last := l.after
	for {
		out, err := l.request(ctx, token)
		if err != nil {
			emit(page{err: l.bucket.failed("listing", err)})
			return
		}
		found, err := l.objects(out, &last)
		if err != nil {
			emit(page{err: err})
			return
		}
		if !emit(page{objects: found}) {
			return
		}
		if !aws.ToBool(out.IsTruncated) {
			return
		}
		if token = out.NextContinuationToken; aws.ToString(token) == "" {
			emit(page{err: l.bucket.failed("listing", fmt.Errorf("the server says that there is more, and not how to get it"))})
			return
		}
	}
}

func (l *listing) request(ctx context.Context, token *string) (out *s3.ListObjectsV2Output, err error) {
	input := &s3.ListObjectsV2Input{
		Bucket: &l.bucket.name, Prefix: &l.bucket.prefix, MaxKeys: aws.Int32(pageSize),
		// Keys may hold characters that XML cannot.
		EncodingType: types.EncodingTypeUrl, ContinuationToken: token,
	}
	if token == nil && l.after != "" {
		input.StartAfter = aws.String(l.bucket.prefix + l.after)
	}
	err = l.retry.Do(ctx, func(int) error {
		out, err = l.bucket.client.ListObjectsV2(ctx, input)
		return err
	})
	return out, err
}

// objects takes a page apart and makes sure that keys come in order.
func (l *listing) objects(out *s3.ListObjectsV2Output, last *string) ([]object, error) {
	found := make([]object, 0, len(out.Contents))
	for _, item := range out.Contents {
		key := aws.ToString(item.Key)
		if out.EncodingType == types.EncodingTypeUrl {
			decoded, err := url.QueryUnescape(key)
			if err != nil {
				return nil, l.bucket.failed("listing", fmt.Errorf("the key %q is not encoded as agreed", key))
			}
			key = decoded
		}
		name, below := strings.CutPrefix(key, l.bucket.prefix)
		if !below {
			return nil, l.bucket.failed("listing", fmt.Errorf("the key %q is not below the prefix", key))
		}
		if name <= *last && *last != "" {
			return nil, fault.New(fault.Failed, "Such a server cannot be compared or resumed: copy into an empty bucket of another.",
				"listing %s: key %q comes after %q, which is not S3's order", l.bucket.address, name, *last)
		}
		*last = name
		if name == markName {
			continue
		}
		found = append(found, object{
			key: name, size: aws.ToInt64(item.Size), etag: unquote(aws.ToString(item.ETag)),
			class: types.StorageClass(item.StorageClass), modified: aws.ToTime(item.LastModified),
		})
	}
	return found, nil
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// match is an object of the source with that of the target under the same
// key; one of them may be missing.
type match struct {
	source, target *object
}

// matches walks both listings side by side. It is given page after page of the
// source, so that the taker can note how far it came; extras of the target
// come with the page they sort into. A target of nil has no objects. until is the key of the source's last
// object of the page, "" in the last.
func matches(ctx context.Context, source, target *listing, take func(found []match, until string, end bool) error) error {
	theirs := &cursor{done: true}
	if target != nil {
		next, stop := iter.Pull(target.pages(ctx))
		defer stop()
		theirs = &cursor{next: next}
	}
	for p := range source.pages(ctx) {
		if p.err != nil {
			return p.err
		}
		found, err := theirs.pair(p.objects)
		if err != nil {
			return err
		}
		if len(p.objects) == 0 {
			continue
		}
		if err := take(found, p.objects[len(p.objects)-1].key, false); err != nil {
			return err
		}
	}
	for {
		rest, err := theirs.rest()
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return take(nil, "", true)
		}
		if err := take(rest, "", false); err != nil {
			return err
		}
	}
}

// cursor goes through the target's listing.
type cursor struct {
	next func() (page, bool)
	open []object
	done bool
}

// fill has at least one object open unless the listing is at its end.
func (c *cursor) fill() error {
	for len(c.open) == 0 && !c.done {
		p, more := c.next()
		if p.err != nil {
			return p.err
		}
		c.open, c.done = p.objects, !more
	}
	return nil
}

// pair finds the counterparts of a page, and what the target has between.
func (c *cursor) pair(objects []object) ([]match, error) {
	found := make([]match, 0, len(objects))
	for i := range objects {
		o := &objects[i]
		for {
			if err := c.fill(); err != nil {
				return nil, err
			}
			if len(c.open) == 0 || c.open[0].key >= o.key {
				break
			}
			found = append(found, match{target: &c.open[0]})
			c.open = c.open[1:]
		}
		if len(c.open) > 0 && c.open[0].key == o.key {
			found = append(found, match{source: o, target: &c.open[0]})
			c.open = c.open[1:]
			continue
		}
		found = append(found, match{source: o})
	}
	return found, nil
}

// rest gives what the target has behind the source's last object, a page at a
// time.
func (c *cursor) rest() ([]match, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	found := make([]match, len(c.open))
	for i := range c.open {
		found[i] = match{target: &c.open[i]}
	}
	c.open = nil
	return found, nil
}
