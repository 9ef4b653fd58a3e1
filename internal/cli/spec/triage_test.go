package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

const shopSpec = `version: landfall.dev/hostspec/v1
host: web1
salt: "00"
items:
  package: {nginx: {version: "1.22", manual: true}}
  service: {worker: {enabled: true, running: true}}
  file: {/opt/tool: {state: unmanaged, type: directory, entries: 3}}
`

// triageOf runs `landfall spec triage` on a document of a host.
func triageOf(t *testing.T, file, typed string, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := &command.Context{In: strings.NewReader(typed), Out: &out, Err: &errs, Clock: time.Now, Getenv: func(string) string { return "" }}
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(append([]string{"triage", file}, args...))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func shopFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web1.yaml")
	if err := os.WriteFile(file, []byte(shopSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTriageAsksOnce(t *testing.T) {
	file := shopFile(t)
	open := func() []string {
		t.Helper()
		out, err := triageOf(t, file, "", "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Findings []struct{ Item, Class string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatal(err)
		}
		var items []string
		for _, f := range report.Findings {
			if f.Class == "decide" {
				items = append(items, f.Item)
			}
		}
		return items
	}
	if got := strings.Join(open(), " "); got != "service/worker file//opt/tool" {
		t.Fatalf("asks for %s", got)
	}
	if _, err := triageOf(t, file, "", "--decide", "file//opt/*=drop: old"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(open(), " "); got != "service/worker" {
		t.Errorf("asks for %s", got)
	}
	if _, err := triageOf(t, file, "image: a component\n", "--ask"); err != nil {
		t.Fatal(err)
	}
	if got := open(); len(got) != 0 {
		t.Errorf("still asks for %v", got)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "reason: a component") {
		t.Errorf("%v: not kept:\n%s", err, text)
	}
}

func TestTriageWritesWorksheets(t *testing.T) {
	file := shopFile(t)
	sheets := []string{file + ".md", file + ".html"}
	if _, err := triageOf(t, file, "", "--worksheet", sheets[0], "--worksheet", sheets[1]); err != nil {
		t.Fatal(err)
	}
	for _, sheet := range sheets {
		if text, err := os.ReadFile(sheet); err != nil || !strings.Contains(string(text), "service/") {
			t.Errorf("%s: %v: %s", sheet, err, text)
		}
	}
}

func TestTriageRefusals(t *testing.T) {
	file := shopFile(t)
	before, _ := os.ReadFile(file)
	for _, args := range [][]string{
		{"--decide", "nonsense"}, {"--decide", "service/none=drop"}, {"--worksheet", "x.pdf"}, {"--rules", "/no/such"},
	} {
		if _, err := triageOf(t, file, "", args...); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := triageOf(t, "-", shopSpec, "--decide", "service/worker=drop"); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("decisions on standard input: %v", err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Errorf("the document changed:\n%s", after)
	}
}

func TestContainerizeNeedsAHostAndAFolder(t *testing.T) {
	file := shopFile(t)
	for _, args := range [][]string{{}, {"--target", "local"}, {"--target", "image://x/y:1", "-o", t.TempDir()}, {"--target", "local", "-o", t.TempDir(), "--name", "Not A Name"}} {
		if _, errs, code := run(t, command.Table, append([]string{"containerize", file}, args...)...); code != fault.ExitUsage {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}
