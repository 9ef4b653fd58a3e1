// Package s3 copies buckets, or what is below a prefix of one: on the server
// where both are on one, else streamed from one to the other. Listing and
// copying overlap, and memory does not grow with the number of objects. Start
// at Engine.Copy; listing.go reads both sides in order, object.go copies one
// object, request.go sends what is asked for often, etag.go says when two
// objects are the same.
//
// An object keeps its content type and other headers, user metadata, tags,
// storage class, checksums (of one piece), and the parts it was uploaded in, so
// that its ETag stays the same: equal ETags are the proof that a copy is good,
// and let a copy of what did not change be listings only.
//
// Options:
//
//	tags=false           leave tags away, which need a permission of their own
//	storage-class=NAME   write this class; the default is the source's
//	stream=true          never let the server copy by itself
//	acls=true            who may read objects, as far as S3 has a word for it
//	versions=true        all versions of objects, the oldest first, with the
//	                     markers of deletions; the target has to keep versions
//
// Globs and masks see keys without the prefix. Where a mask changes names, the
// target is not listed beside the source but asked for each name: renamed.go.
package s3

import (
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// defaultWorkers is for many small objects: most of their time is spent
	// waiting for the server.
	defaultWorkers = 32
	// serverWorkers is for copies that the server makes by itself: they cost us
	// nothing, and it nothing to wait for its disk with many at once.
	serverWorkers = 64
	maxWorkers    = 256
	// pageSize is how many objects one listing gives, which is S3's limit.
	pageSize = 1000
	// wholeObject is the largest object that is held in memory: to be masked,
	// or to be sent again after a failure without being read again.
	wholeObject = 64 << 20
	// smallObject is read whole before it is written.
	smallObject = 1 << 20
	// largestPut is the largest object that S3 takes or copies in one request.
	largestPut = 5 << 30
	// defaultPart is the size of parts where the source's cannot be known.
	defaultPart = 64 << 20
	// partsAtOnce are the parts of one object that are brought together.
	partsAtOnce = 4
	// mostParts is S3's limit of parts.
	mostParts = 10_000
	// markName, below the prefix, is in a target that is incomplete.
	markName = ".landfall-copy"
)

// Engine is a datacopy.Engine. It has no state of its own.
type Engine struct {
	retry datacopy.Retry
	stall time.Duration
}

var _ datacopy.Engine = (*Engine)(nil)

// New makes the engine.
func New() *Engine { return &Engine{} }

// Kind is part of datacopy.Engine.
func (e *Engine) Kind() datacopy.Kind { return datacopy.S3 }

// options are those of a request.
type options struct {
	tags         bool
	storageClass string
	stream       bool
	versions     bool
	acls         bool
}

func readOptions(given map[string]string) (options, error) {
	o := options{tags: true}
	for name, value := range given {
		switch name {
		case "tags":
			o.tags = value != "false"
		case "storage-class":
			o.storageClass = value
		case "stream":
			o.stream = value == "true"
		case "acls":
			o.acls = value == "true"
		case "versions":
			o.versions = value == "true"
		default:
			return o, fault.New(fault.Invalid, "S3 knows tags, storage-class, stream, versions and acls.", "reading the options: %q is unknown", name)
		}
	}
	return o, nil
}
