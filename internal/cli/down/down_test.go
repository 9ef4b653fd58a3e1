package down

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// execute uses a stand-in localkube that notes its calls in the file it returns.
func execute(t *testing.T, list string, args ...string) (out, calls string, err error) {
	t.Helper()
	dir := t.TempDir()
	tool, log := filepath.Join(dir, "localkube"), filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$@\" >>" + log + "\n[ \"$1\" != list ] || echo '" + list + "'\n"
	if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig"))
	var stdout bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &stdout, Err: &bytes.Buffer{}, Clock: time.Now, Getenv: func(name string) string {
		return map[string]string{"LANDFALL_LOCALKUBE": tool}[name]
	}}
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	text, _ := os.ReadFile(log)
	return stdout.String(), string(text), err
}

// gone is a cluster whose API server does not answer.
const gone = `[{"name":"local","status":"stopped","kubeconfig":"/no/such"}]`

func TestAbsentClusterIsASuccess(t *testing.T) {
	out, calls, err := execute(t, "[]", "--delete-cluster")
	if err != nil || !strings.Contains(out, "nothing to do") || strings.Contains(calls, "delete") {
		t.Errorf("%q, calls %q, %v", out, calls, err)
	}
}

func TestUnreadableClusterIsNotDeletedUnseen(t *testing.T) {
	_, calls, err := execute(t, gone, "--delete-cluster", "--yes")
	if fault.ExitCode(err) != fault.ExitRefused || strings.Contains(calls, "delete local") {
		t.Errorf("calls %q, %v", calls, err)
	}
	_, calls, err = execute(t, gone, "--delete-cluster", "--yes", "--force")
	if err != nil || !strings.Contains(calls, "delete local") {
		t.Errorf("forced: calls %q, %v", calls, err)
	}
}

func TestNothingIsDeletedUnconfirmed(t *testing.T) {
	_, calls, err := execute(t, gone, "--delete-cluster", "--force")
	if fault.ExitCode(err) != fault.ExitRefused || strings.Contains(calls, "delete local") {
		t.Errorf("calls %q, %v", calls, err)
	}
}

func TestOnlyLocalClustersAreDeleted(t *testing.T) {
	if _, _, err := execute(t, "[]", "--delete-cluster", "--context", "kind"); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("got %v", err)
	}
}
