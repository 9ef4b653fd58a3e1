package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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

// slowPage is how long a page takes from which on the server's token is used.
const slowPage = 100 * time.Millisecond

// read asks for pages until the last, each behind the last key of the one
// before: a token has some servers (MinIO) write the whole listing to a disk
// first, and wait for it. Where pages are slow, as in a folder of very many
// files, that is better than looking for the key each time.
func (l *listing) read(ctx context.Context, emit func(page) bool) {
	token, last := "", l.after
	for {
		began := time.Now()
		answer, err := l.request(ctx, token, last)
		slow := time.Since(began) > slowPage
		if err == nil {
			err = l.inOrder(answer.objects, &last)
		}
		if err != nil {
			emit(page{err: l.bucket.failed("listing", err)})
			return
		}
		byKey := token == "" && !slow && len(answer.objects) > 0 && last != ""
		found := slices.DeleteFunc(answer.objects, func(o object) bool { return o.key == markName })
		if !emit(page{objects: found}) || !answer.truncated {
			return
		}
		if byKey {
			continue
		}
		if token = answer.token; token == "" {
			emit(page{err: l.bucket.failed("listing", errors.New("the server says that there is more, and not how to get it"))})
			return
		}
	}
}

// request asks for the page that a token stands for, without one for that
// behind a key, and without either for the first.
func (l *listing) request(ctx context.Context, token, after string) (answer *listed, err error) {
	query := url.Values{
		"list-type": {"2"}, "prefix": {l.bucket.prefix}, "max-keys": {strconv.Itoa(pageSize)},
		// Keys may hold characters that XML cannot.
		"encoding-type": {"url"},
	}
	switch {
	case token != "":
		query.Set("continuation-token", token)
	case after != "":
		query.Set("start-after", l.bucket.prefix+after)
	}
	err = l.retry.Do(ctx, func(int) error {
		text, answered, err := l.bucket.requests.text(ctx, request{method: http.MethodGet, query: query}) //nolint:bodyclose // text has closed it
		if err != nil {
			return err
		}
		if answer, err = readListed(text, l.bucket.prefix); err == nil && answer.root != "ListBucketResult" {
			return refusal(answered, text)
		}
		return err
	})
	return answer, err
}

// listed is the answer to a listing.
type listed struct {
	root      string
	objects   []object
	truncated bool
	token     string
}

// readListed reads an answer: keys lose the prefix, and have to be below it.
func readListed(text []byte, prefix string) (*listed, error) {
	l := &listed{objects: make([]object, 0, pageSize)}
	var o object
	encoded := false
	err := elements(text, func(parent, name string, text []byte) (err error) {
		switch {
		case parent == "Contents":
			err = o.read(name, text)
		case parent == "":
			l.root = name
		case parent != "ListBucketResult":
		case name == "Contents":
			l.objects = append(l.objects, o)
			o = object{}
		case name == "IsTruncated":
			l.truncated = string(text) == "true"
		case name == "NextContinuationToken":
			l.token = string(text)
		case name == "EncodingType":
			encoded = string(text) == "url"
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range l.objects {
		// Where an answer tells its encoding is not agreed on.
		if err := l.objects[i].decode(encoded, prefix); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// read takes what one element says of an object.
func (o *object) read(name string, text []byte) (err error) {
	switch name {
	case "Key":
		o.key = string(text)
	case "Size":
		o.size, err = strconv.ParseInt(string(text), 10, 64)
	case "ETag":
		o.etag = unquote(string(text))
	case "LastModified":
		o.modified, err = time.Parse(time.RFC3339, string(text))
	case "StorageClass":
		o.class = types.StorageClass(text)
	}
	return err
}

// decode finishes the key.
func (o *object) decode(encoded bool, prefix string) error {
	if encoded {
		decoded, err := url.QueryUnescape(o.key)
		if err != nil {
			return fmt.Errorf("the key %q is not encoded as agreed", o.key)
		}
		o.key = decoded
	}
	name, below := strings.CutPrefix(o.key, prefix)
	if !below {
		return fmt.Errorf("the key %q is not below the prefix", o.key)
	}
	o.key = name
	return nil
}

// inOrder makes sure that keys come in order.
func (l *listing) inOrder(objects []object, last *string) error {
	for i, o := range objects {
		if o.key <= *last && (i > 0 || *last != "") {
			return fault.New(fault.Failed, "Such a server cannot be compared or resumed: copy into an empty bucket of another.",
				"listing %s: key %q comes after %q, which is not S3's order", l.bucket.address, o.key, *last)
		}
		*last = o.key
	}
	return nil
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
