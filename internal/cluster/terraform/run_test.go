package terraform_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// secret is long enough to be hidden, and has what templates are made of.
const secret = "s3cret-${not.a.template}"

// place is where one state is, and how it is opened.
type place struct {
	tool *terraform.Tool
	dir  string
	root terraform.Root
}

func newPlace(t *testing.T, tool *terraform.Tool) *place {
	t.Helper()
	module, err := filepath.Abs("testdata/module")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &place{tool, filepath.Join(dir, "run"), terraform.Root{
		Module:    module,
		Variables: map[string]json.RawMessage{"size": []byte("2"), "text": []byte(`"${upper(\"x\")} %{ if }"`)},
		Secrets:   map[string]string{"token": secret},
		Backend:   terraform.Backend{Type: "local", Config: map[string]string{"path": filepath.Join(dir, "state")}},
	}}
}

func (p *place) open(t *testing.T) *terraform.Run {
	t.Helper()
	run, err := terraform.Open(t.Context(), p.tool, p.root, terraform.Options{Dir: p.dir, Unpacked: filepath.Join(p.dir, "..", "modules"), Reporter: progress.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	return run
}

// eachTool runs a test with every program that is at hand.
func eachTool(t *testing.T, test func(t *testing.T, tool *terraform.Tool)) {
	found := 0
	for _, name := range []string{"terraform", "tofu"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		found++
		t.Run(name, func(t *testing.T) { test(t, &terraform.Tool{Path: path, Environ: os.Environ()}) })
	}
	if found == 0 {
		t.Skip("needs terraform or tofu on PATH: `make tofu` builds one")
	}
}

func plan(t *testing.T, run *terraform.Run, opts terraform.PlanOptions) *terraform.Plan {
	t.Helper()
	made, err := run.Plan(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestFromNothingToNothing(t *testing.T) {
	eachTool(t, func(t *testing.T, tool *terraform.Tool) {
		p := newPlace(t, tool)
		run := p.open(t)
		made := plan(t, run, terraform.PlanOptions{})
		want := terraform.Summary{Add: 3, Outputs: true, Changes: []terraform.Change{
			{Address: "terraform_data.disk[0]", Action: terraform.Create},
			{Address: "terraform_data.disk[1]", Action: terraform.Create},
			{Address: "terraform_data.login", Action: terraform.Create},
		}}
		if diff := cmp.Diff(want, made.Summary); diff != "" {
			t.Errorf("the first plan (-want +got):\n%s", diff)
		}
		if err := run.Apply(t.Context(), made.Data); err != nil {
			t.Fatal(err)
		}
		checkOutputs(t, run)
		if again := plan(t, run, terraform.PlanOptions{}); !again.Summary.Empty() {
			t.Errorf("after the apply there is still something to do: %+v", again.Summary)
		}
		if err := run.Apply(t.Context(), made.Data); !errors.Is(err, terraform.ErrStale) || fault.ClassOf(err) != fault.Refused {
			t.Errorf("applying the same plan twice gives %v", err)
		}
		noSecretOnDisk(t, p.dir)
		if err := run.Apply(t.Context(), plan(t, run, terraform.PlanOptions{Destroy: true}).Data); err != nil {
			t.Fatal(err)
		}
		if outputs, err := run.Outputs(t.Context()); err != nil || len(outputs) > 0 {
			t.Errorf("outputs after everything is destroyed: %v, %v", outputs, err)
		}
	})
}

func checkOutputs(t *testing.T, run *terraform.Run) {
	t.Helper()
	outputs, err := run.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kubeconfig string
	if err := json.Unmarshal(outputs["kubeconfig"], &kubeconfig); err != nil || kubeconfig != "token "+secret {
		t.Errorf("the kubeconfig is %q, %v", kubeconfig, err)
	}
}

// noSecretOnDisk looks through the folder of a run.
func noSecretOnDisk(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "s3cret") {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestChangesAreShownWithoutSecrets(t *testing.T) {
	eachTool(t, func(t *testing.T, tool *terraform.Tool) {
		p := newPlace(t, tool)
		run := p.open(t)
		if err := run.Apply(t.Context(), plan(t, run, terraform.PlanOptions{}).Data); err != nil {
			t.Fatal(err)
		}
		p.root.Variables = map[string]json.RawMessage{"size": []byte("1"), "text": []byte(`"new"`)}
		p.root.Secrets["token"] = "another-" + secret
		got := plan(t, p.open(t), terraform.PlanOptions{}).Summary
		want := terraform.Summary{Add: 1, Change: 1, Destroy: 2, Outputs: true, Changes: []terraform.Change{
			{Address: "terraform_data.disk[0]", Action: terraform.Update, Attributes: []terraform.Attribute{
				{Path: "input.text", Before: `"${upper(\"x\")} %{ if }"`, After: `"new"`},
				{Path: "output", Before: `{"index":0,"text":"${upper(\"x\")} %{ if }"}`, After: "(known after apply)"},
			}},
			{Address: "terraform_data.disk[1]", Action: terraform.Delete, Reason: "the module has fewer"},
			{Address: "terraform_data.login", Action: terraform.Replace, Reason: "it cannot be changed in place"},
		}}
		for i, change := range got.Changes {
			if text, _ := json.Marshal(change); strings.Contains(string(text), "s3cret") {
				t.Errorf("the secret is shown: %s", text)
			}
			if change.Action == terraform.Replace {
				got.Changes[i].Attributes = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the plan (-want +got):\n%s", diff)
		}
	})
}

func TestErrorsAreOurs(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(*terraform.Root)
		class fault.Class
		says  string
	}{
		{"no such variable", func(r *terraform.Root) { r.Variables["colour"] = []byte("1") }, fault.Invalid, `"colour"`},
		{"not a number", func(r *terraform.Root) { r.Variables["size"] = []byte(`"many"`) }, fault.Invalid, "a number is required"},
		{"a name of Terraform", func(r *terraform.Root) { r.Variables["source"] = []byte(`"x"`) }, fault.Invalid, `"source" cannot be a variable`},
		{"twice", func(r *terraform.Root) { r.Variables["token"] = []byte(`"x"`) }, fault.Invalid, "given twice"},
		{"no folder", func(r *terraform.Root) { r.Module = "/no/such/module" }, fault.Invalid, "no such folder"},
		{"no backend", func(r *terraform.Root) { r.Backend = terraform.Backend{Type: "floppy"} }, fault.Invalid, "floppy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachTool(t, func(t *testing.T, tool *terraform.Tool) {
				p := newPlace(t, tool)
				c.alter(&p.root)
				run, err := terraform.Open(t.Context(), tool, p.root, terraform.Options{Dir: p.dir, Unpacked: t.TempDir(), Reporter: progress.Discard})
				if err == nil {
					_, err = run.Plan(t.Context(), terraform.PlanOptions{})
					err = errors.Join(err, run.Close())
				}
				if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v (%s), want %s saying %q", err, fault.ClassOf(err), c.class, c.says)
				}
			})
		})
	}
}

func TestAFailureNamesTheResourceAndHidesSecrets(t *testing.T) {
	eachTool(t, func(t *testing.T, tool *terraform.Tool) {
		p := newPlace(t, tool)
		p.root.Variables["fails"] = []byte("true")
		run := p.open(t)
		err := run.Apply(t.Context(), plan(t, run, terraform.PlanOptions{}).Data)
		if err == nil || !strings.Contains(err.Error(), "terraform_data.script[0]") || !strings.Contains(err.Error(), "exit status 7") {
			t.Errorf("the error does not say what failed where: %v", err)
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the secret: %v", err)
		}
		p.root.Variables["fails"] = []byte("false")
		again := p.open(t)
		if err := again.Apply(t.Context(), plan(t, again, terraform.PlanOptions{}).Data); err != nil {
			t.Errorf("what failed is not gone on with: %v", err)
		}
	})
}

func TestImport(t *testing.T) {
	eachTool(t, func(t *testing.T, tool *terraform.Tool) {
		p := newPlace(t, tool)
		run := p.open(t)
		made := plan(t, run, terraform.PlanOptions{Import: &terraform.Imported{Address: "terraform_data.disk[1]", ID: "an-${id}"}})
		if made.Summary.Import+made.Summary.Change == 0 || len(made.Summary.Changes) != 1 || made.Summary.Changes[0].Address != "terraform_data.disk[1]" {
			t.Errorf("the import is not all there is in the plan: %+v", made.Summary)
		}
		if err := run.Apply(t.Context(), made.Data); err != nil {
			t.Fatal(err)
		}
		if after := plan(t, run, terraform.PlanOptions{}); after.Summary.Add != 2 {
			t.Errorf("after the import of one of three %d are to add", after.Summary.Add)
		}
	})
}

func TestALockedStateSaysWhoHoldsIt(t *testing.T) {
	eachTool(t, func(t *testing.T, tool *terraform.Tool) {
		p := newPlace(t, tool)
		run := p.open(t)
		if err := run.Apply(t.Context(), plan(t, run, terraform.PlanOptions{}).Data); err != nil {
			t.Fatal(err)
		}
		state := p.root.Backend.Config["path"]
		info := `{"ID":"6b2f","Operation":"OperationTypeApply","Who":"ann@laptop","Created":"2026-01-02T03:04:05Z","Path":"` + state + `"}`
		if err := os.WriteFile(filepath.Join(filepath.Dir(state), ".state.lock.info"), []byte(info), 0o600); err != nil {
			t.Fatal(err)
		}
		hold(t, state)
		var locked *terraform.StateLocked
		if _, err := run.Plan(t.Context(), terraform.PlanOptions{}); !errors.As(err, &locked) || fault.ClassOf(err) != fault.Refused {
			t.Fatalf("planning while the state is locked gives %v", err)
		}
		if locked.Who != "ann@laptop" || locked.ID != "6b2f" {
			t.Errorf("the lock is read as %+v", locked)
		}
		if _, err := run.Plan(t.Context(), terraform.PlanOptions{Unlocked: true}); err != nil {
			t.Errorf("looking without the lock: %v", err)
		}
	})
}

// hold takes the lock that the local backend takes of its state.
func hold(t *testing.T, state string) {
	t.Helper()
	file, err := os.OpenFile(state, os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &whole); err != nil {
		t.Fatal(err)
	}
}
