package goss

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/hosttest"
)

// TestRealGoss captures this machine, writes it for goss, and runs the real
// goss on it; and makes sure that what goss reads is what was meant, by a file
// that is wrong for this machine.
func TestRealGoss(t *testing.T) {
	hosttest.Needs(t, "the real goss, which is built from its module")
	program := filepath.Join(t.TempDir(), "goss")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/goss-org/goss/cmd/goss")
	build.Dir = filepath.Join("testdata", "realgoss")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building goss: %v\n%s", err, out)
	}
	t.Run("what was captured holds", func(t *testing.T) {
		exported, err := Export(hosttest.Capture(t))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "goss.yaml")
		if err := os.WriteFile(file, exported.File, 0o644); err != nil {
			t.Fatal(err)
		}
		failed, tests := validate(t, program, file)
		t.Logf("goss: %d resources, %d tests", exported.Resources, tests)
		if len(failed) > 0 || tests < exported.Resources {
			t.Errorf("goss: of %d tests these failed:\n%s", tests, strings.Join(failed, "\n"))
		}
	})
	t.Run("what is wrong fails", func(t *testing.T) {
		failed, _ := validate(t, program, filepath.Join("testdata", "goss.golden.yaml"))
		told := strings.Join(failed, "\n")
		for _, resource := range []string{"User: deploy", "File: /etc/a{{b", "Port: tcp:80", "KernelParam: asked", "File: /opt/app"} {
			if !strings.Contains(told, resource) {
				t.Errorf("%s does not fail in:\n%s", resource, told)
			}
		}
	})
}

// validate runs goss and gives what failed, and how many tests there were.
func validate(t *testing.T, program, file string) (failed []string, tests int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, "--gossfile", file, "validate", "--format", "json", "--no-color")
	out, runErr := command.Output()
	var report struct {
		Results []struct {
			Title string `json:"summary-line"`
			Code  int    `json:"result"`
		} `json:"results"`
		Summary struct {
			Tests int `json:"test-count"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("goss says neither yes nor no: %v, %v\n%s", runErr, err, out)
	}
	for _, r := range report.Results {
		if r.Code != 0 {
			failed = append(failed, r.Title)
		}
	}
	return failed, report.Summary.Tests
}
