package terraform

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"gotest.tools/v3/golden"
)

// TestTheRootModule has what is written for Terraform: no value of a variable is
// read as an expression, and no secret is there.
func TestTheRootModule(t *testing.T) {
	root := Root{
		Module: "hashicorp/cluster/aws", Version: "~> 1.2",
		Variables: map[string]json.RawMessage{"name": []byte(`"a ${b} %{c}"`), "subnets": []byte(`[{"zone":"a"}]`)},
		Secrets:   map[string]string{"token": "s3cret"},
		Backend:   Backend{Type: "s3", Config: map[string]string{"bucket": "states", "key": "${not} an expression"}},
		imported:  &Imported{Address: "aws_vpc.this", ID: "vpc-${1}"},
	}
	files, err := root.render(root.Module)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range files {
		golden.Assert(t, string(got), filepath.Join("root", name))
		if strings.Contains(string(got), "s3cret") {
			t.Errorf("%s holds a secret", name)
		}
	}
}

func TestSources(t *testing.T) {
	dir, unpacked := t.TempDir(), t.TempDir()
	folder := filepath.Join(t.TempDir(), "my module")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"git::https://example.org/infra.git//cluster?ref=v1", "hashicorp/cluster/aws", "github.com/example/infra"} {
		if got, err := source(module, dir, unpacked); err != nil || got != module {
			t.Errorf("%s becomes %s, %v", module, got, err)
		}
	}
	for _, module := range []string{folder, "local"} {
		got, err := source(module, dir, unpacked)
		if err != nil || !strings.HasPrefix(got, "../") {
			t.Errorf("%s becomes %s, %v", module, got, err)
			continue
		}
		if there, err := isDir(filepath.Join(dir, got)); err != nil || !there {
			t.Errorf("%s leads nowhere: %v", got, err)
		}
	}
	if _, err := source(filepath.Join(folder, "none"), dir, unpacked); err == nil {
		t.Error("a folder that is not there is taken for a module")
	}
}

// TestUnpackedModulesAreWhole alters what was unpacked: it is not used.
func TestUnpackedModulesAreWhole(t *testing.T) {
	files := fstest.MapFS{"main.tf": {Data: []byte("a")}, "templates/user.sh": {Data: []byte("b")}}
	base := t.TempDir()
	first, err := unpack(files, base)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := unpack(files, base); err != nil || again != first {
		t.Errorf("unpacked again as %s, %v", again, err)
	}
	files["main.tf"].Data = []byte("changed")
	if other, err := unpack(files, base); err != nil || other == first {
		t.Errorf("another content is unpacked as %s, %v", other, err)
	}
	text, err := fs.ReadFile(os.DirFS(first), "templates/user.sh")
	if err != nil || string(text) != "b" {
		t.Errorf("unpacked is %q, %v", text, err)
	}
}

func TestAddresses(t *testing.T) {
	if got := Full("aws_vpc.this"); got != "module.cluster.aws_vpc.this" || Full(got) != got || short(got) != "aws_vpc.this" {
		t.Errorf("the full address is %s", got)
	}
}
