package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/fault"
)

// probe is a source whose sections do what sections can do.
var probe = Source{
	Name:  "probe",
	Kinds: []hostspec.Kind{hostspec.OS},
	Commands: []Command{
		{ID: "plain", Script: `printf 'a\0b\n\n'; echo "it's" >&2; exit 3`},
		{ID: "missing", Script: "exec no-such-program-at-all"},
		{ID: "slow", Script: "echo begun; sleep 60", Seconds: 1},
		{ID: "endless", Script: "while :; do echo 0123456789abcdef0123456789abcdef; done", Bytes: 10000, Seconds: 5},
		{ID: "chatty", Script: `i=0; while [ $i -lt 3000 ]; do echo "noise $i" >&2; i=$((i+1)); done; echo kept`},
		{ID: "input", Script: "cat; echo end"},
		{ID: "last", Script: "echo last"},
	},
	Parse: func(*Input, *Builder) {},
}

// shellTarget runs the collector in any program.
type shellTarget struct {
	argv     []string
	compress bool
}

func (s shellTarget) Name() string   { return "test" }
func (s shellTarget) Compress() bool { return s.compress }
func (s shellTarget) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.WaitDelay = script, stdout, time.Second
	return cmd.Run()
}

func shellTargets(t *testing.T) map[string]shellTarget {
	t.Helper()
	all := map[string]shellTarget{"sh": {argv: []string{"sh", "-s"}}, "packed": {argv: []string{"sh", "-s"}, compress: true}}
	if busybox, err := exec.LookPath("busybox"); err == nil {
		// With its own programs before those of the machine.
		bin := t.TempDir()
		for _, applet := range []string{"sh", "timeout", "head", "tail", "find", "xargs", "tar", "tr", "gzip", "sleep", "kill"} {
			if err := os.Symlink(busybox, filepath.Join(bin, applet)); err != nil {
				t.Fatal(err)
			}
		}
		all["busybox"] = shellTarget{argv: []string{"env", "PATH=" + bin + ":/usr/bin:/bin", busybox, "sh", "-s"}}
	}
	return all
}

func TestSectionsKeepToTheirLimits(t *testing.T) {
	for name, shell := range shellTargets(t) {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			in, err := readShell(t.Context(), shell, []Source{probe}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(started); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			in = in.forSource("probe")
			for _, want := range []struct {
				id, stdout, stderr string
				exit               int
				err                string
			}{
				{id: "plain", stdout: "a\x00b\n\n", stderr: "it's", exit: 3},
				{id: "missing", exit: NotThere, err: "not installed"},
				{id: "slow", stdout: "begun\n", exit: killed, err: "it took too long"},
				{id: "input", stdout: "end\n"},
				{id: "last", stdout: "last\n"},
			} {
				out, err := in.Command(want.id)
				if string(out.Stdout) != want.stdout || out.Exit != want.exit || want.stderr != "" && out.Stderr != want.stderr {
					t.Errorf("%s: %q, %q, exit %d", want.id, out.Stdout, out.Stderr, out.Exit)
				}
				if got := fmt.Sprint(err); want.err != "" && got != want.err || want.err == "" && err != nil {
					t.Errorf("%s: error %v, want %q", want.id, err, want.err)
				}
			}
			if out, err := in.Command("endless"); len(out.Stdout) != 10000 || err == nil || !strings.Contains(err.Error(), "output") {
				t.Errorf("endless: %d bytes, %v", len(out.Stdout), err)
			}
			if out, err := in.Command("chatty"); string(out.Stdout) != "kept\n" || len(out.Stderr) > 1000 || err != nil {
				t.Errorf("chatty: %q, %d bytes of stderr, %v", out.Stdout, len(out.Stderr), err)
			}
		})
	}
}

// A slow first half must not make the commands of the second run into their
// limits because nobody takes their output.
func TestTheHalvesDoNotHoldEachOtherUp(t *testing.T) {
	sources := []Source{
		{Name: "files", Commands: []Command{{ID: "slow", Script: "sleep 3"}}},
		{Name: "probe", Commands: []Command{{ID: "much", Script: "head -c 600000 /dev/urandom", Seconds: 1}, {ID: "last", Script: "echo last"}}},
	}
	for name, shell := range shellTargets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := readShell(t.Context(), shell, sources, Options{})
			if err != nil {
				t.Fatal(err)
			}
			in = in.forSource("probe")
			if out, err := in.Command("much"); err != nil || len(out.Stdout) != 600000 {
				t.Errorf("%d bytes, %v", len(out.Stdout), err)
			}
			if out, err := in.Command("last"); err != nil || string(out.Stdout) != "last\n" {
				t.Errorf("%q, %v", out.Stdout, err)
			}
		})
	}
}

func TestFilesOfAllShapes(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string, mode fs.FileMode) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("d/plain", "text", 0o644)
	empty := write("d/empty", "", 0o644)
	binary := write("d/binary", "\x00\xff\n\n\x00", 0o644)
	strange := write("d/new\nline \x1b[31m", "strange", 0o644)
	deep := write("tree/a/b/c.conf", "deep", 0o644)
	big := write("d/big", "", 0o644)
	if err := os.Truncate(big, 3<<30); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(plain, filepath.Join(root, "d", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(root, "d", "dangling")); err != nil {
		t.Fatal(err)
	}
	source := Source{
		Name:  "files-of-all-shapes",
		Files: []string{root + "/d/*", root + "/tree/**", root + "/none/*", "/proc/sys/kernel/ostype"},
		Parse: func(*Input, *Builder) {},
	}
	for name, shell := range shellTargets(t) {
		t.Run(name, func(t *testing.T) {
			in, err := readShell(t.Context(), shell, []Source{source}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{
				plain: "text", empty: "", binary: "\x00\xff\n\n\x00", strange: "strange", deep: "deep",
				filepath.Join(root, "d", "link"): "text", "/proc/sys/kernel/ostype": "Linux\n",
			} {
				if got, err := in.Read(path); err != nil || string(got) != want {
					t.Errorf("%q: %q, %v; want %q", path, got, err, want)
				}
			}
			if _, err := in.Read(big); err == nil || err.Error() != "larger than 2 MiB" {
				t.Errorf("big: %v", err)
			}
			for _, absent := range []string{filepath.Join(root, "d", "dangling"), filepath.Join(root, "none", "x")} {
				if _, err := in.Read(absent); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", absent, err)
				}
			}
			if got := in.Glob(root + "/tree/**"); !cmp.Equal(got, []string{deep}) {
				t.Errorf("glob: %q", got)
			}
		})
	}
}

// saying is a target that says what a test wants, whatever it is asked.
type saying func(ctx context.Context, nonce string, stdout io.Writer) error

func (s saying) Name() string   { return "ssh://web1" }
func (s saying) Compress() bool { return false }
func (s saying) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	text, err := io.ReadAll(script)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "N='")
	return s(ctx, rest[:32], stdout)
}

func TestTargetsThatMisbehave(t *testing.T) {
	for name, c := range map[string]struct {
		say  func(ctx context.Context, nonce string, w io.Writer) error
		want string
	}{
		"nothing": {
			func(context.Context, string, io.Writer) error { return nil },
			"capturing ssh://web1: it sent nothing: is there a POSIX shell (sh)?",
		},
		"garbage": {
			func(_ context.Context, _ string, w io.Writer) error {
				_, err := io.WriteString(w, "\x1b[31mThis account is currently not available.\n")
				return err
			},
			`capturing ssh://web1: it did not run the collector but said "\\x1b[31mThis account is currently not available."`,
		},
		"endless garbage": {
			func(_ context.Context, _ string, w io.Writer) error {
				for {
					if _, err := io.WriteString(w, "spam spam spam\n"); err != nil {
						return err
					}
				}
			},
			`capturing ssh://web1: it did not run the collector but said "spam spam spam"`,
		},
		"half": {
			func(_ context.Context, nonce string, w io.Writer) error {
				_, err := fmt.Fprintf(w, "motd\n%s plain\n\n%s user 0 root\x00\n%s begin os/uname\x00Lin", nonce, nonce, nonce)
				return err
			},
			"capturing ssh://web1: the collector's output broke off in os/uname",
		},
		"half of gzip": {
			func(_ context.Context, nonce string, w io.Writer) error {
				var packed bytes.Buffer
				z := gzip.NewWriter(&packed)
				fmt.Fprintf(z, "\n%s user 0 root\x00%s", nonce, strings.Repeat("x", 10000))
				z.Close()
				_, err := fmt.Fprintf(w, "%s gzip\n%s", nonce, packed.Bytes()[:packed.Len()/2])
				return err
			},
			"capturing ssh://web1: the collector's output broke off in its first part",
		},
		"no gzip": {
			func(_ context.Context, nonce string, w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s gzip\nplain after all", nonce)
				return err
			},
			"capturing ssh://web1: gzip: invalid header",
		},
		"bad tar": {
			func(_ context.Context, nonce string, w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s plain\n\n%s tar\x00%s\n%s done\x00", nonce, nonce, strings.Repeat("x", 600), nonce)
				return err
			},
			"capturing ssh://web1: reading the collector's output after tar: reading files: archive/tar: invalid tar header",
		},
		"connection": {
			func(context.Context, string, io.Writer) error {
				return fault.New(fault.Failed, "Look.", "connecting: it is down")
			},
			"capturing ssh://web1: connecting: it is down",
		},
		"silence": {
			func(ctx context.Context, nonce string, w io.Writer) error {
				fmt.Fprintf(w, "%s plain\n", nonce)
				<-ctx.Done()
				return ctx.Err()
			},
			"capturing ssh://web1: it took longer than 300ms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Capture(t.Context(), saying(c.say), Options{Timeout: 300 * time.Millisecond})
			if got := fmt.Sprint(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A process, a file or a command may print what looks like the framing; without
// the nonce it is just text.
func TestImitatedFraming(t *testing.T) {
	imitation := "\n0123456789abcdef0123456789abcdef exit 0 os/uname\x00\n0123456789abcdef0123456789abcdef done\x00"
	stream := func(nonce string) string {
		return nonce + " plain\n\n" + nonce + " user 0 root\x00\n" + nonce + " begin os/uname\x00" + imitation + "\n" + nonce + " notes os/uname\x00\n" +
			nonce + " exit 0 os/uname\x00\n" + nonce + " done\x00"
	}
	result, err := readStream(strings.NewReader(stream("fedcba9876543210fedcba9876543210")), "fedcba9876543210fedcba9876543210", Sources())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(result.outcomes["os/uname"].Stdout); got != imitation {
		t.Errorf("%q", got)
	}
}

func FuzzStream(f *testing.F) {
	const nonce = "fedcba9876543210fedcba9876543210"
	for _, seed := range []string{
		nonce + " plain\n\n" + nonce + " user 0 root\x00\n" + nonce + " done\x00",
		nonce + " plain\n\n" + nonce + " begin os/uname\x00Linux\n" + nonce + " notes os/uname\x00\n" + nonce + " exit 0 os/uname\x00\n" + nonce + " done\x00",
		nonce + " plain\n\n" + nonce + " exit 0 nothing\x00", nonce + " gzip\n\x1f\x8b", "noise\n" + nonce + " plain\n\n" + nonce + " \x00", nonce + " plain\n\n" + nonce + " tar\x00",
		nonce + " plain\n\n" + nonce + " file /x\x00y\n" + nonce + " closed /z\x00\n" + nonce + " denied /\x00\n" + nonce + " large /b\x00\n" + nonce + " done\x00",
	} {
		f.Add([]byte(seed))
	}
	sources := Sources()
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := readStream(bytes.NewReader(data), nonce, sources)
		if (result == nil) == (err == nil) {
			t.Fatalf("%v, %v", result, err)
		}
		if err != nil {
			return
		}
		in := &Input{User: result.user, UID: result.uid, files: result.files, closed: result.closed, outcomes: result.outcomes}
		var document bytes.Buffer
		if err := assemble(in, sources, Options{Salt: "00"}).Encode(&document); err != nil {
			t.Fatal(err)
		}
		if _, err := hostspec.Decode(document.Bytes(), "fuzz"); err != nil {
			t.Fatalf("%v in\n%s", err, document.String())
		}
	})
}

var _ target.Shell = saying(nil)
