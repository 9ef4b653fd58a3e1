package goss

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

func document(t *testing.T, name string) *hostspec.Spec {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := hostspec.Decode(data, name)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestExport(t *testing.T) {
	exported, err := Export(document(t, "host.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(exported.File), "goss.golden.yaml")
	want := []hostspec.LeftOut{
		{Where: "package#hold", Reason: "goss has no such attribute", Items: 1},
		{Where: "package#version", Reason: "goss compares no versions by the rules of package managers", Items: 1},
		{Where: "cron", Reason: "goss has no such resource", Items: 1},
		{Where: "socket#process", Reason: "goss has no such attribute", Items: 2},
		{Where: "user#password", Reason: "goss has no such attribute", Items: 1},
		{Where: "group#members", Reason: "goss has no such attribute", Items: 1},
		{Where: "sysctl", Reason: "it changes by itself", Items: 1},
		{Where: "mount#options", Reason: "goss tells options of mounts and of file systems apart", Items: 1},
		{Where: "file#sha256", Reason: "unknown when it was captured", Items: 1},
		{Where: "file#entries", Reason: "goss has no such attribute", Items: 1},
		{Where: "file", Reason: "the name holds characters that cannot be written", Items: 1},
		{Where: "php-setting", Reason: "which program prints it is not known", Items: 1},
		{Where: "postfix", Reason: "it changes by itself", Items: 1},
	}
	if diff := cmp.Diff(want, exported.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

// TestWhatIsReadBackHolds writes a captured document for goss, reads that, and
// holds it against the document.
func TestWhatIsReadBackHolds(t *testing.T) {
	facts := document(t, "host.yaml")
	exported, err := Export(facts)
	if err != nil {
		t.Fatal(err)
	}
	read, left, err := Import(exported.File, "goss.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if l.Where != "command" {
			t.Errorf("left out: %+v", l)
		}
	}
	held := 0
	for _, r := range verify.Verify(read, expectationsAside(facts)) {
		if r.Answer == result.Holds {
			held++
			continue
		}
		t.Errorf("%+v", r)
	}
	if held < 14 {
		t.Errorf("only %d items came back", held)
	}
}

// expectationsAside drops the items of the test document that are no facts.
func expectationsAside(spec *hostspec.Spec) *hostspec.Spec {
	facts := *spec
	facts.Items = nil
	for _, item := range spec.Items {
		if item.Key.Name != "php8.2-fpm" && item.Key.Name != "asked" && !item.Absent {
			facts.Items = append(facts.Items, item)
		} else if item.Name == "php8.2-fpm" {
			facts.Items = append(facts.Items, hostspec.Item{Key: item.Key})
		} else if item.Name == "asked" {
			facts.Items = append(facts.Items, hostspec.Item{Key: item.Key, Attributes: []hostspec.Attribute{{Name: hostspec.ValueAttribute, Value: hostspec.Int(7)}}})
		}
	}
	return &facts
}

func TestImport(t *testing.T) {
	data, err := os.ReadFile("testdata/foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, left, err := Import(data, "foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := spec.Encode(&text); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "foreign.golden.yaml")
	var told strings.Builder
	for _, l := range left {
		told.WriteString(l.Where + ": " + l.Reason + "\n")
	}
	golden.Assert(t, told.String(), "foreign.left.golden")
}

func TestImportRefuses(t *testing.T) {
	bomb := "a: &a {x: {y: z}}\n" + strings.Repeat("b: &b {x: *a}\n", 3)
	tests := map[string]struct{ data, says string }{
		"templates":   {"package:\n  {{.Vars.web}}:\n    installed: true\n", "templates, such as {{.Vars.web}}"},
		"no YAML":     {"package: [", "yaml"},
		"a list":      {"- package\n", "cannot unmarshal"},
		"huge":        {strings.Repeat("#", MaxFile+1), "more than"},
		"a key twice": {bomb, "already defined"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := Import([]byte(tt.data), "goss.yaml")
			if err == nil || !strings.Contains(err.Error(), tt.says) || fault.ExitCode(err) != fault.ExitUsage || fault.HintOf(err) == "" {
				t.Errorf("error %v, want one with a next step that says %q", err, tt.says)
			}
		})
	}
}

func FuzzImport(f *testing.F) {
	for _, name := range []string{"foreign.yaml", "goss.golden.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("package: {a: {installed: {not: {not: true}}, versions: {and: [{gt: 1}, 2]}}}"))
	f.Add([]byte("file: {? [a]: {exists: ~}}\nuser: {a: ~}\nport: {x: {ip: [[]]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, _, err := Import(data, "fuzz")
		if err != nil {
			return
		}
		var text bytes.Buffer
		if err := spec.Encode(&text); err != nil {
			t.Fatal(err)
		}
		if _, err := hostspec.Decode(text.Bytes(), "fuzz"); err != nil {
			t.Errorf("what was read makes no document: %v\n%s", err, &text)
		}
		if _, err := Export(spec); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
