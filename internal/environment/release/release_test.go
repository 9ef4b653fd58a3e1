package release_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	want := contents(configMap("settings", "a=1"), deployment("web", 3))
	chunks, err := release.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(chunks) != 1 {
		t.Fatalf("%d chunks for a small release, want 1", len(chunks))
	}
	got, err := release.Decode(chunks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents changed (-want +got):\n%s", diff)
	}
}

func TestEqualContentsGiveEqualBytes(t *testing.T) {
	first, err := release.Encode(contents(deployment("web", 3)))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := release.Encode(contents(deployment("web", 3)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first[0], again[0]) {
			t.Fatal("the same contents gave other bytes")
		}
	}
}

func TestLargeContentsAreSplitAndJoined(t *testing.T) {
	noise := make([]byte, 3_000_000)
	rand.New(rand.NewSource(1)).Read(noise)
	want := contents(configMap("noise", fmt.Sprintf("%x", noise)))
	chunks, err := release.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(chunks) < 4 {
		t.Errorf("%d chunks for 3 MB of noise, want at least 4", len(chunks))
	}
	for i, chunk := range chunks {
		if len(chunk) > release.MaxChunk {
			t.Errorf("chunk %d has %d bytes, more than %d", i, len(chunk), release.MaxChunk)
		}
	}
	got, err := release.Decode(chunks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("contents changed")
	}
	if _, err := release.Decode(chunks[1:]); err == nil {
		t.Error("contents without their first chunk were decoded")
	}
	if _, err := release.Decode(chunks[:len(chunks)-1]); err == nil {
		t.Error("contents without their last chunk were decoded")
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	_, err := release.Encode(contents(configMap("zeros", strings.Repeat("0", release.MaxContents))))
	if err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("got %v, want a refusal that names the limit", err)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := release.Encode(contents(deployment("web", 3)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[0])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := release.Decode([][]byte{data})
		if err != nil {
			return
		}
		if _, err := release.Encode(c); err != nil {
			t.Errorf("decoded contents do not encode: %v", err)
		}
	})
}

func contents(objects ...*unstructured.Unstructured) release.Contents {
	stage := environment.Stage{Name: "workloads", Wait: true}
	for _, o := range objects {
		stage.Objects = append(stage.Objects, environment.Object{Component: "web", Object: o})
	}
	return release.Contents{
		Desired: &environment.Desired{
			Stages:     []environment.Stage{stage},
			Components: []v1alpha1.ReleaseComponent{{Name: "web", Version: "1.4.2", Image: "shop@sha256:abc"}},
			URLs:       []v1alpha1.URL{{Component: "web", URL: "http://web.staging.localhost:8080"}},
		},
		Blueprint:   v1alpha1.BlueprintSpec{Components: []v1alpha1.Component{{Name: "web", Image: "shop:1.4.2"}}},
		Environment: v1alpha1.EnvironmentSpec{Blueprint: "shop", Versions: map[string]string{"web": "1.4.2"}},
	}
}

func configMap(name, value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "staging"},
		"data":     map[string]any{"settings": value},
	}}
}

func deployment(name string, replicas int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name, "namespace": "staging", "labels": map[string]any{"a": "1", "b": "2", "c": "3"}},
		"spec":     map[string]any{"replicas": replicas, "fraction": 0.5, "paused": false},
	}}
}
