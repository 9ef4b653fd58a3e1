package image

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/image"
)

func run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var out, errs bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &out, Err: &errs, Clock: time.Now, Getenv: func(string) string { return "" }}
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func TestPushAProgramUponABase(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	site := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(site, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, "push", filepath.Dir(site), host+"/base:1", "--env", "A=base", "--user", "7")
	if err != nil || !strings.HasPrefix(out, host+"/base@sha256:") {
		t.Fatalf("%q, %v", out, err)
	}
	out, progress, err := run(t, "push", "/bin/true", host+"/app:1", "--base", host+"/base:1",
		"--env", "A=app", "--arg", "-x", "--workdir", "/srv", "--expose", "80", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(progress, "push "+host+"/app:1") {
		t.Errorf("progress: %q", progress)
	}
	var pushed image.Pushed
	if err := json.Unmarshal([]byte(out), &pushed); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(pushed.Image)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	if strings.Join(c.Entrypoint, " ") != "/usr/local/bin/true" || strings.Join(c.Cmd, " ") != "-x" || c.User != "7" || c.WorkingDir != "/srv" || strings.Join(c.Env, " ") != "A=app" {
		t.Errorf("%+v", c)
	}
}

func TestBadFlagsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"push", "/bin/true"}, {"push", "/bin/true", "x/y:1", "--env", "novalue"}, {"push", "/no/such", "x/y:1"}} {
		if _, _, err := run(t, args...); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
