package preflight

import (
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
)

// closedRegistry lets in only who says user:password.
func closedRegistry(t *testing.T) (host string) {
	t.Helper()
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); r.Method != http.MethodPut && r.Method != http.MethodPost && r.Method != http.MethodPatch && (user != "user" || password != "password") {
			w.Header().Set("WWW-Authenticate", `Basic realm="tests"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// openRegistry has one image, for linux/arm64.
func openRegistry(t *testing.T) (host string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "arm64"}); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/web:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	return host
}

func TestRegistriesAreAsked(t *testing.T) {
	open, closed := openRegistry(t), closedRegistry(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	down := strings.TrimPrefix(gone.URL, "http://")

	w := &world{from: newSnapshot("blue"), to: newSnapshot("green"), in: newIncoming()}
	w.to.nodes = []corev1.Node{{Status: corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{down + "/cached:1"}}}}}}
	auth := base64.StdEncoding.EncodeToString([]byte("user:wrong"))
	w.in.pullSecrets["shop/pull"] = corev1.Secret{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{"` + closed + `":{"auth":"` + auth + `"}}}`)},
	}
	asks := func(image string, secrets ...corev1.LocalObjectReference) {
		wl := &workload{pod: corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: image}}, ImagePullSecrets: secrets}}}
		wl.key.Namespace = "shop"
		w.in.workloads = append(w.in.workloads, wl)
	}
	asks(open + "/web:1")
	asks(open + "/web:2")
	asks(closed + "/web:1")
	asks(closed+"/web:2", corev1.LocalObjectReference{Name: "pull"})
	asks(down + "/web:1")
	asks(down + "/cached:1")
	asks("Not An Image")
	if _, err := w.askRegistries(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]pullState{}
	for p, answer := range w.images {
		got[strings.NewReplacer(open, "open", closed, "closed", down, "down").Replace(p.image)] = answer.state
		if strings.Contains(answer.reason, auth) || strings.Contains(answer.reason, "wrong") {
			t.Errorf("%s: the reason tells the password", p.image)
		}
	}
	want := map[string]pullState{
		"open/web:1": isThere, "open/web:2": isMissing, "closed/web:1": isUnknown, "closed/web:2": isDenied,
		"down/web:1": isUnknown, "down/cached:1": isThere, "Not An Image": isMissing,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := w.images[pull{image: open + "/web:1"}].platforms; !cmp.Equal(got, []string{"linux/arm64"}) {
		t.Errorf("platforms %v", got)
	}
}
