package datacopy_test

import (
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// slowJournal writes when it is let.
type slowJournal struct {
	datacopy.MemoryJournal
	begun, let chan struct{}
}

func (j *slowJournal) Record(entry datacopy.Entry) error {
	j.begun <- struct{}{}
	<-j.let
	return j.MemoryJournal.Record(entry)
}

// TestFrontierGoesOnWhileTheJournalWrites finishes stretches out of order, with
// a disk that is busy.
func TestFrontierGoesOnWhileTheJournalWrites(t *testing.T) {
	journal := &slowJournal{begun: make(chan struct{}), let: make(chan struct{})}
	frontier := datacopy.NewFrontier(journal, "bucket", "objects", "end")
	finish := func(s *datacopy.Stretch) <-chan error {
		done := make(chan error, 1)
		go func() { done <- s.Listed() }()
		return done
	}
	first, second, third := frontier.Begin("b", 0, 1, 10), frontier.Begin("m", 0, 2, 20), frontier.Begin("end", 0, 4, 40)
	writing := finish(first)
	<-journal.begun
	select {
	case err := <-finish(second):
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a worker waits for the journal")
	}
	if _, found := journal.Lookup("bucket", "objects"); found {
		t.Error("there is an entry before it was written")
	}
	last := finish(third)
	journal.let <- struct{}{}
	<-journal.begun // the end is recorded, however soon after another
	journal.let <- struct{}{}
	for _, done := range []<-chan error{writing, last} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	got, _ := journal.Lookup("bucket", "objects")
	if got.Note != "end" || got.Count != 7 || got.Bytes != 70 {
		t.Errorf("the journal has %+v, want all 7 objects to the end", got)
	}
}
