package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Pushed says what a registry has now.
type Pushed struct {
	// Reference as asked for, tag included.
	Reference string `json:"reference"`
	// Digest is "sha256:…".
	Digest string `json:"digest"`
	// Image is the reference by digest.
	Image string `json:"image"`
	// Size of the layers in bytes, compressed.
	Size int64 `json:"size"`
	// Unchanged says that the registry had this image under this tag already.
	Unchanged bool `json:"unchanged"`
}

// Push sends an image to a registry. Layers that the registry has are not sent
// again. Plain HTTP is used for localhost and private addresses, credentials
// are Docker's. progress, which may be nil, is told the bytes.
func Push(ctx context.Context, img v1.Image, reference string, progress func(done, total int64)) (Pushed, error) {
	ref, err := parse(reference)
	if err != nil {
		return Pushed{}, err
	}
	pushed, err := describe(img, ref)
	if err != nil {
		return Pushed{}, err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent("landfall")}
	if there, err := remote.Head(ref, options...); err == nil && there.Digest.String() == pushed.Digest {
		pushed.Unchanged = true
		return pushed, nil
	}
	if err := write(ref, img, options, progress); err != nil {
		return Pushed{}, explainPush(ref, err)
	}
	return pushed, nil
}

func describe(img v1.Image, ref name.Reference) (Pushed, error) {
	digest, err := img.Digest()
	if err != nil {
		return Pushed{}, fmt.Errorf("building image: %w", err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return Pushed{}, fmt.Errorf("building image: %w", err)
	}
	pushed := Pushed{
		Reference: ref.String(), Digest: digest.String(),
		Image: ref.Context().Digest(digest.String()).String(),
	}
	for _, layer := range manifest.Layers {
		pushed.Size += layer.Size
	}
	return pushed, nil
}

func write(ref name.Reference, img v1.Image, options []remote.Option, progress func(done, total int64)) error {
	if progress == nil {
		return remote.Write(ref, img, options...)
	}
	updates := make(chan v1.Update, 16)
	done := make(chan error, 1)
	go func() { done <- remote.Write(ref, img, append(options, remote.WithProgress(updates))...) }()
	for update := range updates { // remote.Write closes it
		progress(update.Complete, update.Total)
	}
	return <-done
}

func explainPush(ref name.Reference, err error) error {
	err = fmt.Errorf("pushing %s: %w", ref, err)
	var status *transport.Error
	switch {
	case !errors.As(err, &status):
		return fault.Wrap(fault.Failed, err, "Is the registry running? `landfall local list` shows the address of a local one.")
	case status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden:
		return fault.Wrap(fault.Refused, err, "Log in to the registry: Landfall uses the credentials in ~/.docker/config.json.")
	}
	return err
}
