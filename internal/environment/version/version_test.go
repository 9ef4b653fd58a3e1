package version_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
)

// server is a real registry in this process; requests counts the manifests
// asked for.
func server(t *testing.T) (host string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			requests.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), requests
}

// push pushes an image for a platform and gives its digest.
func push(t *testing.T, reference, os, architecture string) string {
	t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: os, Architecture: architecture})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func TestImageByTag(t *testing.T) {
	host, _ := server(t)
	digest := push(t, host+"/shop/web:1.4.2", "linux", runtime.GOARCH)
	got, err := version.New(version.Options{}).Image(context.Background(), host+"/shop/web:1.4.2")
	want := environment.Image{Repository: host + "/shop/web", Version: "1.4.2", Digest: digest}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// TestImageByDigestAsksNobody: it is known what to run, and a registry that is
// down does not hold a deploy up.
func TestImageByDigestAsksNobody(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	got, err := version.New(version.Options{}).Image(context.Background(), "127.0.0.1:1/shop/web:2@"+digest)
	want := environment.Image{Repository: "127.0.0.1:1/shop/web", Version: "2", Digest: digest}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestImageThroughMirror(t *testing.T) {
	host, _ := server(t)
	digest := push(t, host+"/shop/web:1", "linux", runtime.GOARCH)
	mirrors, err := version.ParseMirrors("localhost:5001=http://" + host + ", other.example=https://mirror.example/")
	if err != nil {
		t.Fatal(err)
	}
	got, err := version.New(version.Options{Mirrors: mirrors}).Image(context.Background(), "localhost:5001/shop/web:1")
	want := environment.Image{Repository: "localhost:5001/shop/web", Version: "1", Digest: digest}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v: nodes use the name as written", got, err, want)
	}
	if _, err := version.ParseMirrors("localhost:5001"); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a mirror without an address: %v", err)
	}
}

func TestImagesThatCannotBeResolved(t *testing.T) {
	host, _ := server(t)
	for _, tag := range []string{"1.4.1", "1.4.2", "2.0.0", "main"} {
		push(t, host+"/shop/web:"+tag, "linux", runtime.GOARCH)
	}
	push(t, host+"/shop/web:windows", "windows", "amd64")
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer denied.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer broken.Close()
	tests := map[string]struct {
		reference, want, hint string
		class                 fault.Class
	}{
		"a tag that is not there":        {host + "/shop/web:1.4.3", "has no tag 1.4.3", "1.4.1, 1.4.2", fault.NotFound},
		"a repository that is not there": {host + "/shop/wbe:1", "no repository of this name", "image push", fault.NotFound},
		"another platform":               {host + "/shop/web:windows", "it is for windows/amd64", "linux/" + runtime.GOARCH, fault.Invalid},
		"no registry":                    {"127.0.0.1:1/shop/web:1", "resolving image 127.0.0.1:1/shop/web:1", "registry runs", fault.Failed},
		"no access":                      {strings.TrimPrefix(denied.URL, "http://") + "/web:1", "denies access", "credentials", fault.Failed},
		"a broken registry":              {strings.TrimPrefix(broken.URL, "http://") + "/web:1", "answers 418", "", fault.Failed},
		"not a reference":                {"UPPER CASE", "could not parse", "", fault.Invalid},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			_, err := version.New(version.Options{}).Image(context.Background(), test.reference)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("got %v (%s), want %q (%s)", err, fault.HintOf(err), test.want, test.hint)
			}
			if class := fault.ClassOf(err); class != test.class {
				t.Errorf("class %s, want %s", class, test.class)
			}
		})
	}
}

func TestImageOfManyPlatforms(t *testing.T) {
	host, _ := server(t)
	for tag, platforms := range map[string][]string{"both": {"arm64", "amd64", runtime.GOARCH}, "neither": {"s390x", "ppc64le"}} {
		index := v1.ImageIndex(empty.Index)
		for _, architecture := range platforms {
			image, err := random.Image(64, 1)
			if err != nil {
				t.Fatal(err)
			}
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
		}
		ref, err := name.ParseReference(host + "/web:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
		_, err = version.New(version.Options{}).Image(context.Background(), host+"/web:"+tag)
		if resolved := err == nil; resolved != (tag == "both") {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// TestManyAskOnce: a hundred environments created at once make one request.
func TestManyAskOnce(t *testing.T) {
	host, requests := server(t)
	push(t, host+"/web:1", "linux", runtime.GOARCH)
	now := time.Now()
	r := version.New(version.Options{Now: func() time.Time { return now }})
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			if _, err := r.Image(context.Background(), host+"/web:1"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests for the manifest, want 1", n)
	}
	moved := push(t, host+"/web:1", "linux", runtime.GOARCH)
	now = now.Add(time.Minute)
	if got, err := r.Image(context.Background(), host+"/web:1"); err != nil || got.Digest != moved {
		t.Errorf("a minute later: %v, %v; want the tag's new digest %s", got, err, moved)
	}
}

func TestCancelledCallerDoesNotWait(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	defer hangs.CloseClientConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := version.New(version.Options{}).Image(ctx, strings.TrimPrefix(hangs.URL, "http://")+"/web:1")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

func TestResolveNamesTheComponent(t *testing.T) {
	host, _ := server(t)
	push(t, host+"/web:1", "linux", runtime.GOARCH)
	r := version.New(version.Options{})
	images, charts, err := version.Resolve(context.Background(), r, environment.Needs{Images: map[string]string{"web": host + "/web:1"}})
	if err != nil || images["web"].Version != "1" || len(charts) != 0 {
		t.Errorf("got %v, %v, %v", images, charts, err)
	}
	_, _, err = version.Resolve(context.Background(), r, environment.Needs{Images: map[string]string{"web": host + "/web:1", "worker": host + "/worker:1"}})
	if err == nil || !strings.HasPrefix(err.Error(), "component worker: ") || fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

func ExampleParseMirrors() {
	mirrors, err := version.ParseMirrors("localhost:5001=http://10.89.0.1:5000")
	fmt.Println(mirrors["localhost:5001"], err)
	// Output: http://10.89.0.1:5000 <nil>
}

// TestPin: charts run what their tags point to now; what we may not look up
// stays for the nodes to find, what does not exist is an error.
func TestPin(t *testing.T) {
	host, _ := server(t)
	digest := push(t, host+"/web:1", "linux", runtime.GOARCH)
	desired := func(images ...string) *environment.Desired {
		var containers []any
		for _, image := range images {
			containers = append(containers, map[string]any{"name": "x", "image": image})
		}
		return &environment.Desired{Stages: []environment.Stage{{Objects: []environment.Object{{Object: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "x"},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}},
		}}}}}}}
	}
	r := version.New(version.Options{})
	d := desired(host+"/web:1", "127.0.0.1:1/private:1")
	if err := version.Pin(context.Background(), r, d); err != nil {
		t.Fatal(err)
	}
	if got := d.Images(); len(got) != 1 || got[0] != "127.0.0.1:1/private:1" {
		t.Errorf("left by tag: %v", got)
	}
	text, err := d.Stages[0].Objects[0].Object.MarshalJSON()
	if err != nil || !strings.Contains(string(text), host+"/web@"+digest) {
		t.Errorf("got %s, %v", text, err)
	}
	err = version.Pin(context.Background(), r, desired(host+"/web:2"))
	if fault.ClassOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}
