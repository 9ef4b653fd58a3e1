package traffic

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

func openJournal(t *testing.T, folder string) *FileJournal {
	t.Helper()
	journal, err := OpenFileJournal(folder)
	if err != nil {
		t.Fatal(err)
	}
	return journal
}

func TestAFileJournalKeepsEverything(t *testing.T) {
	journal := openJournal(t, filepath.Join(t.TempDir(), "shop"))
	at := time.Date(2026, 11, 21, 20, 0, 0, 5, time.UTC)
	want := Progress{
		Phase: Paused, Epoch: 3, Step: 1, Wanted: 50, WantedAt: at, SettledAt: at, InEffectFor: 2, HeldFor: 3,
		SeenAt: at, CountedAt: at, UnknownFor: 4, PausedFrom: Holding, Approved: 1, HeardWords: 7, LettingGo: true,
		Guards: map[string]GuardProgress{"errors": {Last: Reading{Guard: "errors", At: at, Answer: result.Fails, Value: "2 %"}, Bad: 2, UnknownFor: 9}},
		Drift:  "x", DeadMan: "y", Failed: true, Cause: "z", Started: at, Ended: at, Reason: "r",
	}
	if err := journal.Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := openJournal(t, journal.folder).Load(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v; what was read again (-want +got):\n%s", err, diff)
	}
}

func TestAFileJournalHasOneWriter(t *testing.T) {
	first := openJournal(t, t.TempDir())
	if err := first.Save(t.Context(), Progress{Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	second := openJournal(t, first.folder)
	if _, err := second.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Save(t.Context(), Progress{Epoch: 2}); err != nil {
		t.Fatal(err)
	}
	if err := first.Save(t.Context(), Progress{Epoch: 1}); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first one's Save: %v, want that it was taken over", err)
	}
}

func TestWordsSaidAtOnceAreAllHeard(t *testing.T) {
	folder := t.TempDir()
	var group sync.WaitGroup
	for range 20 {
		journal := openJournal(t, folder)
		group.Go(func() {
			if err := journal.Say(Word{Verb: SayPause}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	words, err := openJournal(t, folder).Words(t.Context(), 5)
	if err != nil || len(words) != 15 {
		t.Fatalf("heard %d words after the fifth, want 15: %v", len(words), err)
	}
	for i, word := range words {
		if word.Serial != int64(i+6) {
			t.Errorf("word %d has number %d", i, word.Serial)
		}
	}
}

func TestAWordCutInTheMiddleHidesNoOther(t *testing.T) {
	journal := openJournal(t, t.TempDir())
	if err := os.WriteFile(journal.wordsPath(), []byte(`{"serial":1,"verb":"pause"}`+"\n"+`{"serial":2,"ve`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := journal.Say(Word{Verb: SayAbort}); err != nil {
		t.Fatal(err)
	}
	words, err := journal.Words(t.Context(), 0)
	if err != nil || len(words) != 2 || words[1].Verb != SayAbort {
		t.Errorf("heard %+v, %v; want pause and abort", words, err)
	}
}

func TestAFileJournalThatIsGarbageIsAnError(t *testing.T) {
	journal := openJournal(t, t.TempDir())
	if err := os.WriteFile(journal.path(), []byte(`{"progress": {"phase"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := journal.Load(t.Context()); err == nil {
		t.Errorf("half a journal was read as %+v", p)
	}
	if err := journal.Save(t.Context(), Progress{}); err == nil {
		t.Error("half a journal was replaced")
	}
}
