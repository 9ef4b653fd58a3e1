package supervisor

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/landfall-dev/landfall/localkube/internal/host"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// ensurePauseArchive builds the image of the pause process from the
// executable beside our own.
func ensurePauseArchive(l plan.Layout) error {
	if _, err := os.Stat(l.PauseArchive()); err == nil {
		return nil
	}
	companions, err := host.FindCompanions()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(companions.Pause)
	if err != nil {
		return fmt.Errorf("reading the pause program: %w", err)
	}
	image, err := pauseImage(program)
	if err != nil {
		return fmt.Errorf("building the pause image: %w", err)
	}
	ref, err := name.NewTag(plan.PauseImage)
	if err != nil {
		return fmt.Errorf("building the pause image: %w", err)
	}
	tmp := l.PauseArchive() + ".new"
	if err := tarball.WriteToFile(tmp, ref, image); err != nil {
		return fmt.Errorf("writing the pause image: %w", err)
	}
	return os.Rename(tmp, l.PauseArchive())
}

func pauseImage(program []byte) (v1.Image, error) {
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{"/pause"}
	config.Config.User = "65535:65535"
	return mutate.ConfigFile(image, config)
}
