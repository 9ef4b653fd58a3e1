package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/evidence"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestWhatVisitorsMetGoesOntoThePage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "load.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"started": "2026-11-21T12:00:00Z", "ended": "2026-11-21T12:01:00Z", "total": {"requests": 6109, "answered": 6109}}`)
	var d evidence.Document
	if err := addLoad(&d, file); err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := d.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "None of 6109.") {
		t.Error("the page does not say that nothing was lost")
	}
	for _, text := range []string{"", "{}", `{"started": 7}`, "half a repl"} {
		write(text)
		if err := addLoad(&d, file); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
