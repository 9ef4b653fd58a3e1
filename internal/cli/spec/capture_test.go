package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

// sshTo puts an ssh first on PATH that runs the collector here, but for hosts
// called down.
func sshTo(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	script := `#!/bin/sh
case " $* " in *" down"*) echo "ssh: connect to host down port 22: Connection refused" >&2; exit 255 ;; esac
exec sh -s
`
	if err := os.WriteFile(filepath.Join(folder, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func decoded(t *testing.T, path string) *hostspec.Spec {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := hostspec.Decode(data, path)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestCaptureAgainKeepsWhatPeopleWrote(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host.yaml")
	if _, errs, code := run(t, "", "capture", "local", "--kind", "os", "-o", file); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	first := decoded(t, file)
	kernel, found := first.Find(hostspec.Key{Kind: hostspec.OS, Name: "kernel"})
	if !found || !strings.HasPrefix(kernel.Text("value"), "Linux ") {
		t.Errorf("kernel %v", kernel)
	}
	first.Rules = []hostspec.Rule{{Exclude: "package/*", Reason: "noise"}}
	first.Items = nil
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Encode(out); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if _, errs, code := run(t, "", "capture", "local", "--kind", "os", "-o", file); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	second := decoded(t, file)
	if second.Salt != first.Salt || len(second.Rules) != 1 || len(second.Items) < 3 {
		t.Errorf("salt %s, then %s; %d rules; %d items", first.Salt, second.Salt, len(second.Rules), len(second.Items))
	}
}

func TestCaptureOfAFleetWithOneHostDown(t *testing.T) {
	sshTo(t)
	folder := filepath.Join(t.TempDir(), "fleet")
	list := filepath.Join(t.TempDir(), "hosts.txt")
	if err := os.WriteFile(list, []byte("ssh://deploy@db1:2222\nssh://down\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, code := run(t, "", "capture", "web{1..2}", "--targets", list, "--kind", "os,package", "-o", folder)
	if code != fault.ExitFailed || !strings.Contains(errs, "nothing listens on its SSH port") {
		t.Errorf("exit %d: %s", code, errs)
	}
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v", files, err)
	}
	salts := map[string]bool{}
	for _, name := range []string{"web1", "web2", "deploy@db1-2222"} {
		salts[decoded(t, filepath.Join(folder, name+".yaml")).Salt] = true
	}
	if len(salts) != 1 {
		t.Errorf("salts %v: fingerprints cannot be compared", salts)
	}
}

func TestCaptureRefuses(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes.yaml")
	if err := os.WriteFile(notes, []byte("shopping: milk\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{[]string{}, fault.ExitUsage, "no target given"},
		{[]string{"ftp://x"}, fault.ExitUsage, "unknown scheme"},
		{[]string{"web{1..2}"}, fault.ExitUsage, "2 targets need a folder"},
		{[]string{"local", "--kind", "pakage"}, fault.ExitUsage, `no kind "pakage"`},
		{[]string{"local", "--kind", "os", "-o", notes}, fault.ExitRefused, "reading host spec"},
		{[]string{"local", "--targets", "/no/such/file"}, fault.ExitUsage, "/no/such/file"},
		{[]string{"tar:///no/such.tar"}, fault.ExitUsage, "/no/such.tar"},
		{[]string{"local", "--kind", "os", "-o", "/no/such/folder/x.yaml"}, fault.ExitUsage, "/no/such/folder"},
	} {
		_, errs, code := run(t, "", append([]string{"capture"}, c.args...)...)
		if code != c.exit || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, want %d: %s", c.args, code, c.exit, errs)
		}
	}
	if data, _ := os.ReadFile(notes); string(data) != "shopping: milk\n" {
		t.Errorf("the file became %q", data)
	}
}
