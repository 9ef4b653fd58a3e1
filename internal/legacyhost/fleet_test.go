package legacyhost

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// secondFleet is a fleet of its own on the systems that are installed already.
func secondFleet(t *testing.T) (*Manager, Request) {
	t.Helper()
	if os.Getenv("LANDFALL_LEGACY") != "1" {
		t.Skip("makes servers as root: set LANDFALL_LEGACY=1, as `hack/test.sh legacy` does")
	}
	installed, err := NewManager("", os.Getenv, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewManager(t.TempDir(), os.Getenv, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, cache := range []string{"layers", "packages"} {
		if err := os.Symlink(installed.path(cache), m.path(cache)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := m.Delete(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	r, err := ReadRecipe(os.DirFS("../../examples/legacy-shop"))
	if err != nil {
		t.Fatal(err)
	}
	return m, Request{Recipe: r, Hosts: 1}
}

func create(t *testing.T, m *Manager, r Request) map[string]Host {
	t.Helper()
	fleet, err := m.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]Host{}
	for _, h := range fleet.Hosts {
		hosts[h.Name] = h
	}
	return hosts
}

func TestAFleetComesAndGoes(t *testing.T) {
	m, request := secondFleet(t)
	before := traces(t, m)
	hosts := create(t, m, request)
	if len(hosts) != 3 || !hosts["web1"].Running || !hosts["db1"].Running || !hosts["lb1"].Running {
		t.Fatalf("created %v, want web1, db1 and lb1 running", hosts)
	}
	if cmp.Diff(before, traces(t, m)) == "" {
		t.Fatal("a running fleet has no traces: the test could not see any")
	}

	t.Run("both logins over SSH", func(t *testing.T) {
		for _, login := range []string{"root", "deploy"} {
			if got := over(t, m, login, "web1", "id -un; hostname"); got != login+"\nweb1\n" {
				t.Errorf("%s: %q", login, got)
			}
		}
	})
	t.Run("without SSH", func(t *testing.T) {
		cmd, err := m.Enter(t.Context(), "db1", []string{"cat", "/proc/1/comm", "/etc/hostname"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.Output()
		if err != nil || string(out) != "init\ndb1\n" {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("this machine is out of reach", func(t *testing.T) {
		for _, script := range []string{ // each harmless where it is not refused
			"sysctl -w kernel.panic=$(sysctl -n kernel.panic)", `date -s "$(date)"`, "test -e /proc/sysrq-trigger && ! test -c /proc/sysrq-trigger",
			"mount -o remount,rw /sys", "mount -t tmpfs tmpfs /mnt", "ip route get 192.0.2.77",
		} {
			if got := over(t, m, "root", "web1", "("+script+") >/dev/null 2>&1 && echo done || echo refused"); got != "refused\n" {
				t.Errorf("%s: %q", script, got)
			}
		}
	})

	if err := m.Delete(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, traces(t, m)); diff != "" {
		t.Errorf("deleting left something behind: (-before +after)\n%s", diff)
	}
	if _, err := os.Stat(m.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", m.Dir)
	}
}

func TestCreatingAgainRepairs(t *testing.T) {
	m, request := secondFleet(t)
	first := create(t, m, request)

	t.Run("running hosts stay", func(t *testing.T) {
		if diff := cmp.Diff(first["web1"].Init, create(t, m, request)["web1"].Init); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a dead host is started with its files", func(t *testing.T) {
		over(t, m, "root", "web1", "echo mine > /root/note")
		if err := first["web1"].Init.kill(); err != nil {
			t.Fatal(err)
		}
		create(t, m, request)
		if got := over(t, m, "root", "web1", "cat /root/note"); got != "mine\n" {
			t.Errorf("the file has %q", got)
		}
	})
	t.Run("a half-made host is made again", func(t *testing.T) {
		h, err := m.readHost("web1")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Init.kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(m.path("hosts", "web1", "host.json")); err != nil {
			t.Fatal(err)
		}
		create(t, m, request)
		if got := over(t, m, "root", "web1", "ls /root"); got != "" {
			t.Errorf("files of the half-made host are there: %q", got)
		}
	})
	t.Run("a host too many is refused", func(t *testing.T) {
		other := *request.Recipe
		other.Groups = other.Groups[:1]
		_, err := m.Create(t.Context(), Request{Recipe: &other, Hosts: 1})
		if fault.ClassOf(err) != fault.Refused {
			t.Errorf("got %v, want refused", err)
		}
	})
	t.Run("an interrupted creation leaves a clean state", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		more := request
		more.Hosts = 3
		if _, err := m.Create(ctx, more); err == nil {
			t.Skip("this machine was too fast to be interrupted")
		}
		if hosts := create(t, m, more); len(hosts) != 5 || !hosts["web3"].Running {
			t.Errorf("after the interruption: %v", hosts)
		}
	})
}

// over runs a script on a host over SSH, as a person would.
func over(t *testing.T, m *Manager, login, host, script string) string {
	t.Helper()
	cmd, err := m.SSH(t.Context(), host, login, []string{script})
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s on %s: %v", script, host, err)
	}
	return string(out)
}

// traces are what a fleet may leave on this machine: interfaces, mounts that
// this process sees, and processes whose own mounts are in the fleet's folder.
func traces(t *testing.T, m *Manager) []string {
	t.Helper()
	var found []string
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if strings.HasPrefix(i.Name, m.bridge()) {
			found = append(found, "interface "+i.Name)
		}
	}
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err == nil && strings.Contains(string(text), m.Dir) {
			found = append(found, "process "+filepath.Base(filepath.Dir(table)))
		}
	}
	return found
}
