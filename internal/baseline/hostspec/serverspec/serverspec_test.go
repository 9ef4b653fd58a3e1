package serverspec

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/hosttest"
)

func TestExport(t *testing.T) {
	data, err := os.ReadFile("testdata/host.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := hostspec.Decode(data, "host.yaml")
	if err != nil {
		t.Fatal(err)
	}
	exported := Export(spec)
	var text strings.Builder
	for _, name := range sortedNames(exported.Files) {
		text.WriteString("==> " + name + "\n" + string(exported.Files[name]))
	}
	for _, left := range exported.LeftOut {
		text.WriteString("left out " + left.Where + ": " + left.Reason + "\n")
	}
	golden.Assert(t, text.String(), "export.golden")
}

func sortedNames(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestNamesStayNames holds what comes from a host to be text in Ruby.
func TestNamesStayNames(t *testing.T) {
	spec := &hostspec.Spec{Host: "web1"}
	for _, name := range []string{`a'; system('true'); '`, `#{1+1}`, `a\`} {
		spec.Add(hostspec.Package, name, hostspec.Attribute{Name: "version", Value: hostspec.Text(name)})
	}
	spec.Sort()
	exported := Export(spec)
	text := string(exported.Files["spec/package_spec.rb"])
	if !strings.Contains(text, `package('a\'; system(\'true\'); \'')`) || !strings.Contains(text, `package('#{1+1}')`) {
		t.Errorf("names are code in:\n%s", text)
	}
	if len(exported.LeftOut) != 1 {
		t.Errorf("left out: %+v", exported.LeftOut)
	}
}

// TestRealServerspec captures this machine, writes it for Serverspec, and runs
// the real rspec on it; and makes sure that what is wrong fails.
func TestRealServerspec(t *testing.T) {
	hosttest.Needs(t, "Debian's ruby-serverspec")
	if _, err := exec.LookPath("rspec"); err != nil {
		t.Skip("needs rspec: apt-get install ruby-serverspec")
	}
	t.Run("what was captured holds", func(t *testing.T) {
		exported := Export(hosttest.Capture(t))
		examples, failed := rspec(t, exported)
		t.Logf("rspec: %d examples", examples)
		if len(failed) > 0 || examples < exported.Examples {
			t.Errorf("rspec: of %d examples, want %d, these failed:\n%s", examples, exported.Examples, strings.Join(failed, "\n"))
		}
	})
	t.Run("what is wrong fails", func(t *testing.T) {
		data, err := os.ReadFile("testdata/host.yaml")
		if err != nil {
			t.Fatal(err)
		}
		spec, err := hostspec.Decode(data, "host.yaml")
		if err != nil {
			t.Fatal(err)
		}
		_, failed := rspec(t, Export(spec))
		told := strings.Join(failed, "\n")
		for _, resource := range []string{`User "deploy"`, `File "/opt/app"`, `Port "80"`, `net.ipv4.tcp_rmem`, `Package "nginx"`} {
			if !strings.Contains(told, resource) {
				t.Errorf("%s does not fail in:\n%s", resource, told)
			}
		}
	})
}

// rspec runs an exported folder and gives the number of examples, and those
// that failed.
func rspec(t *testing.T, exported *Exported) (examples int, failed []string) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range exported.Files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "rspec", "--format", "json", "--out", "result.json")
	command.Dir = folder
	out, runErr := command.CombinedOutput()
	data, err := os.ReadFile(filepath.Join(folder, "result.json"))
	if err != nil {
		t.Fatalf("rspec: %v, %v\n%s", runErr, err, out)
	}
	var report struct {
		Examples []struct {
			Full   string `json:"full_description"`
			Status string `json:"status"`
		} `json:"examples"`
		Messages []string `json:"messages"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Messages) > 0 {
		t.Errorf("rspec: %v", report.Messages)
	}
	for _, example := range report.Examples {
		if example.Status != "passed" {
			failed = append(failed, example.Full)
		}
	}
	return len(report.Examples), failed
}
