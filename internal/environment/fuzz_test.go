package environment_test

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzRead: no file makes ParseObjects, Validate or Render panic.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds {
		text, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { _ = read(text) })
}
