package servertest

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/image/debian"
)

// Debian gives a folder with Debian packages and all they depend on, without
// installing them: see package debian. They are of a release of Debian, this
// machine's if suite is empty. Where they cannot be had, it skips the test.
func Debian(t testing.TB, suite string, packages ...string) (root string) {
	t.Helper()
	fetcher, err := debian.DefaultFetcher()
	if err != nil {
		t.Fatal(err)
	}
	fetcher.Suite = suite
	root, err = fetcher.Root(t.Context(), packages...)
	if err != nil {
		t.Skipf("needs Debian packages: %v", err)
	}
	return root
}
