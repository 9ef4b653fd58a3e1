package version_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
)

// privateServer is a registry that wants to know who asks: only ada, by her
// password.
func privateServer(t *testing.T) (host string) {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "hunter2" {
			w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// credentials of a Secret "registry" for one registry.
func credentials(t *testing.T, host, password string) *pullsecret.Credentials {
	t.Helper()
	c, err := pullsecret.Read(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths": {"` + host + `": {"username": "ada", "password": "` + password + `"}}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pushPrivate pushes a chart, which is an image to whoever asks for one, as ada.
func pushPrivate(t *testing.T, reference string) (digest string) {
	t.Helper()
	layer := static.NewLayer(packedChart(t, "1.0.0"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "ada", Password: "hunter2"}))); err != nil {
		t.Fatal(err)
	}
	sum, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum.String()
}

func TestPrivateImage(t *testing.T) {
	host := privateServer(t)
	digest := pushPrivate(t, host+"/shop/web:1.0.0")
	public := version.New(version.Options{})
	known := public.With(credentials(t, host, "hunter2"))
	want := environment.Image{Repository: host + "/shop/web", Version: "1.0.0", Digest: digest}
	if got, err := known.Image(context.Background(), host+"/shop/web:1.0.0"); err != nil || got != want {
		t.Fatalf("got %v, %v; want %v", got, err, want)
	}
	chart, err := known.Chart(context.Background(), v1alpha1.Chart{Repository: "oci://" + host + "/shop/web", Version: "^1"})
	if err != nil || chart.Version != "1.0.0" {
		t.Errorf("the chart: got %s, %v", chart.Version, err)
	}

	refused := map[string]struct {
		resolver   version.Resolver
		want, hint string
	}{
		// The answer of a moment ago was for others.
		"nobody":         {public, "no imagePullSecret is for " + host, "Name a Secret with credentials for " + host + " in the blueprint's spec.imagePullSecrets."},
		"others":         {public.With(credentials(t, "other.example", "hunter2")), "no imagePullSecret is for " + host, "spec.imagePullSecrets"},
		"wrong password": {public.With(credentials(t, host, "hunter3")), "denies access to the credentials of Secret registry", "key .dockerconfigjson"},
	}
	for title, test := range refused {
		_, err := test.resolver.Image(context.Background(), host+"/shop/web:1.0.0")
		if err == nil || fault.ClassOf(err) != fault.Failed || !strings.Contains(err.Error(), test.want) || !strings.Contains(fault.HintOf(err), test.hint) {
			t.Errorf("%s: got %v (%s), want %q (%s)", title, err, fault.HintOf(err), test.want, test.hint)
		}
		if told := err.Error() + fault.HintOf(err); strings.Contains(told, "hunter") {
			t.Errorf("%s: the password is told: %s", title, told)
		}
	}
}

// TestPrivateImageThroughMirror: credentials are for the registry as people name
// it, wherever it is reached.
func TestPrivateImageThroughMirror(t *testing.T) {
	host := privateServer(t)
	digest := pushPrivate(t, host+"/shop/web:1")
	r := version.New(version.Options{Mirrors: map[string]string{"registry.example": "http://" + host}}).With(credentials(t, "registry.example", "hunter2"))
	got, err := r.Image(context.Background(), "registry.example/shop/web:1")
	if want := (environment.Image{Repository: "registry.example/shop/web", Version: "1", Digest: digest}); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// TestOwnCredentialsRemain: what an environment's Secrets do not cover is asked
// for as before.
func TestOwnCredentialsRemain(t *testing.T) {
	host := privateServer(t)
	pushPrivate(t, host+"/shop/web:1")
	r := version.New(version.Options{Keychain: credentials(t, host, "hunter2")}).With(credentials(t, "other.example", "x"))
	if _, err := r.Image(context.Background(), host+"/shop/web:1"); err != nil {
		t.Error(err)
	}
}
