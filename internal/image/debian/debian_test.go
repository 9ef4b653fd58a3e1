package debian

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePlan(t *testing.T) {
	plan := `NOTE: This is only a simulation!
Inst gcc-12-base (12.2.0-14+deb12u1 Debian:12.11/stable [amd64])
Inst perl-base (5.36.0-7+deb12u4 Debian:12.11/stable [amd64])
Inst libc6 (2.36-9+deb12u14 Debian:12.11/stable [amd64]) []
Conf libc6 (2.36-9+deb12u14 Debian:12.11/stable [amd64])
Inst redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/stable-security [amd64])`
	want := []string{"gcc-12-base=12.2.0-14+deb12u1", "libc6=2.36-9+deb12u14", "redis-server=5:7.0.15-1~deb12u10"}
	if diff := cmp.Diff(want, parsePlan(plan)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRootHoldsTheProgramAndIsKept(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs apt-get")
	}
	f := &Fetcher{Dir: t.TempDir()}
	root, err := f.Root(context.Background(), "busybox-static")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "bin/busybox"), "echo", "hello").Output()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("busybox: %q, %v", out, err)
	}
	t.Setenv("PATH", "") // a second call needs no tools
	again, err := f.Root(context.Background(), "busybox-static")
	if err != nil || again != root {
		t.Errorf("second call: %s, %v", again, err)
	}
	left, _ := os.ReadDir(f.Dir)
	for _, entry := range left {
		if entry.Name()[0] == '.' {
			t.Errorf("left behind: %s", entry.Name())
		}
	}
}

// TestAnotherSuite brings a program of another release, with its own libraries.
func TestAnotherSuite(t *testing.T) {
	fetcher, err := DefaultFetcher() // its lists are too large to fetch for nothing
	if err != nil {
		t.Fatal(err)
	}
	fetcher.Suite = "trixie"
	root, err := fetcher.Root(t.Context(), "bash")
	if err != nil {
		t.Skipf("needs Debian packages: %v", err)
	}
	out, err := Command(root, "bin/bash", "--version").Output()
	if err != nil || !strings.Contains(string(out), "version 5.2.37") {
		t.Errorf("bash of trixie: %q, %v", out, err)
	}
}
