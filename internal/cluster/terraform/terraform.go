// Package terraform runs Terraform or OpenTofu for one cluster: it renders a
// root module that calls the user's module, and plans, applies, destroys and
// imports through it. What it learns comes back as data: changes by address,
// outputs, errors as ours. It knows neither Clusters nor where secrets come
// from. Start at Tool and Open.
package terraform

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/landfall-dev/landfall/internal/fault"
)

// EnvBinary is the environment variable that says which program to run.
const EnvBinary = "LANDFALL_TERRAFORM"

// programs that do, in the order in which they are looked for.
var programs = []string{"terraform", "tofu"}

// oldest version that says everything in JSON, init too.
const oldest = "1.9.0"

// Tool is a terraform or tofu program. It is safe for concurrent use.
type Tool struct {
	// Path of the program.
	Path string
	// Environ is what it and what it starts get to see, as NAME=VALUE.
	Environ []string
}

// Find looks for the program: the file that $LANDFALL_TERRAFORM names, else
// terraform or tofu on PATH, else one beside the running executable.
func Find(getenv func(string) string) (*Tool, error) {
	if path := getenv(EnvBinary); path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fault.New(fault.Invalid, "Set "+EnvBinary+" to a terraform or tofu binary, or unset it.", "finding terraform: %s=%s: %w", EnvBinary, path, err)
		}
		return &Tool{Path: path, Environ: os.Environ()}, nil
	}
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return &Tool{Path: path, Environ: os.Environ()}, nil
		}
	}
	if self, err := os.Executable(); err == nil {
		for _, name := range programs {
			beside := filepath.Join(filepath.Dir(self), name)
			if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
				return &Tool{Path: beside, Environ: os.Environ()}, nil
			}
		}
	}
	return nil, fault.New(fault.Failed, "Install Terraform or OpenTofu, run `make tofu`, or set "+EnvBinary+".", "finding terraform: neither terraform nor tofu is on PATH")
}

// Name is what messages call the program.
func (t *Tool) Name() string { return filepath.Base(t.Path) }

// environment is what the program gets of the environment. Of its own settings
// only those that do not change what is run: variables and arguments come from
// the Cluster alone.
func (t *Tool) environment() map[string]string {
	all := map[string]string{}
	for _, pair := range t.Environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			all[name] = value
		}
	}
	clean := tfexec.CleanEnv(all)
	for _, name := range []string{"TF_DATA_DIR", "TF_CLI_ARGS"} {
		delete(clean, name)
	}
	clean["CHECKPOINT_DISABLE"] = "1"
	return clean
}

// open prepares terraform-exec for a folder.
func (t *Tool) open(ctx context.Context, dir string) (*tfexec.Terraform, error) {
	tf, err := tfexec.NewTerraform(dir, t.Path)
	if err != nil {
		return nil, err
	}
	if err := tf.SetEnv(t.environment()); err != nil {
		return nil, err
	}
	if err := tf.SetWaitDelay(stopGrace); err != nil {
		return nil, err
	}
	version, _, err := tf.Version(ctx, false)
	if err != nil {
		return nil, explain(t.Name()+" version", nil, err)
	}
	if version.Core().LessThan(minimum) {
		return nil, fault.New(fault.Invalid, "Install a newer one, or set "+EnvBinary+".", "%s is version %s: %s or newer is needed", t.Path, version, oldest)
	}
	return tf, nil
}

// isDir says whether path is a folder, the absence of one being no error.
func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.IsDir(), err
}
