package registry

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestRegistry pushes, pulls and deletes as people and nodes do, over a
// listener of its own; a process can hold one registry, hence one test.
func TestRegistry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "not", "yet", "there")
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, Handler(ctx, root)) }()

	image, err := random.Image(64<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(listener.Addr().String() + "/shop/web")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repository.Tag("v1"), image); err != nil {
		t.Fatalf("pushing: %v", err)
	}
	byDigest := repository.Digest(digest.String())
	pulled, err := remote.Image(byDigest)
	if err != nil {
		t.Fatalf("pulling by digest: %v", err)
	}
	if got, err := pulled.Digest(); err != nil || got != digest {
		t.Errorf("pulled %v, %v; want %v", got, err, digest)
	}
	if tags, err := remote.List(repository); err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Errorf("tags %v, %v; want v1", tags, err)
	}
	if err := remote.Delete(byDigest); err != nil {
		t.Fatalf("deleting: %v", err)
	}
	if _, err := remote.Image(byDigest); err == nil {
		t.Error("a deleted image can be pulled")
	}
	if _, err := os.Stat(root); err != nil {
		t.Errorf("images are kept elsewhere: %v", err)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := http.Get("http://" + listener.Addr().String() + "/v2/"); err == nil {
		t.Error("the registry answers after its end")
	}
}

func TestRunRefusesWrongConfig(t *testing.T) {
	for name, config := range map[string]Config{
		"relative folder": {Root: "images", Listen: "127.0.0.1:0"},
		"no port":         {Root: t.TempDir(), Listen: "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Run(t.Context(), config); err == nil {
				t.Error("no error")
			}
		})
	}
}
