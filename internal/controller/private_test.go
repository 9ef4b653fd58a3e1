package controller_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stypes "k8s.io/apimachinery/pkg/types"
)

// Images of a registry that wants a password: tags are resolved and nodes pull
// with the project's Secret, also after it has another password.
func TestPrivateRegistry(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t)
	p := newProjectWith(t, version.New(version.Options{}))
	registry.push("shop/web:1")
	p.create(&v1alpha1.Blueprint{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.name, Name: "shop"},
		Spec: v1alpha1.BlueprintSpec{
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
			Components:       []v1alpha1.Component{{Name: "web", Image: registry.host + "/shop/web:1", Security: &v1alpha1.Security{User: new(int64(65532))}}},
		},
	})
	p.environment(nil)
	message := p.settledSaying(v1alpha1.PhaseFailed, v1alpha1.ReasonPullSecretNotReady)
	if !strings.Contains(message, "Secret "+p.name+"/registry") || !strings.Contains(message, "kubectl create secret docker-registry registry -n "+p.name) {
		t.Errorf("a Secret that does not exist: %s", message)
	}

	p.create(registry.secret(p.name, "mistyped"))
	message = p.settledSaying(v1alpha1.PhasePending, v1alpha1.ReasonVersionNotResolved)
	if !strings.Contains(message, "denies access to the credentials of Secret registry") || strings.Contains(message, "mistyped") {
		t.Errorf("a wrong password: %s", message)
	}

	p.updateSecret(registry.secret(p.name, registry.password()))
	p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased)
	p.pullsWith(registry.password())

	registry.change("a new password")
	p.updateSecret(registry.secret(p.name, registry.password()))
	p.pullsWith(registry.password())
	if env := p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased); env.Status.Release != "staging-1" {
		t.Errorf("another password made release %s", env.Status.Release)
	}
	registry.push("shop/web:2")
	p.edit(func(env *v1alpha1.Environment) { env.Spec.Versions = map[string]string{"web": "2"} })
	if env := p.settled(v1alpha1.PhaseReady, v1alpha1.ReasonReleased); env.Status.Release != "staging-2" || env.Status.Drift == nil || env.Status.Drift.State != v1alpha1.DriftClean {
		t.Errorf("release %s, drift %+v", env.Status.Release, env.Status.Drift)
	}
	account := &corev1.ServiceAccount{}
	err := p.client.Get(t.Context(), k8stypes.NamespacedName{Namespace: p.name + "-staging", Name: "default"}, account)
	if err != nil || len(account.ImagePullSecrets) != 1 || account.ImagePullSecrets[0].Name != "registry" {
		t.Errorf("the namespace's account pulls with %v, %v", account.ImagePullSecrets, err)
	}
}

// settledSaying is settled, and gives what the Ready condition says.
func (p *project) settledSaying(phase v1alpha1.Phase, reason string) string {
	p.t.Helper()
	return meta.FindStatusCondition(p.settled(phase, reason).Status.Conditions, v1alpha1.ConditionReady).Message
}

func (p *project) updateSecret(secret *corev1.Secret) {
	p.t.Helper()
	if err := p.client.Update(p.t.Context(), secret); err != nil {
		p.t.Fatal(err)
	}
}

// pullsWith waits until the environment's copy of the Secret has a password.
func (p *project) pullsWith(password string) {
	p.t.Helper()
	eventually(p.t, "the copy to have the password", func() error {
		secret := &corev1.Secret{}
		if err := p.client.Get(p.t.Context(), k8stypes.NamespacedName{Namespace: p.name + "-staging", Name: "registry"}, secret); err != nil {
			return err
		}
		if secret.Annotations[v1alpha1.AnnotationCopyOf] != p.name+"/registry" || secret.Labels[v1alpha1.LabelEnvironment] != "staging" {
			return fmt.Errorf("it has labels %v, annotations %v", secret.Labels, secret.Annotations)
		}
		if !strings.Contains(string(secret.Data[corev1.DockerConfigJsonKey]), password) {
			return fmt.Errorf("it has another one")
		}
		return nil
	})
}

// privateRegistry is a registry that the nodes of a local cluster reach, with one
// user, ada.
type privateRegistry struct {
	t       *testing.T
	host    string
	current atomic.Value
}

func newPrivateRegistry(t *testing.T) *privateRegistry {
	t.Helper()
	r := &privateRegistry{t: t}
	r.change("the first password")
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	listener, err := net.Listen("tcp", net.JoinHostPort(reachable(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if user, password, _ := request.BasicAuth(); user != "ada" || password != r.password() {
			w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, request)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	r.host = listener.Addr().String()
	letNodesUse(t, r.host)
	return r
}

// reachable is this machine's address on the network of the test cluster.
func reachable(t *testing.T) string {
	t.Helper()
	api, err := url.Parse(kubetest.Config(t).Host)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("udp", api.Host) // sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String()
}

// letNodesUse tells the containerd of each node that the registry speaks HTTP.
func letNodesUse(t *testing.T, host string) {
	t.Helper()
	nodes, err := filepath.Glob(filepath.Join(filepath.Dir(os.Getenv(kubetest.EnvKubeconfig)), "nodes", "*", "registries"))
	if err != nil || len(nodes) == 0 {
		t.Skip("needs a local cluster of landfall, whose nodes can be told of a registry")
	}
	for _, node := range nodes {
		folder := filepath.Join(node, host)
		t.Cleanup(func() { os.RemoveAll(folder) })
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", "http://"+host)
		if err := os.WriteFile(filepath.Join(folder, "hosts.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *privateRegistry) change(password string) { r.current.Store(password) }

func (r *privateRegistry) password() string { return r.current.Load().(string) }

// secret for ada's images.
func (r *privateRegistry) secret(namespace, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths": {%q: {"username": "ada", "password": %q}}}`, r.host, password)},
	}
}

// push pushes a program that waits, with a layer that no node has.
func (r *privateRegistry) push(repository string) {
	r.t.Helper()
	image, err := tarball.ImageFromPath(filepath.Join(filepath.Dir(os.Getenv(kubetest.EnvKubeconfig)), "pause.tar"), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	fresh, err := random.Layer(1024, types.DockerLayer)
	if err != nil {
		r.t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, fresh); err != nil {
		r.t.Fatal(err)
	}
	ref, err := name.ParseReference(r.host + "/" + repository)
	if err != nil {
		r.t.Fatal(err)
	}
	err = remote.Write(ref, image, remote.WithAuth(&authn.Basic{Username: "ada", Password: r.password()}))
	if err != nil {
		r.t.Fatal(err)
	}
}
