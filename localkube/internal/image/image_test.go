package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func TestOfProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greeter")
	if err := os.WriteFile(path, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := OfProgram(path, "65535:65535")
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/greeter"}, config.Config.Entrypoint); diff != "" || config.Config.User != "65535:65535" {
		t.Errorf("starts %v as %s", config.Config.Entrypoint, config.Config.User)
	}
	files := mutate.Extract(image)
	defer files.Close()
	archive := tar.NewReader(files)
	header, err := archive.Next()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(archive)
	if err != nil || header.Name != "greeter" || header.Mode != 0o555 || string(content) != "program" {
		t.Errorf("holds %s, mode %o, %q, %v", header.Name, header.Mode, content, err)
	}

	again, err := OfProgram(path, "65535:65535")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := image.Digest()
	if second, err := again.Digest(); err != nil || first != second {
		t.Errorf("digests %s and %s, %v; want the same", first, second, err)
	}
}

func TestOfProgramNamesWhatIsMissing(t *testing.T) {
	if _, err := OfProgram(filepath.Join(t.TempDir(), "absent"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that the file does not exist", err)
	}
}
