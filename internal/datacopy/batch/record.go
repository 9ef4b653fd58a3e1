package batch

import "fmt"

// Names under which a job keeps what it writes down: files of a folder, or keys
// of a record in a cluster.
const (
	JobFile      = "job.json"
	StateFile    = "state.json"
	EvidenceJSON = "evidence.json"
	EvidenceHTML = "evidence.html"
)

// Segments is into how many parts the journal of a record in a cluster is
// divided: whoever makes the record makes them all, since the job may write to
// them and make none.
const Segments = 16

// SegmentName is the name of the nth part of a record's journal.
func SegmentName(record string, n int) string { return fmt.Sprintf("%s-journal-%d", record, n) }
