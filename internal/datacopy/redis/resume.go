package redis

import (
	"sync/atomic"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// resumption finds out what an earlier run of the same copy brought after it
// last wrote into the journal: pieces are compared with the target and only
// what differs is sent, until the target has nothing of several in a row. Safe
// for concurrent use; the zero value is a copy that was never interrupted.
type resumption struct {
	comparing atomic.Bool
	// unknown counts pieces in a row of which the target has no key.
	unknown atomic.Int64
	// repeated counts pieces that the target had, though not as they are now.
	repeated atomic.Int64
}

// unknownPieces ends the comparing: more than one of every worker, since they
// may have been at work on pieces behind those that nobody began.
func unknownPieces(workers int) int64 { return int64(2*workers + 2) }

// compared learns from the comparison of a piece.
func (r *resumption) compared(p *piece, differences []found, workers int) {
	missing, changed := 0, false
	for _, d := range differences {
		if d.what == datacopy.Missing {
			missing++
		} else {
			changed = true
		}
	}
	if changed {
		r.repeated.Add(1)
	}
	if missing < len(p.keys) {
		r.unknown.Store(0)
	} else if r.unknown.Add(1) >= unknownPieces(workers) {
		r.comparing.Store(false)
	}
}
