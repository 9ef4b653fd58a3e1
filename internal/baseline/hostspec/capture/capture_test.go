package capture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// Kinds that hold still on a machine that people and tests work on.
var still = []hostspec.Kind{
	hostspec.OS, hostspec.System, hostspec.Package, hostspec.Repository, hostspec.User, hostspec.Sysctl, hostspec.Limit,
}

func captured(t *testing.T, place target.Target, options Options) string {
	t.Helper()
	options.Salt = "00"
	spec, err := Capture(t.Context(), place, options)
	if err != nil {
		t.Fatal(err)
	}
	return document(t, spec)
}

func TestThisMachineTwiceGivesTheSameBytes(t *testing.T) {
	first := captured(t, target.Local{}, Options{Kinds: still})
	if diff := cmp.Diff(first, captured(t, target.Local{}, Options{Kinds: still})); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"host: " + hostname + "\n", "    kernel: Linux ", "    root: {uid: 0, gid: 0, home: /root", "kernel.random.uuid: {volatile: "} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in a document of %d bytes", want, len(first))
		}
	}
}

// sshServer is a real one, on a port of its own.
type sshServer struct {
	folder string
	port   string
	config string
}

func startSSH(t *testing.T) sshServer {
	t.Helper()
	if os.Getenv("LANDFALL_LEGACY") != "1" {
		t.Skip("needs root and Debian's openssh-server: set LANDFALL_LEGACY=1")
	}
	program, err := exec.LookPath("sshd")
	if err != nil {
		if program = "/usr/sbin/sshd"; !isFile(program) {
			t.Skip("no openssh-server on this machine")
		}
	}
	s := sshServer{folder: t.TempDir(), port: servertest.FreePort(t)}
	file := func(name string) string { return filepath.Join(s.folder, name) }
	for _, key := range []string{"host", "key", "other"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file(key)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s.write(t, "authorized", s.read(t, "key.pub"))
	s.know(t, "host.pub")
	s.write(t, "sshd_config", fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n",
		s.port, file("host"), file("authorized")))
	s.write(t, "config", fmt.Sprintf("Host shop\n HostName 127.0.0.1\n Port %s\n User root\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n GlobalKnownHostsFile none\n"+
		"Host behind\n HostName 127.0.0.1\n Port %s\n User root\n ProxyJump shop\n IdentityFile %s\n UserKnownHostsFile %s\n GlobalKnownHostsFile none\n",
		s.port, file("key"), file("known"), s.port, file("key"), file("known")))
	s.config = file("config")
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skip("not root: ", err)
	}
	servertest.Run(t, exec.Command(program, "-D", "-e", "-f", file("sshd_config")), servertest.Listens("127.0.0.1:"+s.port))
	return s
}

func (s sshServer) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (s sshServer) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// know puts a key in known_hosts.
func (s sshServer) know(t *testing.T, key string) {
	t.Helper()
	words := strings.Fields(s.read(t, key))
	s.write(t, "known", fmt.Sprintf("[127.0.0.1]:%s %s %s\n", s.port, words[0], words[1]))
}

func (s sshServer) target(t *testing.T, name string) target.Target {
	t.Helper()
	place, err := target.Parse(name, target.Options{SSH: target.SSHOptions{Config: s.config}})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func TestOverSSHItIsTheSameMachine(t *testing.T) {
	server := startSSH(t)
	want := captured(t, target.Local{}, Options{Kinds: still})
	var got string
	for deadline := time.Now().Add(10 * time.Second); got == "" && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if spec, err := Capture(t.Context(), server.target(t, "shop"), Options{Salt: "00", Kinds: still}); err == nil {
			got = document(t, spec)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-local +ssh):\n%s", diff)
	}
	if diff := cmp.Diff(want, captured(t, server.target(t, "behind"), Options{Kinds: still})); diff != "" {
		t.Errorf("through a jump host (-local +ssh):\n%s", diff)
	}
	started := time.Now()
	captured(t, server.target(t, "shop"), Options{})
	t.Logf("everything, over SSH: %s", time.Since(started))
	server.know(t, "other.pub")
	if _, err := Capture(t.Context(), server.target(t, "shop"), Options{}); err == nil || !strings.Contains(err.Error(), "its host key is not the one in known_hosts") {
		t.Errorf("changed key: %v", err)
	}
	server.write(t, "known", "")
	if _, err := Capture(t.Context(), server.target(t, "shop"), Options{}); err == nil || !strings.Contains(err.Error(), "its host key is not in known_hosts") {
		t.Errorf("unknown key: %v", err)
	}
}
