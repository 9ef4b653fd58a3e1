package datacopy

import "iter"

// Journal keeps what of a copy is done, so that a copy that was killed goes on
// where it stopped, with any parallelism. One process at a time has a journal.
// Methods are safe for concurrent use.
type Journal interface {
	// Plan is the plan of the copy that the journal is of, nil of a new one.
	Plan() *Plan
	// Begin puts the plan into a new journal, where it survives a crash of the
	// process at once, and of the machine from the first Record on. With the
	// same plan it does nothing; another plan is an error.
	Begin(plan *Plan) error
	// Record keeps an entry. When it returns nil the entry survives a crash of
	// the process and of the machine. A later entry of the same unit and chunk
	// replaces the earlier.
	Record(entry Entry) error
	// Lookup gives the last entry of a chunk.
	Lookup(unit, chunk string) (Entry, bool)
	// Entries gives the last entry of each chunk of a unit, in the order in
	// which they were first recorded.
	Entries(unit string) iter.Seq[Entry]
	// Close makes the journal free for others. It stays where it is.
	Close() error
}

// Entry says that a chunk is done. Unit and Chunk identify it; engines choose
// names of chunks that stay valid whatever the parallelism. State an engine
// keeps beyond chunks (a binlog position) is an entry too, under a unit of its
// own that starts with "#".
type Entry struct {
	Unit  string `json:"u"`
	Chunk string `json:"c"`
	Count int64  `json:"n,omitempty"`
	Bytes int64  `json:"b,omitempty"`
	// Digest is that of the contents as sent (masked).
	Digest string `json:"d,omitempty"`
	// Source is the digest of the contents as read, when that differs.
	Source string `json:"s,omitempty"`
	// Note is the engine's own.
	Note string `json:"x,omitempty"`
}
