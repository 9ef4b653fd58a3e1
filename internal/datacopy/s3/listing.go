package s3

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	// renamed is the key in the target where a mask makes another.
	renamed string

	// version is its ID, "" where versions are not listed.
	version string
	// latest says that the listing of versions calls it that.
	latest bool
	// deleted says that the version is a marker: from it on there was no object.
	deleted bool
	// earlier are the versions before, the oldest first.
	earlier []object
}

// listing gives the objects of a bucket below its prefix, in the order of
// their keys' bytes, with the next page asked for while one is worked on.
type listing struct {
	bucket *bucket
	retry  datacopy.Retry
	// after is the key, without prefix, behind which to begin.
	after string
	// versions asks for the history of each object, too.
	versions bool
	// most is about how many objects are asked for; 0 is for all.
	most int
	// text is the room for answers.
	text bytes.Buffer
}

// page is what one request gave.
type page struct {
	objects []object
	// more says that the listing goes on behind it.
	more bool
	err  error
}

// pagesAhead is how many pages are read before anybody takes them.
const pagesAhead = 2

// reading is a listing under way.
type reading struct {
	ctx   context.Context
	end   context.CancelFunc
	ahead chan page
}

// begin asks for the first page at once, and for more before they are taken.
func (l *listing) begin(ctx context.Context) *reading {
	r := &reading{ahead: make(chan page, pagesAhead)}
	r.ctx, r.end = context.WithCancel(ctx)
	go func() {
		defer close(r.ahead)
		l.read(r.ctx, func(p page) bool {
			select {
			case r.ahead <- p:
				return p.err == nil
			case <-r.ctx.Done():
				return false
			}
		})
	}()
	return r
}

// next gives one page after the other; one with an error is the last. A listing
// that was cut short is an error, never an end.
func (r *reading) next() (p page, more bool) {
	if p, more = <-r.ahead; more {
		return p, true
	}
	err := r.ctx.Err()
	return page{err: err}, err != nil
}

// stop ends the reading, wherever it is; nil is none.
func (r *reading) stop() {
	if r == nil {
		return
	}
	r.end()
	for range r.ahead { //nolint:revive // the reader must end before its taker does
	}
}

// pages gives one page after the other, as next does.
func (l *listing) pages(ctx context.Context) iter.Seq[page] {
	return func(yield func(page) bool) {
		r := l.begin(ctx)
		defer r.stop()
		for {
			p, more := r.next()
			if !more || !yield(p) || p.err != nil {
				return
			}
		}
	}
}

// slowPage is how long a page takes from which on the server's token is used.
// A server that is busy with a copy takes a good part of it for any page.
const slowPage = 250 * time.Millisecond

// read asks for pages until the last, each behind the last key of the one
// before: a token has some servers (MinIO) write the whole listing to a disk
// first, and wait for it. Where pages are slow, as in a folder of very many
// files, that is better than looking for the key each time.
func (l *listing) read(ctx context.Context, emit func(page) bool) {
	next, last := place{after: l.after}, l.after
	var found, open []object
	for seen := 0; ; {
		began := time.Now()
		answer, err := l.request(ctx, next)
		if err == nil {
			next, err = l.follow(next, answer, time.Since(began) > slowPage)
		}
		if err == nil {
			found = answer.objects
			if l.versions {
				found, open, err = histories(open, found, answer.truncated)
				// The key that versions are asked for behind may come again.
				found = slices.DeleteFunc(found, func(o object) bool { return l.after != "" && o.key <= l.after })
			}
			err = errors.Join(err, l.inOrder(found, &last))
		}
		if err != nil {
			emit(page{err: l.bucket.failed("listing", err)})
			return
		}
		found = slices.DeleteFunc(found, func(o object) bool { return o.key == markName })
		seen += len(found)
		if !emit(page{objects: found, more: answer.truncated}) || !answer.truncated || l.most > 0 && seen >= l.most {
			return
		}
	}
}

// place is where a page begins.
type place struct {
	// after is a key; version, where versions are listed, one of that key.
	after, version string
	// token is the server's.
	token string
}

// follow says where the page behind an answer begins.
func (l *listing) follow(asked place, answer *listed, slow bool) (place, error) {
	switch {
	case !answer.truncated:
		return place{}, nil
	case l.versions && answer.nextKey != "":
		if next := (place{after: answer.nextKey, version: answer.nextVersion}); next != asked {
			return next, nil
		}
	case l.versions:
	case asked.token == "" && !slow && len(answer.objects) > 0 && answer.objects[len(answer.objects)-1].key != "":
		return place{after: answer.objects[len(answer.objects)-1].key}, nil
	case answer.token != "":
		return place{token: answer.token}, nil
	}
	return place{}, errors.New("the server says that there is more, and not how to get it")
}

// request asks for the page at a place.
func (l *listing) request(ctx context.Context, at place) (answer *listed, err error) {
	query, root := l.query(at), "ListBucketResult"
	if l.versions {
		root = "ListVersionsResult"
	}
	err = l.retry.Do(ctx, func(int) error {
		answered, err := l.bucket.requests.text(ctx, request{method: http.MethodGet, query: query}, &l.text) //nolint:bodyclose // text has closed it
		if err != nil {
			return err
		}
		if answer, err = readListed(l.text.Bytes(), l.bucket.prefix); err == nil && answer.root != root {
			return refusal(answered, l.text.Bytes())
		}
		return err
	})
	return answer, err
}

func (l *listing) query(at place) url.Values {
	size := pageSize
	if l.most > 0 {
		size = min(size, l.most)
	}
	query := url.Values{
		"prefix": {l.bucket.prefix}, "max-keys": {strconv.Itoa(size)},
		// Keys may hold characters that XML cannot.
		"encoding-type": {"url"},
	}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	after := at.after
	if after != "" {
		after = l.bucket.prefix + after
	}
	if l.versions {
		query.Set("versions", "")
		set("key-marker", after)
		set("version-id-marker", at.version)
		return query
	}
	query.Set("list-type", "2")
	set("continuation-token", at.token)
	set("start-after", after)
	return query
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
