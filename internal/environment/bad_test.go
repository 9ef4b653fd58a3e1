package environment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
)

// TestBadInput lists what people are told about each file in testdata/bad. The
// golden file is to be read: every message must name the field and say what to
// do.
func TestBadInput(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var out bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		err = read(text)
		if err == nil {
			t.Errorf("%s: no error", file)
			continue
		}
		if class := fault.ClassOf(err); class != fault.Invalid {
			t.Errorf("%s: class %s, want invalid", file, class)
		}
		if len(err.Error()) > 2000 {
			t.Errorf("%s: a message of %d characters", file, len(err.Error()))
		}
		fmt.Fprintf(&out, "%s:\n", strings.TrimSuffix(filepath.Base(file), ".yaml"))
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(&out, "    %s\n", strings.TrimSuffix(line, "\n"))
		}
		if hint := fault.HintOf(err); hint != "" {
			fmt.Fprintf(&out, "  → %s\n", hint)
		}
	}
	golden.Assert(t, out.String(), "bad/want.txt")
}

// read does with a file what the command line and the controller do: the first
// thing wrong is the error.
func read(text []byte) error {
	objects, err := environment.ParseObjects(bytes.NewReader(text))
	if err != nil {
		return err
	}
	in := environment.Input{Images: map[string]environment.Image{}, Charts: map[string]environment.Chart{}}
	for _, o := range objects {
		switch o := o.(type) {
		case *v1alpha1.Blueprint:
			in.Blueprint = o
		case *v1alpha1.Environment:
			in.Environment = o
		case *v1alpha1.Cluster:
			in.Cluster = o
		}
	}
	if in.Blueprint == nil {
		return errors.New("no blueprint")
	}
	if err := environment.Validate(in.Blueprint); err != nil || in.Environment == nil {
		return err
	}
	if err := environment.ValidateEnvironment(in.Blueprint, in.Environment); err != nil {
		return err
	}
	needs := environment.Needed(in.Blueprint, in.Environment)
	for component, reference := range needs.Images {
		in.Images[component] = resolve(reference)
	}
	for component, c := range needs.Charts {
		in.Charts[component] = environment.Chart{Archive: c.Archive}
	}
	_, err = environment.Render(context.Background(), in)
	return err
}

func TestLargeFileIsRefused(t *testing.T) {
	_, err := environment.ParseObjects(strings.NewReader(strings.Repeat("# five megabytes\n", 5<<20/17)))
	if fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("got %v", err)
	}
}

// TestCycleIsPrinted: whoever wrote the cycle sees it as they wrote it.
func TestCycleIsPrinted(t *testing.T) {
	text, err := os.ReadFile("testdata/bad/cycle-in-run-before.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := read(text); err == nil || !strings.Contains(err.Error(), "a → b → c → a") {
		t.Errorf("got %v", err)
	}
}
