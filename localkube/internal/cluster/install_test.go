package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// A cluster keeps the program it was started with while the original is built
// anew or removed, and gets the new one at the next install.
func TestInstalledProgramOutlivesTheOriginal(t *testing.T) {
	source, target := filepath.Join(t.TempDir(), "program"), filepath.Join(t.TempDir(), "program")
	build := func(content string) {
		t.Helper()
		os.Remove(source)
		if err := os.WriteFile(source, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	installed := func(want string) {
		t.Helper()
		got, err := os.ReadFile(target)
		if err != nil || string(got) != want {
			t.Errorf("installed %q, want %q: %v", got, want, err)
		}
	}
	build("one")
	for range 2 {
		if err := installFile(source, target); err != nil {
			t.Fatal(err)
		}
		installed("one")
	}
	build("two")
	installed("one")
	if err := installFile(source, target); err != nil {
		t.Fatal(err)
	}
	installed("two")
	os.Remove(source)
	installed("two")
	if err := installFile(source, target); err == nil {
		t.Error("a program that is not there was installed")
	}
	installed("two")
}
