package schemas

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

const program = "terraform-provider-"

// registries that terraform and tofu take a provider of hashicorp to be from.
var registries = []string{"registry.terraform.io", "registry.opentofu.org"}

// Folder gives a folder of providers, as `terraform providers mirror` makes it
// and `terraform init -plugin-dir` takes it. All are the running test binary
// under another name: its TestMain must call Serve first.
func Folder(t testing.TB) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for provider, version := range versions {
		for _, registry := range registries {
			place := filepath.Join(folder, registry, "hashicorp", provider, version, runtime.GOOS+"_"+runtime.GOARCH)
			if err := os.MkdirAll(place, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(binary, filepath.Join(place, program+provider+"_v"+version)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder
}

// Serve is a provider until Terraform ends it, if that is the name under which
// the program was started; otherwise it gives false at once.
func Serve() (bool, error) {
	name, ours := strings.CutPrefix(filepath.Base(os.Args[0]), program)
	if !ours {
		return false, nil
	}
	provider, _, _ := strings.Cut(name, "_")
	schema, err := read(provider)
	if err != nil {
		return true, err
	}
	s, err := newServer(schema)
	if err != nil {
		return true, fmt.Errorf("converting the schema of provider %s: %w", provider, err)
	}
	return true, tf6server.Serve(registries[0]+"/hashicorp/"+provider, func() tfprotov6.ProviderServer { return s })
}
