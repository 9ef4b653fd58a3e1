package evidence

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/internal/fault"
)

// WriteFile writes the document in the form that the file's name asks for: JSON
// (.json), Markdown (.md), else a page.
func (d Document) WriteFile(path string) error {
	write := map[string]func(io.Writer) error{".json": d.WriteJSON, ".md": d.WriteMarkdown}[filepath.Ext(path)]
	if write == nil {
		write = d.WriteHTML
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		return fault.Wrap(fault.Failed, fmt.Errorf("writing %s: %w", path, err), "")
	}
	return nil
}
