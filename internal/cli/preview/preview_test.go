package preview_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/preview"
	"github.com/landfall-dev/landfall/internal/fault"
)

// privateImage is an image in a registry that only ada may ask.
func privateImage(t *testing.T) (reference string) {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "hunter2" {
			w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	reference = strings.TrimPrefix(server.URL, "http://") + "/shop/web:1"
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithAuth(&authn.Basic{Username: "ada", Password: "hunter2"})); err != nil {
		t.Fatal(err)
	}
	return reference
}

// A preview says what is copied, resolves with it, and says what is missing; it
// never shows a password.
func TestPreviewOfPrivateImages(t *testing.T) {
	image := privateImage(t)
	host, _, _ := strings.Cut(image, "/")
	secret := func(kind corev1.SecretType, password string) client.Object {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "registry"}, Type: kind,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths": {%q: {"username": "ada", "password": %q}}}`, host, password)},
		}
	}
	tests := map[string]struct {
		secrets []client.Object
		want    string
	}{
		"as it should be":  {[]client.Object{secret(corev1.SecretTypeDockerConfigJson, "hunter2")}, ""},
		"missing":          {nil, "Secret team/registry, with which images are to be pulled, does not exist"},
		"of another type":  {[]client.Object{secret(corev1.SecretTypeOpaque, "hunter2")}, "Secret team/registry is of type Opaque"},
		"a wrong password": {[]client.Object{secret(corev1.SecretTypeDockerConfigJson, "hunter1")}, "denies access to the credentials of Secret registry"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			env := &v1alpha1.Environment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "staging", UID: "1"},
				Spec:       v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local"},
			}
			objects := append(test.secrets, env, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}},
				&v1alpha1.Blueprint{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop"}, Spec: v1alpha1.BlueprintSpec{
					ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
					Components:       []v1alpha1.Component{{Name: "web", Image: image}},
				}})
			c := &command.Context{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }, Kube: command.KubeFlags{Namespace: "team"}}
			c.SetClient(fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(objects...).Build())
			differences, err := preview.Of(t.Context(), c, env)
			told := fmt.Sprintf("%+v %v %s", differences, err, fault.HintOf(err))
			if strings.Contains(told, "hunter") {
				t.Errorf("a password is told: %s", told)
			}
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || fault.HintOf(err) == "" {
					t.Errorf("got %v (%s), want %q and what to do", err, fault.HintOf(err), test.want)
				}
				return
			}
			if err != nil || !strings.Contains(told, "landfall.dev/copy-of: team/registry") {
				t.Errorf("the copy is not among the objects: %s", told)
			}
		})
	}
}
