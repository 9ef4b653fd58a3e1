package state

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func newCluster(name string) *Cluster {
	c := &Cluster{
		Name: name, ID: "0a1b2c3d", Created: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Phase: Running,
		Network: netip.MustParsePrefix("10.100.0.0/16"), APIPort: 16443, RegistryPort: 15000,
		Publish: []Publish{{Host: netip.MustParseAddrPort("127.0.0.1:8080"), NodePort: 30080}},
	}
	c.AddNode()
	return c
}

func TestSaveAndLoad(t *testing.T) {
	store := Store{Dir: filepath.Join(t.TempDir(), "clusters")}
	want := newCluster("blue")
	if err := store.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := store.Load("blue")
	if err != nil {
		t.Fatal(err)
	}
	comparer := cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateComparable(netip.AddrPort{})}
	if diff := cmp.Diff(want, got, comparer); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(store.ClusterDir("blue"), FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

func TestLoadTellsAbsentFromUnreadable(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	if _, err := store.Load("absent"); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	for name, content := range map[string]string{
		"broken": "{", "empty": "", "other": `{"name":"blue"}`,
	} {
		dir := store.ClusterDir(name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, FileName), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(name); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.List(); err == nil {
		t.Error("a list with an unreadable cluster must be an error")
	}
}

func TestListSkipsOtherFolders(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	for _, name := range []string{"green", "blue"} {
		if err := store.Save(newCluster(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(store.Dir, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	clusters, err := store.List()
	if err != nil || len(clusters) != 2 || clusters[0].Name != "blue" || clusters[1].Name != "green" {
		t.Errorf("%v, %v", clusters, err)
	}
	if clusters, err := (Store{Dir: "/absent"}).List(); err != nil || len(clusters) != 0 {
		t.Errorf("absent folder: %v, %v", clusters, err)
	}
}

func TestNodeIndexesAreNeverUsedTwice(t *testing.T) {
	c := newCluster("blue")
	second := c.AddNode()
	c.RemoveNode(second.Name)
	third := c.AddNode()
	if third.Name != "blue-3" || third.Index != 3 {
		t.Errorf("%+v", third)
	}
	if _, ok := c.Node(second.Name); ok {
		t.Error("the removed node is still there")
	}
}

func TestLockExcludesAndReleases(t *testing.T) {
	dir := t.TempDir()
	unlock, err := LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := TryLockDir(dir); ok || err != nil {
		t.Errorf("locked twice: %v, %v", ok, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if _, err := LockDir(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the lock: %v", err)
	}
	unlock()
	if again, ok, err := TryLockDir(dir); !ok || err != nil {
		t.Errorf("not released: %v", err)
	} else {
		again()
	}
}

func TestValidateName(t *testing.T) {
	for _, name := range []string{"a", "blue", "a-1", strings.Repeat("a", 40)} {
		if err := ValidateName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "-a", "a-", "1a", "Blue", "a_b", "../x", "a/b", "ü", strings.Repeat("a", 41), strings.Repeat("a", 300)} {
		err := ValidateName(name)
		if err == nil {
			t.Errorf("%q is taken", name)
		} else if len(err.Error()) > 300 {
			t.Errorf("%d characters of message", len(err.Error()))
		}
	}
}

func TestIDsDifferByFolder(t *testing.T) {
	a, b := Store{Dir: "/a"}, Store{Dir: "/b"}
	if a.NewID("blue") == b.NewID("blue") || a.NewID("blue") == a.NewID("green") || len(a.NewID("blue")) != 8 {
		t.Errorf("%s %s %s", a.NewID("blue"), b.NewID("blue"), a.NewID("green"))
	}
}
