package modules

import (
	"bytes"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// contract is what Landfall reads of each module's outputs.
var contract = map[string][]string{
	"local":   {"kubeconfig"},
	"aws-eks": {"cluster_name", "region", "endpoint", "certificate_authority", "role_arns"},
	"aws-ec2": {"endpoint", "certificate_authority", "client_certificate", "client_key"},
}

// module is one that was parsed.
type module struct {
	files fs.FS
	// blocks of all files, by type, then by their labels joined with dots.
	blocks map[string]map[string]*hclsyntax.Block
	bodies []*hclsyntax.Body
}

// each runs a test for each module.
func each(t *testing.T, test func(t *testing.T, name string, m module)) {
	t.Helper()
	names := Names()
	for name := range contract {
		if !slices.Contains(names, name) {
			t.Errorf("module %s is not built in", name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, name, parse(t, Module(name))) })
	}
}

func parse(t *testing.T, files fs.FS) module {
	t.Helper()
	m := module{files: files, blocks: map[string]map[string]*hclsyntax.Block{}}
	names, err := fs.Glob(files, "*.tf")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		file, problems := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		body := file.Body.(*hclsyntax.Body)
		m.bodies = append(m.bodies, body)
		for _, block := range body.Blocks {
			if m.blocks[block.Type] == nil {
				m.blocks[block.Type] = map[string]*hclsyntax.Block{}
			}
			key := strings.Join(block.Labels, ".")
			if block.Type == "locals" {
				for local := range block.Body.Attributes {
					m.blocks["locals"][local] = block
				}
				continue
			}
			if m.blocks[block.Type][key] != nil {
				t.Errorf("%s %s is there twice", block.Type, key)
			}
			m.blocks[block.Type][key] = block
		}
	}
	return m
}

func TestFilesAreFormatted(t *testing.T) {
	each(t, func(t *testing.T, _ string, m module) {
		names, _ := fs.Glob(m.files, "*.tf")
		for _, name := range names {
			text, err := fs.ReadFile(m.files, name)
			if err != nil {
				t.Fatal(err)
			}
			if formatted := hclwrite.Format(text); !bytes.Equal(formatted, text) {
				t.Errorf("%s: terraform fmt changes it:\n%s", name, cmp.Diff(string(text), string(formatted)))
			}
		}
	})
}

func TestVariablesAndOutputsAreDescribed(t *testing.T) {
	each(t, func(t *testing.T, name string, m module) {
		readme, err := fs.ReadFile(m.files, "README.md")
		if err != nil {
			t.Fatal(err)
		}
		said := func(kind, what string) {
			if !bytes.Contains(readme, []byte("`"+what+"`")) {
				t.Errorf("the README says nothing of %s %s", kind, what)
			}
		}
		for variable, block := range m.blocks["variable"] {
			if block.Body.Attributes["type"] == nil || block.Body.Attributes["description"] == nil {
				t.Errorf("variable %s lacks a type or a description", variable)
			}
			said("variable", variable)
		}
		for output, block := range m.blocks["output"] {
			if block.Body.Attributes["description"] == nil {
				t.Errorf("output %s lacks a description", output)
			}
			said("output", output)
		}
		for _, output := range contract[name] {
			if m.blocks["output"][output] == nil {
				t.Errorf("output %s is missing", output)
			}
		}
		if m.blocks["variable"]["name"] == nil {
			t.Error("variable name is missing: landfall cluster create gives it")
		}
	})
}

// What is referred to is declared, and what is declared is used. Terraform
// checks the former, too, but only with the providers at hand.
func TestReferences(t *testing.T) {
	each(t, func(t *testing.T, _ string, m module) {
		used := map[string]bool{}
		for _, body := range m.bodies {
			problems := hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
				if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok {
					if kind, name := reference(e.Traversal); kind != "" {
						used[kind+" "+name] = true
						if m.blocks[kind][name] == nil {
							t.Errorf("%s: %s %s is not declared", e.SrcRange, kind, name)
						}
					}
				}
				return nil
			})
			if problems.HasErrors() {
				t.Fatal(problems)
			}
		}
		for _, kind := range []string{"variable", "locals", "data"} {
			for name := range m.blocks[kind] {
				if !used[kind+" "+name] {
					t.Errorf("%s %s is not used", kind, name)
				}
			}
		}
	})
}

// reference gives the block that a traversal is about; nothing for what is
// Terraform's own, such as each and path, and for variables of loops.
func reference(t hcl.Traversal) (kind, name string) {
	step := func(i int) string {
		if i < len(t) {
			if attribute, ok := t[i].(hcl.TraverseAttr); ok {
				return attribute.Name
			}
		}
		return ""
	}
	switch root := t.RootName(); {
	case root == "var":
		return "variable", step(1)
	case root == "local":
		return "locals", step(1)
	case root == "data":
		return "data", step(1) + "." + step(2)
	case strings.HasPrefix(root, "aws_"), strings.HasPrefix(root, "tls_"), root == "terraform_data":
		return "resource", root + "." + step(1)
	}
	return "", ""
}

// Templates of programs take base64 only, alone on its line in a here-document
// that nothing is expanded in.
func TestUserDataIsQuoted(t *testing.T) {
	template, err := fs.ReadFile(Module("aws-ec2"), "files/user-data.sh.tftpl")
	if err != nil {
		t.Fatal(err)
	}
	inserted := regexp.MustCompile(`(?m)<<'END'(?: \| gunzip)?(?: ?>\S+)?\n\$\{(told|script)\}\nEND$`)
	if n := len(inserted.FindAll(template, -1)); n != 2 {
		t.Errorf("%d values are inserted as they should be", n)
	}
	if n := bytes.Count(template, []byte("${")) + bytes.Count(template, []byte("%{")); n != 2 {
		t.Errorf("%d values are inserted in all", n)
	}
	source, err := fs.ReadFile(Module("aws-ec2"), "control_plane.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`told   = base64encode(jsonencode(told))`, `script = base64gzip(file("${path.module}/files/node.sh"))`} {
		if !bytes.Contains(source, []byte(want)) {
			t.Errorf("control_plane.tf lacks %s", want)
		}
	}
}

// The shell itself reads the scripts, and shellcheck where it is installed.
func TestScripts(t *testing.T) {
	each(t, func(t *testing.T, name string, _ module) {
		scripts, _ := filepath.Glob(filepath.Join(name, "*.sh"))
		more, _ := filepath.Glob(filepath.Join(name, "files", "*.sh"))
		for _, script := range append(scripts, more...) {
			if out, err := exec.CommandContext(t.Context(), "bash", "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %s", script, out)
			}
			if _, err := exec.LookPath("shellcheck"); err != nil {
				t.Logf("%s: shellcheck is not installed", script)
				continue
			}
			if out, err := exec.CommandContext(t.Context(), "shellcheck", script).CombinedOutput(); err != nil {
				t.Errorf("%s:\n%s", script, out)
			}
		}
	})
}
