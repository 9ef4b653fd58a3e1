package preflight

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// A cluster with a bit of everything, as people and programs read it.
func TestReportReads(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	w := worldOf(t, read("blue.yaml"), read("green.yaml"))
	w.from.version = "v1.31.4"
	for p := range w.images {
		if p.image == "registry.example/batch:7" {
			w.images[p] = pulled{state: isUnknown, reason: "registry registry.example does not answer from here: timeout"}
		}
	}
	w.to.unreadable = []transfer.Unreadable{{What: "custom.metrics.k8s.io/v1beta1", Reason: "the server is currently unable to handle the request"}}
	r := w.judge([]string{"versions"})
	var people, programs bytes.Buffer
	if err := r.Write(&people, false); err != nil {
		t.Fatal(err)
	}
	encoder := json.NewEncoder(&programs)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, people.String(), "report.txt")
	golden.Assert(t, programs.String(), "report.json")
	var page bytes.Buffer
	if err := r.Evidence().WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page.Bytes(), []byte("Blocks the move")) {
		t.Error("the evidence page does not tell what blocks")
	}
}

func TestAnswerAndErr(t *testing.T) {
	for name, test := range map[string]struct {
		findings []Finding
		want     result.Answer
		exit     int
	}{
		"nothing":           {nil, result.Holds, fault.ExitOK},
		"warnings":          {[]Finding{{Severity: Warn}, {Severity: Note}}, result.Holds, fault.ExitOK},
		"unknown":           {[]Finding{{Severity: Warn}, {Severity: Unknown}}, result.Unknown, fault.ExitFailed},
		"blocks, unknown":   {[]Finding{{Severity: Unknown}, {Severity: Block}}, result.Fails, fault.ExitNotHolding},
		"blocks comes last": {[]Finding{{Severity: Block}, {Severity: Unknown}}, result.Fails, fault.ExitNotHolding},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{From: "blue", To: "green", Findings: test.findings, Answer: answer(test.findings)}
			if r.Answer != test.want || fault.ExitCode(r.Err()) != test.exit {
				t.Errorf("%s, exit code %d", r.Answer, fault.ExitCode(r.Err()))
			}
		})
	}
}

func TestFindingsThatSayTheSameAreOne(t *testing.T) {
	got := merge([]Finding{
		{Severity: Note, What: "a", Objects: []string{"Pod b/b"}},
		{Severity: Block, What: "a", Objects: []string{"Pod b/b"}},
		{Severity: Note, What: "a", Objects: []string{"Pod a/a", "Pod b/b"}},
	})
	want := []Finding{
		{Severity: Block, What: "a", Objects: []string{"Pod b/b"}, Count: 1},
		{Severity: Note, What: "a", Objects: []string{"Pod a/a", "Pod b/b"}, Count: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownChecksCannotBeSkipped(t *testing.T) {
	if _, err := Look(t.Context(), nil, nil, Options{Skip: []string{"luck"}}, progress.Discard); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

// Every limit of node groups names a condition that there is, and a source.
func TestDataFiles(t *testing.T) {
	for _, limit := range nodeGroupLimits {
		if nodeGroupConditions[limit.When] == nil || limit.Source == "" || limit.Remedy == "" {
			t.Errorf("limit %s: condition %q, source %q", limit.ID, limit.When, limit.Source)
		}
	}
	for _, c := range changes {
		matchers := 0
		for _, m := range []string{c.NodeLabel, c.PodAnnotation, c.Volume, c.HostPath} {
			if m != "" {
				matchers++
			}
		}
		if matchers != 1 || c.Source == "" || c.Release == "" {
			t.Errorf("change %q of %q has %d matchers", c.What, c.Release, matchers)
		}
	}
	if len(removedAPIs) < 30 {
		t.Errorf("only %d removed APIs", len(removedAPIs))
	}
}
