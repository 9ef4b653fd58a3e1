package legacyhost

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestWithoutAFleet(t *testing.T) {
	m := &Manager{Dir: filepath.Join(t.TempDir(), "none"), Progress: progress.Discard}
	fleet, err := m.List()
	if err != nil || len(fleet.Hosts) != 0 {
		t.Errorf("list: %v, %v; want no hosts", fleet, err)
	}
	if err := m.Delete(context.Background(), true); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := m.Enter(context.Background(), "web1", []string{"true"}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("exec: got %v, want not found", err)
	}
	if _, err := os.Stat(m.Dir); !os.IsNotExist(err) {
		t.Error("looking made a folder")
	}
}

func TestMissingToolsAreNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		if err := checkMachine(); fault.ClassOf(err) != fault.Refused {
			t.Errorf("without root: got %v, want refused", err)
		}
		return
	}
	t.Setenv("PATH", t.TempDir())
	err := checkMachine()
	if err == nil || !strings.Contains(fault.HintOf(err), "apt-get install -y iproute2 mmdebstrap mount openssh-client util-linux") {
		t.Errorf("got %v (%s), want all packages by name", err, fault.HintOf(err))
	}
}

func TestOneCommandAtATime(t *testing.T) {
	m := &Manager{Dir: t.TempDir(), Progress: progress.Discard}
	unlock, err := m.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.lock(); err == nil || !strings.Contains(err.Error(), "another command is at work") {
		t.Errorf("second lock: %v", err)
	}
	unlock()
	unlock, err = m.lock()
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()
}

func TestAProcessIsKnownByItsStart(t *testing.T) {
	self, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.alive() {
		t.Error("this process counts as ended")
	}
	other := self
	other.Started++
	if other.alive() {
		t.Error("a process with another start counts as this one")
	}
	if err := other.kill(); err != nil {
		t.Errorf("ending a process that has ended: %v", err)
	}
	if (process{}).alive() {
		t.Error("no process counts as alive")
	}
}

func TestFoldersThatMountCannotName(t *testing.T) {
	for dir, ok := range map[string]bool{"/var/lib/landfall": true, "/a b": true, "/a:b": false, "/a,b": false, "/a\nb": false} {
		if err := usablePath(dir); (err == nil) != ok {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestOnlyDebiansOwnSourcesAreTaken(t *testing.T) {
	tests := map[string]bool{
		"deb http://deb.example/debian bookworm main contrib\n":                                                                                   true,
		"Types: deb\nURIs: http://deb.example/debian-security\nSuites: bookworm-security bookworm\nComponents: main\n":                            true,
		"Types: deb\n# http://snapshot.example/archive/debian/20250520T000000Z\nURIs: http://mirror/debian\nSuites: bookworm\nComponents: main\n": true,
		"deb https://other.example/linux/debian bookworm stable\n":                                                                                false,
		"deb http://deb.example/debian trixie main\n":                                                                                             false,
		"# deb http://deb.example/debian bookworm main\n":                                                                                         false,
		"deb https://node.example/node_20.x nodistro main\n":                                                                                      false,
		"": false,
	}
	for source, want := range tests {
		if got := isDebian(source, "bookworm"); got != want {
			t.Errorf("%q: got %v, want %v", source, got, want)
		}
	}
}

func TestALayerBelowHostsIsNotReplaced(t *testing.T) {
	m := &Manager{Dir: t.TempDir(), Progress: progress.Discard}
	if err := os.MkdirAll(m.path("hosts", "web1"), 0o755); err != nil {
		t.Fatal(err)
	}
	built := 0
	build := func(dir string) error {
		built++
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	}
	for _, id := range []string{"1", "1", "2"} { // the second is there
		if _, err := m.layer(t.Context(), "web", id, build); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(m.path("layers", "*")); built != 2 || len(left) != 1 || filepath.Base(left[0]) != "web-2" {
		t.Errorf("built %d times, left %v; want 2 and just web-2", built, left)
	}
	if err := m.writeJSON("hosts/web1/host.json", Host{Name: "web1", Prepared: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.layer(t.Context(), "web", "3", build); fault.ClassOf(err) != fault.Refused || built != 2 {
		t.Errorf("below a host: %v; want refused", err)
	}
}
