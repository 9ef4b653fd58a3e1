package target

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/landfall-dev/landfall/internal/fault"
)

// RemoteImage is an image in a registry, read layer by layer without a shell.
type RemoteImage struct {
	reference name.Reference
	text      string
}

func parseImage(text, rest string) (Target, error) {
	reference, err := name.ParseReference(rest)
	if err != nil {
		return nil, invalid(text, err.Error())
	}
	return RemoteImage{reference: reference, text: text}, nil
}

// Name is the reference as written.
func (r RemoteImage) Name() string { return r.text }

// Open implements Image. Credentials are those of the container tools
// (~/.docker/config.json and its helpers).
func (r RemoteImage) Open(ctx context.Context) (io.ReadCloser, Config, error) {
	img, err := remote.Image(r.reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, Config{}, fault.Wrap(fault.Failed, fmt.Errorf("pulling %s: %w", r.reference, err), "Check the reference, the network, and the log-in to the registry.")
	}
	return flatten(img)
}

// flatten gives an image's files with the whiteouts of its layers applied.
func flatten(img v1.Image) (io.ReadCloser, Config, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, Config{}, fmt.Errorf("reading the image's configuration: %w", err)
	}
	config := Config{
		Env: file.Config.Env, User: file.Config.User, WorkingDir: file.Config.WorkingDir,
		Entrypoint: file.Config.Entrypoint, Command: file.Config.Cmd,
		Architecture: file.Architecture, OS: file.OS,
	}
	for port := range file.Config.ExposedPorts {
		config.Ports = append(config.Ports, port)
	}
	slices.Sort(config.Ports)
	return mutate.Extract(img), config, nil
}
