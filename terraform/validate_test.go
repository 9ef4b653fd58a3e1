package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/terraform/schemas"
)

// envPlugins names a folder of real providers, as `terraform providers mirror`
// makes it. Without it the schemas that come with Landfall stand in for them.
const envPlugins = "LANDFALL_TERRAFORM_PLUGINS"

func TestMain(m *testing.M) {
	if served, err := schemas.Serve(); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Terraform validates each module with its providers' schemas.
func TestValidate(t *testing.T) {
	each(t, func(t *testing.T, _ string, m module) {
		if out, err := newWorkspace(t, m.files).terraform(t, "validate"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// Terraform computes whole plans of the modules of AWS, and looks at them; see
// testdata. AWS is mocked.
func TestPlans(t *testing.T) {
	each(t, func(t *testing.T, name string, m module) {
		t.Parallel()
		assertions, err := os.ReadFile(filepath.Join("testdata", name+".tftest.hcl"))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("there are none")
		} else if err != nil {
			t.Fatal(err)
		}
		w := newWorkspace(t, m.files)
		w.write(t, name+".tftest.hcl", string(assertions))
		if out, err := w.terraform(t, "test"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// What stands in for providers refuses what they would.
func TestSchemasRefuse(t *testing.T) {
	const providers = `
		terraform {
			required_providers {
				aws = { source = "hashicorp/aws" }
				tls = { source = "hashicorp/tls" }
			}
		}
		resource "tls_private_key" "key" {
			algorithm = "RSA"
		}`
	w := newWorkspace(t, fstest.MapFS{"main.tf": {Data: []byte(providers)}})
	if out, err := w.terraform(t, "validate"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct{ wrong, text, said string }{
		{"argument", `resource "aws_subnet" "x" {
			vpc_id = "vpc-1"
			zone   = "a"
		}`, `An argument named "zone" is not expected here`},
		{"missing argument", `resource "aws_subnet" "x" {}`, `The argument "vpc_id" is required`},
		{"missing block", `resource "aws_eks_cluster" "x" {
			name     = "x"
			role_arn = "x"
		}`, "At least 1 \"vpc_config\" blocks are required"},
		{"second block", `resource "aws_eks_node_group" "x" {
			cluster_name  = "x"
			node_role_arn = "x"
			subnet_ids    = []
			scaling_config {
				min_size     = 1
				max_size     = 1
				desired_size = 1
			}
			update_config {}
			update_config {}
		}`, "No more than 1 \"update_config\" blocks are allowed"},
		{"type", `resource "aws_vpc" "x" {
			cidr_block = ["10.0.0.0/16"]
		}`, "string required"},
		{"attribute", `output "x" {
			value = tls_private_key.key.pem
		}`, `This object has no argument, nested block, or exported attribute named "pem"`},
		{"resource", `resource "aws_subnets" "x" {}`, `does not support resource type "aws_subnets"`},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			w.write(t, "wrong.tf", c.text)
			out, err := w.terraform(t, "validate")
			if err == nil {
				t.Error("it is valid")
			}
			if said := strings.Join(strings.Fields(strings.ReplaceAll(out, "│", "")), " "); !strings.Contains(said, c.said) {
				t.Errorf("Terraform does not say %s:\n%s", c.said, out)
			}
		})
	}
}

// workspace is a folder that Terraform was initialized in.
type workspace struct{ program, folder string }

func newWorkspace(t *testing.T, files fs.FS) workspace {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		if program, err = exec.LookPath("tofu"); err != nil {
			t.Skip("needs terraform or tofu")
		}
	}
	plugins := os.Getenv(envPlugins)
	if plugins == "" {
		plugins = schemas.Folder(t)
	}
	w := workspace{program: program, folder: t.TempDir()}
	if err := os.CopyFS(w.folder, files); err != nil {
		t.Fatal(err)
	}
	if out, err := w.terraform(t, "init", "-backend=false", "-input=false", "-plugin-dir="+plugins); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

func (w workspace) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// terraform runs a command and gives what it said.
func (w workspace) terraform(t *testing.T, command string, arguments ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.program, append([]string{command, "-no-color"}, arguments...)...)
	cmd.Dir = w.folder
	cmd.Env = append(os.Environ(), "TF_DATA_DIR="+filepath.Join(w.folder, ".terraform"), "CHECKPOINT_DISABLE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", w.program, command, err)
	}
	return string(out), err
}
