package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

const docHead = "version: landfall.dev/hostspec/v1\nsalt: aa\n"

// documents writes three hosts, one of them drifted, and gives their folder.
func documents(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, items := range map[string]string{
		"web1": `package: {nginx: {version: 1.22.1-9, manager: dpkg, manual: true}, libc6: {version: 2.36-9, manager: dpkg}}, sysctl: {net.core.somaxconn: 4096}`,
		"web2": `package: {nginx: {version: 1.22.1-9, manager: dpkg, manual: true}, libc6: {version: 2.36-9, manager: dpkg}}, sysctl: {net.core.somaxconn: 4096}`,
		"web3": `package: {nginx: {version: 1.20.0-1, manager: dpkg, manual: true}, libc6: {version: 2.36-9, manager: dpkg}, telnetd: {version: "1"}}, sysctl: {net.core.somaxconn: {unknown: needs root}}`,
	} {
		text := docHead + "host: " + name + "\nitems: {" + items + "}\n"
		if err := os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// run runs `landfall spec` with the arguments.
func run(t *testing.T, output command.Output, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	now := time.Unix(0, 0)
	c := &command.Context{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Output: output,
		Clock: func() time.Time { return now }, Getenv: func(string) string { return "" },
	}
	cmd := New(c)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err := cmd.ExecuteContext(t.Context())
	if err != nil {
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), fault.ExitCode(err)
}

func TestVerify(t *testing.T) {
	folder := documents(t)
	file := func(name string) string { return filepath.Join(folder, name+".yaml") }
	tests := map[string]struct {
		args []string
		code int
		says []string
		not  string
	}{
		"the same":        {[]string{"verify", file("web1"), "--target", file("web2")}, fault.ExitOK, []string{"web2: 3 hold"}, "nginx"},
		"all":             {[]string{"verify", file("web1"), "--target", file("web2"), "--all"}, fault.ExitOK, []string{"package › nginx"}, "fails"},
		"drifted":         {[]string{"verify", file("web1"), "--target", file("web3")}, fault.ExitNotHolding, []string{"version 1.22.1-9", "version 1.20.0-1", "needs root", "1 fails, 1 unknown, 1 holds"}, "telnetd"},
		"exact":           {[]string{"verify", file("web1"), "--target", file("web3"), "--exact"}, fault.ExitNotHolding, []string{"telnetd", "the document does not mention it", "2 fail"}, ""},
		"only what holds": {[]string{"verify", file("web1"), "--target", file("web3"), "--only", "package/libc6"}, fault.ExitOK, []string{"1 holds"}, "nginx"},
		"only unknown":    {[]string{"verify", file("web1"), "--target", file("web3"), "--only", "sysctl"}, fault.ExitFailed, []string{"1 unknown"}, ""},
		"nothing":         {[]string{"verify", file("web1"), "--target", file("web3"), "--only", "cron"}, fault.ExitUsage, nil, ""},
		"no target":       {[]string{"verify", file("web1")}, fault.ExitUsage, nil, ""},
		"no document":     {[]string{"verify", file("web9"), "--target", "local"}, fault.ExitUsage, nil, ""},
		"a matrix": {
			[]string{"verify", file("web1"), "--target", file("web1"), "--target", file("web2"), "--target", file("web3")}, fault.ExitNotHolding,
			[]string{"web1  web2  web3", "package › nginx              ✓     ✓     ✗\n", "✗ web3: version 1.20.0-1", "3 hosts: 1 fails, 2 hold"}, "libc6",
		},
		"junit": {[]string{"verify", file("web1"), "--target", file("web3"), "--format", "junit"}, fault.ExitNotHolding, []string{"<testsuite", "<failure"}, ""},
		"tap":   {[]string{"verify", file("web1"), "--target", file("web3"), "--format", "tap"}, fault.ExitNotHolding, []string{"TAP version 14", "not ok"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, errs, code := run(t, "", tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, tt.code, out, errs)
			}
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("want %q in:\n%s", want, out)
				}
			}
			if tt.not != "" && strings.Contains(out, tt.not) {
				t.Errorf("do not want %q in:\n%s", tt.not, out)
			}
		})
	}
}

func TestVerifyForPrograms(t *testing.T) {
	folder := documents(t)
	for _, output := range []command.Output{command.JSON, command.YAML} {
		out, _, _ := run(t, output, "verify", filepath.Join(folder, "web1.yaml"), "--target", filepath.Join(folder, "web3.yaml"))
		for _, want := range []string{"nginx", "answer", "1.20.0-1", "web3"} {
			if !strings.Contains(out, want) {
				t.Errorf("-o %s: want %q in:\n%s", output, want, out)
			}
		}
	}
}

func TestDiffAndFleet(t *testing.T) {
	folder := documents(t)
	web1, web3 := filepath.Join(folder, "web1.yaml"), filepath.Join(folder, "web3.yaml")
	out, _, code := run(t, "", "diff", web1, web3)
	if code != fault.ExitNotHolding || !strings.Contains(out, "~ nginx  version 1.22.1-9 → 1.20.0-1") || !strings.Contains(out, "+ telnetd") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if out, _, code := run(t, "", "diff", web1, filepath.Join(folder, "web2.yaml")); code != fault.ExitOK {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	out, _, code = run(t, command.JSON, "fleet", "--dir", folder)
	var drift struct {
		Hosts      []string
		Deviations []struct {
			Name   string
			Values []struct{ Hosts []string }
		}
	}
	if err := json.Unmarshal([]byte(out), &drift); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code != fault.ExitNotHolding || len(drift.Hosts) != 3 || len(drift.Deviations) != 2 || drift.Deviations[0].Values[1].Hosts[0] != "web3" {
		t.Errorf("exit code %d, %+v", code, drift)
	}
	if _, _, code := run(t, "", "fleet", web1); code != fault.ExitUsage {
		t.Errorf("a fleet of one: exit code %d", code)
	}
}

func TestSuggestWritesRulesThatVerifyFollows(t *testing.T) {
	folder := documents(t)
	web1 := filepath.Join(folder, "web1.yaml")
	if out, errs, code := run(t, "", "suggest", web1); code != 0 || !strings.Contains(out, "package/* where manual is false") {
		t.Fatalf("exit code %d:\n%s%s", code, out, errs)
	}
	if out, errs, code := run(t, "", "suggest", web1, "--write"); code != 0 || !strings.Contains(out, "rules are in") {
		t.Fatalf("exit code %d:\n%s%s", code, out, errs)
	}
	out, _, _ := run(t, "", "verify", web1, "--target", filepath.Join(folder, "web2.yaml"), "--all")
	if strings.Contains(out, "libc6") || !strings.Contains(out, "nginx") {
		t.Errorf("the rules are not followed:\n%s", out)
	}
	if out, _, _ := run(t, "", "suggest", web1); !strings.Contains(out, "Of 3 items, 2 stay") {
		t.Errorf("suggested again:\n%s", out)
	}
}

func TestExportAndImport(t *testing.T) {
	folder := documents(t)
	web1, target := filepath.Join(folder, "web1.yaml"), filepath.Join(folder, "out")
	for format, file := range map[string]string{"goss": "goss.yaml", "serverspec": "spec/package_spec.rb"} {
		if _, errs, code := run(t, "", "export", web1, "--format", format, "-o", target); code != 0 {
			t.Fatalf("%s: exit code %d: %s", format, code, errs)
		}
		if content, err := os.ReadFile(filepath.Join(target, file)); err != nil || !bytes.Contains(content, []byte("1.22.1-9")) {
			t.Errorf("%s: %v\n%s", format, err, content)
		}
	}
	if _, _, code := run(t, "", "export", web1, "--format", "inspec", "-o", target); code != fault.ExitUsage {
		t.Errorf("an unknown format: exit code %d", code)
	}
	imported := filepath.Join(folder, "imported.yaml")
	if _, errs, code := run(t, "", "import", filepath.Join(target, "goss.yaml"), "-o", imported); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if out, _, code := run(t, "", "verify", imported, "--target", web1); code != 0 {
		t.Errorf("what goss would check does not hold where it comes from: exit code %d\n%s", code, out)
	}
}

func TestEveryCommandTakesHelp(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			visit(child)
		}
		if out, _, code := run(t, "", append(strings.Fields(cmd.CommandPath())[1:], "--help")...); code != 0 || !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help: exit code %d\n%s", cmd.CommandPath(), code, out)
		}
	}
	visit(New(&command.Context{}))
}

// TestTargetsThatCannotBeReadDoNotStopTheOthers verifies an archive that is
// none between two documents.
func TestTargetsThatCannotBeReadDoNotStopTheOthers(t *testing.T) {
	folder := documents(t)
	broken := filepath.Join(folder, "broken.tar")
	if err := os.WriteFile(broken, []byte("no archive"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(folder, name+".yaml") }
	out, errs, code := run(t, command.JSON, "verify", file("web1"), "--target", file("web1"), "--target", "tar://"+broken, "--target", file("web2"))
	var report struct {
		Results []struct{ Target, Group, Answer, Reason string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := map[string]int{}
	for _, r := range report.Results {
		answers[r.Answer]++
		if r.Answer == "unknown" && (!strings.Contains(r.Target, "broken.tar") || r.Reason == "") {
			t.Errorf("%+v", r)
		}
	}
	if code != fault.ExitFailed || answers["holds"] != 6 || answers["unknown"] != 1 {
		t.Errorf("exit code %d, %v\n%s", code, answers, errs)
	}
	if _, _, code := run(t, "", "fleet", file("web1"), file("web2"), "tar://"+broken); code != fault.ExitFailed {
		t.Errorf("a fleet of which one host is unknown: exit code %d", code)
	}
	if _, _, code := run(t, "", "diff", file("web1"), "tar://"+broken); code == fault.ExitOK || code == fault.ExitNotHolding {
		t.Errorf("a side that cannot be read: exit code %d", code)
	}
}
