package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestParse(t *testing.T) {
	var asked []PodRef
	options := Options{
		SSH:       SSHOptions{Identity: "key"},
		Pods:      func(ref PodRef) (Shell, error) { asked = append(asked, ref); return Local{}, nil },
		IsContext: func(name string) bool { return name == "kind-a" },
	}
	for text, want := range map[string]Target{
		"local":                        Local{},
		"ssh://web1":                   SSH{Host: "web1", Options: options.SSH},
		"web1":                         SSH{Host: "web1", Options: options.SSH},
		"ssh://deploy@10.0.0.1:2222":   SSH{User: "deploy", Host: "10.0.0.1", Port: 2222, Options: options.SSH},
		"ssh://root@[fe80::1%25eth0]/": SSH{User: "root", Host: "fe80::1%eth0", Options: options.SSH},
		"tar:///tmp/a.tar":             Archive{Path: "/tmp/a.tar"},
	} {
		got, err := Parse(text, options)
		if err != nil || got != want {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for text, want := range map[string]PodRef{
		"pod://shop/web-0":                 {Namespace: "shop", Pod: "web-0"},
		"pod://shop/web-0/nginx":           {Namespace: "shop", Pod: "web-0", Container: "nginx"},
		"pod://kind-a/shop/web-0":          {Context: "kind-a", Namespace: "shop", Pod: "web-0"},
		"pod://arn:aws%2Feks/shop/web-0/n": {Context: "arn:aws/eks", Namespace: "shop", Pod: "web-0", Container: "n"},
	} {
		asked = nil
		if _, err := Parse(text, options); err != nil || len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: %v, %v", text, asked, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "ssh://", "ssh://-oProxyCommand=x", "ssh://-oProxyCommand=touch%20x@h", "ssh://web1/path", "ssh://web1?x", "ssh://u:secret@web1",
		"ssh://web1:0", "ssh://web1:99999", "ssh://web1:x", "ssh://we b1", "ssh://web1;id", "ssh://$(id)", "ssh://a`id`", "ftp://x",
		"pod://x", "pod://a//b", "pod://1/2/3/4/5", "image://", "image://UPPER case", "-x",
	} {
		_, err := Parse(text, Options{Pods: func(PodRef) (Shell, error) { return Local{}, nil }})
		if err == nil || fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: a password in the error: %v", text, err)
		}
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string][]string{
		"web1":            {"web1"},
		"web{1..3}":       {"web1", "web2", "web3"},
		"w{08..10}.{a,b}": {"w08.a", "w08.b", "w09.a", "w09.b", "w10.a", "w10.b"},
		"{db,}x":          {"dbx", "x"},
	} {
		if got, err := Expand(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"{", "a{1..", "{3..1}", "{1..99999999}", "{{a,b}", "{1..5000}{1..5000}", "{-1..3}"} {
		if got, err := Expand(text); err == nil || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestReadList(t *testing.T) {
	got, err := ReadList(strings.NewReader("# fleet\nweb{1..2}\n\n  ssh://db1 # the old one\n"), "hosts.txt")
	if want := []string{"web{1..2}", "ssh://db1"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ReadList(strings.NewReader("\n# nothing\n"), "hosts.txt"); err == nil || !strings.Contains(err.Error(), "hosts.txt: it names none") {
		t.Error(err)
	}
	targets, err := ParseAll([]string{"web{1..2}", "ssh://web1", "local"}, Options{})
	var names []string
	for _, target := range targets {
		names = append(names, target.Name())
	}
	if want := []string{"ssh://web1", "ssh://web2", "local"}; err != nil || !cmp.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestLocal(t *testing.T) {
	var out bytes.Buffer
	if err := (Local{}).Run(t.Context(), strings.NewReader("echo $((6*7)); exit 0"), &out); err != nil || out.String() != "42\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	err := (Local{}).Run(t.Context(), strings.NewReader("echo broken >&2; exit 5"), io.Discard)
	if err == nil || err.Error() != "the shell ended with exit code 5: broken" {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	if err := (Local{}).Run(ctx, strings.NewReader("exec sleep 30"), io.Discard); err == nil || time.Since(started) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(started))
	}
}

// fakeSSH is a client that writes its arguments and then does what a test says.
func fakeSSH(t *testing.T, script string) (program, log string) {
	t.Helper()
	folder := t.TempDir()
	program, log = filepath.Join(folder, "ssh"), filepath.Join(folder, "log")
	text := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + log + "\n" + script + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return program, log
}

func TestSSHRunsOneShellWithoutAsking(t *testing.T) {
	program, log := fakeSSH(t, `for last; do :; done; eval "$last"`)
	host := SSH{
		User: "deploy", Host: "web1", Port: 2222, Sudo: false,
		Options: SSHOptions{Program: program, Config: "my config", KnownHosts: "my hosts", Identity: "key", Jump: "gate"},
	}
	var out bytes.Buffer
	if err := host.Run(t.Context(), strings.NewReader("echo it runs"), &out); err != nil || out.String() != "it runs\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
	logged, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	arguments := string(logged)
	for _, want := range []string{
		"BatchMode=yes\n", "-F\nmy config\n", "UserKnownHostsFile=\"my hosts\"\n", "-i\nkey\n", "IdentitiesOnly=yes\n", "-J\ngate\n",
		"-l\ndeploy\n-p\n2222\n--\nweb1\nexec sh -c 'exec sh -s'\n",
	} {
		if !strings.Contains(arguments, want) {
			t.Errorf("%q is not in\n%s", want, arguments)
		}
	}
	if strings.Contains(arguments, "StrictHostKeyChecking") {
		t.Error("the client's own strictness is overruled")
	}
	if host.Name() != "ssh://deploy@web1:2222" {
		t.Error(host.Name())
	}
}

func TestSSHExplainsItself(t *testing.T) {
	for stderr, want := range map[string]string{
		"@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.":                     "connecting: its host key is not the one in known_hosts|ssh-keygen -R '[web1]:2222'",
		"No ED25519 host key is known for web1 and you have requested strict checking.\nHost key verification failed.": "connecting: its host key is not in known_hosts|ssh-keyscan -p 2222 web1",
		"deploy@web1: Permission denied (publickey).":                                                                  "connecting: it accepts none of the keys for user deploy|ssh-agent",
		"ssh: Could not resolve hostname web1: Name or service not known":                                              "connecting: its name does not resolve|HostName",
		"ssh: connect to host web1 port 22: Connection refused":                                                        "connecting: nothing listens on its SSH port|sshd",
		"ssh: connect to host web1 port 22: Connection timed out":                                                      "connecting: it does not answer|firewalls",
		"Timeout, server web1 not responding.":                                                                         "connecting: it stopped answering half-way|again",
		"kex_exchange: \x1b[31msomething new":                                                                          `connecting: kex_exchange: \x1b[31msomething new|`,
		"":                                                                                                             "the connection broke|",
	} {
		program, _ := fakeSSH(t, fmt.Sprintf("printf '%%s\\n' %q >&2\nexit 255", strings.ReplaceAll(stderr, "\x1b", "\033")))
		if strings.Contains(stderr, "\x1b") {
			program, _ = fakeSSH(t, "printf 'kex_exchange: \\033[31msomething new\\n' >&2\nexit 255")
		}
		err := SSH{User: "deploy", Host: "web1", Port: 2222, Options: SSHOptions{Program: program}}.Run(t.Context(), strings.NewReader(""), io.Discard)
		message, hint, _ := strings.Cut(want, "|")
		if err == nil || err.Error() != message || !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("%q:\ngot  %v / %s\nwant %s", stderr, err, fault.HintOf(err), want)
		}
	}
	missing := SSH{Host: "web1", Options: SSHOptions{Program: "no-such-ssh"}}
	if err := missing.Run(t.Context(), strings.NewReader(""), io.Discard); err == nil || !strings.Contains(fault.HintOf(err), "OpenSSH client") {
		t.Error(err)
	}
}

func TestSudoOnlyWhereItIsAllowed(t *testing.T) {
	folder := t.TempDir()
	sudo := func(script string) {
		if err := os.WriteFile(filepath.Join(folder, "sudo"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	for script, want := range map[string]string{
		`shift; AS=root exec env AS=root "$@"`:           "as root\n",
		"echo 'sudo: a password is required' >&2;exit 1": "as nobody\n",
	} {
		sudo(script)
		var out bytes.Buffer
		if err := (Local{Sudo: true}).Run(t.Context(), strings.NewReader(`echo "as ${AS:-nobody}"`), &out); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v", script, out.String(), err)
		}
	}
}

func TestArchiveErrors(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"text": "no archive at all, just text that is long enough", "gzip": "\x1f\x8b broken", "zstd": "\x28\xb5\x2f\xfd broken"} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (Archive{Path: path}).Open(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := Archive{Path: filepath.Join(folder, "none")}.Open(t.Context())
	if fault.ClassOf(err) != fault.NotFound || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
