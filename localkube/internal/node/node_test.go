package node

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestRefuses(t *testing.T) {
	dir, err := os.MkdirTemp("", "lk-") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false) // as when its process is killed
	if refuses(path) {
		t.Error("a socket with a listener passes for dead")
	}
	listener.Close()
	if !refuses(path) {
		t.Error("a socket without a listener passes for alive")
	}
	if refuses(filepath.Join(dir, "absent")) {
		t.Error("an absent socket passes for dead")
	}
}

func TestRemoveLinks(t *testing.T) {
	folder, target := t.TempDir(), t.TempDir()
	for name, to := range map[string]string{"ours": target + "/a.log", "others": target + "-2/a.log"} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeLinks(folder, target); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(folder)
	if len(entries) != 1 || entries[0].Name() != "others" {
		t.Errorf("left: %v", entries)
	}
	if err := removeLinks(filepath.Join(folder, "absent"), target); err != nil {
		t.Errorf("an absent folder: %v", err)
	}
}
