// Package redis copies Redis databases: single servers and clusters in any
// combination. A source is read in one of two ways (way.go): out of the snapshot
// that it makes for a replica (snapshot.go, and package rdb for its format), or
// by listing its keys (scan.go). Small values go from one connection straight to
// the other as the source packs them; large ones, masked ones and those whose
// payload the target does not understand are written by type, in parts, so that
// neither server stops for long. Start at Engine.Copy; wire.go is the protocol,
// stream.go what is special of streams, version.go what products know.
//
// Only reading commands are sent to the source: SCAN, MEMORY USAGE, DUMP,
// PEXPIRETIME, MGET, EXISTS, INFO, PING, CLUSTER SLOTS, those that read by type
// (with HPEXPIRETIME), and for snapshots CONFIG GET, REPLCONF and SYNC. Following asks for CONFIG GET and
// listens for keyspace notifications, and a cutover may pause the source's
// writes.
//
// Addresses: the database's number ("" is every database), and prefix=, which
// both sides may have: keys below the source's are written below the target's.
// Globs and masks see keys without the prefix.
//
// The option read-by is scan or replication; without it the plan chooses.
//
// Keys that the source changed during the copy are brought by an incremental
// copy, which compares both sides and writes only what differs.
package redis

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

const (
	// scanCount is how many keys one SCAN asks for: large enough to keep the
	// servers busy, small enough that the source stops for well below a
	// millisecond.
	scanCount = 500
	// largeKey is the memory from which a key is copied in parts. DUMP of a
	// hash takes about 10 ms a megabyte.
	largeKey = 256 << 10
	// pieceBytes is the memory of keys in one pipeline, whose commands a server
	// may carry out one after the other without looking at other clients.
	pieceBytes = 512 << 10
	// partBytes is about how much of a large key one command reads or writes.
	partBytes = 128 << 10
	// defaultWorkers keep both servers busy while each works on one core.
	defaultWorkers = 4
	maxWorkers     = 64
	// markKey, below the prefix, is in a target that is incomplete.
	markKey = "landfall:copy"
	// ownersKey is where a server that environments share says whose prefix is
	// whose. It is no data: never copied, never removed.
	ownersKey = "landfall:stores"
)

// Engine is a datacopy.Engine. It has no state of its own.
type Engine struct {
	retry datacopy.Retry
	pulse datacopy.Pulse
}

var _ datacopy.Engine = (*Engine)(nil)

// New makes the engine.
func New() *Engine {
	hush()
	return &Engine{}
}

// hush keeps go-redis from writing to standard error what its errors say anyway.
var hush = sync.OnceFunc(func() { redis.SetLogger(unheard{}) })

type unheard struct{}

// Printf is part of go-redis's logger.
func (unheard) Printf(context.Context, string, ...any) {}

// Kind is part of datacopy.Engine.
func (e *Engine) Kind() datacopy.Kind { return datacopy.Redis }
