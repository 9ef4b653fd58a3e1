// Package hosttest captures the machine that a test runs on, for tests that
// give the result to other tools. Start at Capture.
package hosttest

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
)

// Needs skips the test unless it may use root and the programs of Debian
// packages.
func Needs(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("LANDFALL_LEGACY") != "1" {
		t.Skip("needs " + what + ": set LANDFALL_LEGACY=1, as `hack/test.sh legacy` does")
	}
}

// kinds that other tools have resources for.
var kinds = []hostspec.Kind{
	hostspec.Package, hostspec.Service, hostspec.User, hostspec.Group, hostspec.File, hostspec.Socket, hostspec.Process,
	hostspec.Sysctl, hostspec.KernelModule, hostspec.Mount, hostspec.Command,
}

// Capture reads the facts of this machine that stay as they are for the time of
// a test, and of a socket that the test itself listens on. Noise is left out by
// rules.
func Capture(t *testing.T) *hostspec.Spec {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	local, err := target.Parse("local", target.Options{})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := capture.Capture(t.Context(), local, capture.Options{Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	spec = verify.Take(spec, verify.Suggest(spec))
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec.Rules = append(spec.Rules,
		hostspec.Rule{Exclude: "socket/*", Reason: "others come and go"},
		hostspec.Rule{Include: "socket/tcp " + listener.Addr().String(), Reason: "the test's own"},
		hostspec.Rule{Exclude: "process/*", Reason: "others come and go"},
		hostspec.Rule{Include: "process/* " + own, Reason: "the test's own"},
		hostspec.Rule{Exclude: "mount/*", Reason: "others come and go"},
		hostspec.Rule{Include: "mount//", Reason: "stays"},
		hostspec.Rule{Exclude: "file/*", Reason: "others change"},
		hostspec.Rule{Include: "file//etc/*", Reason: "stay for a while"},
	)
	present := map[hostspec.Kind]int{}
	for _, item := range spec.Kept().Items {
		present[item.Kind]++
	}
	for _, kind := range []hostspec.Kind{hostspec.Package, hostspec.User, hostspec.Group, hostspec.File, hostspec.Socket, hostspec.Sysctl, hostspec.Mount} {
		if present[kind] == 0 {
			t.Errorf("nothing of the kind %s was captured: %s", kind, spec.Unknown[kind])
		}
	}
	t.Logf("captured: %v; unknown: %v", present, strings.Join(sortedReasons(spec), "; "))
	return spec
}

func sortedReasons(spec *hostspec.Spec) []string {
	var reasons []string
	for _, kind := range hostspec.Kinds {
		if reason := spec.Unknown[kind]; reason != "" {
			reasons = append(reasons, string(kind)+": "+reason)
		}
	}
	return reasons
}
