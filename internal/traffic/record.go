package traffic

import "time"

// Recorder takes what happens, for live views and evidence. It must not block;
// what it cannot keep it drops and counts.
type Recorder interface {
	Record(Event)
}

// Event is one thing that happened: one of its pointers or maps is set, or Note.
type Event struct {
	At       time.Time         `json:"at"`
	Phase    Phase             `json:"phase,omitempty"`
	Step     int               `json:"step"`
	Decision *Decision         `json:"decision,omitempty"`
	Weights  *State            `json:"weights,omitempty"`
	Reading  *Reading          `json:"reading,omitempty"`
	Counters map[Side]Counters `json:"counters,omitempty"`
	Word     *Word             `json:"word,omitempty"`
	// Took is how long a write took until it was in effect.
	Took time.Duration `json:"took,omitempty"`
	Note string        `json:"note,omitempty"`
}
