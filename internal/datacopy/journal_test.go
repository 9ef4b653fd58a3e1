package datacopy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

func openJournal(t *testing.T, path string) *FileJournal {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func record(t *testing.T, j Journal, entries ...Entry) {
	t.Helper()
	for _, e := range entries {
		if err := j.Record(e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJournalKeepsWhatIsDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "journal")
	j := openJournal(t, path)
	if j.Plan() != nil {
		t.Error("a new journal has a plan")
	}
	plan := &Plan{ID: "a", From: "x", To: "y"}
	if err := j.Begin(plan); err != nil {
		t.Fatal(err)
	}
	record(t, j, Entry{Unit: "u", Chunk: "1", Digest: "old"}, Entry{Unit: "u", Chunk: "2\n\x00é", Count: 7}, Entry{Unit: "u", Chunk: "1", Digest: "new"}, Entry{Unit: "v", Chunk: "1"})
	if _, err := OpenJournal(path); fault.ClassOf(err) != fault.Refused {
		t.Errorf("a second process: %v, want a refusal", err)
	}
	j.Close()

	again := openJournal(t, path)
	if again.Plan().ID != "a" || again.Begin(plan) != nil {
		t.Errorf("plan %+v", again.Plan())
	}
	if err := again.Begin(&Plan{ID: "b"}); fault.ClassOf(err) != fault.Refused {
		t.Errorf("another plan: %v, want a refusal", err)
	}
	want := []Entry{{Unit: "u", Chunk: "1", Digest: "new"}, {Unit: "u", Chunk: "2\n\x00é", Count: 7}}
	if diff := cmp.Diff(want, slices.Collect(again.Entries("u"))); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if _, found := again.Lookup("u", "3"); found {
		t.Error("it finds what is not there")
	}
}

func TestJournalBearsATornEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := openJournal(t, path)
	for i := range 5 {
		record(t, j, Entry{Unit: "u", Chunk: fmt.Sprint(i)})
	}
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		torn := openJournal(t, path)
		before := len(slices.Collect(torn.Entries("u")))
		record(t, torn, Entry{Unit: "u", Chunk: "after"})
		torn.Close()
		again := openJournal(t, path)
		if got := len(slices.Collect(again.Entries("u"))); got != before+1 || before < cut*5/len(whole)-1 {
			t.Fatalf("cut at %d: %d entries, then %d", cut, before, got)
		}
		again.Close()
	}
}

func TestJournalSaysThatItIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := openJournal(t, path)
	record(t, j, Entry{Unit: "u", Chunk: "1"}, Entry{Unit: "u", Chunk: "2"})
	j.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[12] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path); err == nil {
		t.Error("a damaged line in the middle was taken for a torn end")
	}
}

func TestJournalFromManyWorkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := openJournal(t, path)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				record(t, j, Entry{Unit: "u", Chunk: fmt.Sprintf("%d/%d", worker, i)})
			}
		})
	}
	group.Wait()
	j.Close()
	if got := len(slices.Collect(openJournal(t, path).Entries("u"))); got != 160 {
		t.Errorf("%d entries of 160", got)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("00000000 {}\n"))
	line, err := formatLine(journalLine{Entry: &Entry{Unit: "u", Chunk: "c"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(line, line[:9]...))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := OpenJournal(path); err == nil {
			j.Close()
		}
	})
}
