// Package datacopy brings the data of one store into another: planned, copied,
// masked in flight, and verified. It knows no Kubernetes, no command and no
// server: the adapters in mysql, redis and s3 are its engines, mask holds the
// rules for personal data. Start at Engine, then Run.
package datacopy

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/internal/progress"
)

// Engine copies one kind of store. An engine
//   - opens the source for reading only, and never writes to it;
//   - writes nothing in Plan and Verify;
//   - is idempotent: the same Copy with the same journal may be run any number
//     of times, after a crash at any moment, and ends in the same data;
//   - retries what may pass (Retry) and gives up with an error that names the
//     object, the cause and the next step, and no secret;
//   - keeps its memory within MemoryLimit whatever the size of the data.
//
// Engines are safe for concurrent use by copies between different stores.
type Engine interface {
	// Kind is the kind of both addresses.
	Kind() Kind

	// Plan looks at both sides and says what Copy would do. It refuses nothing
	// that a person may want to see: Plan.Overwrites and Plan.Blockers say why
	// Copy would.
	Plan(ctx context.Context, req Request) (*Plan, error)

	// Copy carries out exactly the plan. What the journal holds as done is not
	// done again unless the source changed it since. A schema that differs from
	// the plan's is an error of class fault.Refused. The result is given with
	// an error too: it says how far the copy came.
	Copy(ctx context.Context, req Request, plan *Plan, journal Journal, reporter progress.Reporter) (*Result, error)

	// Verify compares what was sent with what is there. With the journal of a
	// copy the source's part is the digests of the rows as read, masked and
	// sent, so that a source that lives on is no difference; without one
	// (nil) both sides are read now. It needs no journal for data that rests.
	Verify(ctx context.Context, req Request, plan *Plan, journal Journal, reporter progress.Reporter) (*Report, error)
}

// Follower is an Engine that can go on copying changes after Copy.
type Follower interface {
	Engine
	// Followable is an error of class fault.Refused, with the next step, where
	// the source does not tell of changes: found out before anything is copied.
	Followable(ctx context.Context, req Request) error
	// Follow applies changes of the source, from the position that Copy put in
	// the journal, until ctx ends or cutover is closed. On cutover it stops
	// writes at the source where the request allows it, applies what is left
	// and gives a nil error: both sides are then equal. Lag is reported as a
	// count of the unit "s behind".
	Follow(ctx context.Context, req Request, plan *Plan, journal Journal, cutover <-chan struct{}, reporter progress.Reporter) (*Result, error)
}

// Prover is an Engine that verifies what nothing changes any more while it
// copies the rest.
type Prover interface {
	Engine
	// Prove is Copy, and then Verify with its journal, but what was compared on
	// the way is not read again. It calls copied in between. The result is given
	// with an error too.
	Prove(ctx context.Context, req Request, plan *Plan, journal Journal, reporter progress.Reporter, copied func()) (*Result, *Report, error)
}

// MemoryLimit is what an engine may hold in memory, in bytes.
const MemoryLimit = 256 << 20

// Mode is how much is copied.
type Mode string

// Modes.
const (
	// Full copies everything into an empty target, or over what is there when
	// Replace is set.
	Full Mode = "full"
	// Incremental copies only what differs, into what an earlier copy left.
	Incremental Mode = "incremental"
)

// Request is what a person asks for. Zero values are sensible.
type Request struct {
	From, To Address
	// Mode is Full when empty.
	Mode Mode
	// Replace allows to overwrite and remove what is in the target.
	Replace bool
	// Delete removes, in an incremental copy, what the source no longer has.
	// It never happens when a listing of the source failed or ended early.
	Delete bool
	// Include and Exclude are globs over names of tables, keys or
	// objects. Names has the rules.
	Include, Exclude []string
	// Subset keeps, by unit, only what a predicate in the store's own language
	// selects (SQL after WHERE). Rows whose foreign keys refer to
	// rows that are left out are left out too.
	Subset map[string]string
	// Parallel is the number of workers; 0 lets the engine choose.
	Parallel int
	// ChunkBytes is about how much one chunk holds; 0 lets the engine choose.
	ChunkBytes int64
	// MaxBytesPerSecond limits what is read from the source; 0 is no limit.
	MaxBytesPerSecond int64
	// MaxThreadsRunning and MaxReplicaLag pause reading while the source has
	// more work or lag than that; 0 does not look.
	MaxThreadsRunning int
	MaxReplicaLag     time.Duration
	// StopWrites allows Follow to make the source read-only on cutover.
	StopWrites bool
	// Mask changes values in flight; nil copies them as they are.
	Mask Mask
	// Options are what only one kind of store knows, by name, as the engine's
	// package comment lists them: "tags=false" of s3 is {"tags": "false"}.
	Options map[string]string
}

// Kind is a kind of store.
type Kind string

// Kinds of stores.
const (
	MySQL Kind = "mysql"
	Redis Kind = "redis"
	S3    Kind = "s3"
)
