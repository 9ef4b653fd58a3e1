package provision_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/progress"
)

// stateServer keeps a state by Terraform's backend http, and does not take so
// many of the next ones.
type stateServer struct {
	mu      sync.Mutex
	state   []byte
	refuses int
}

func (s *stateServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && s.state == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		_, _ = w.Write(s.state)
	case s.refuses > 0:
		s.refuses--
		w.WriteHeader(http.StatusForbidden)
	default:
		s.state, _ = io.ReadAll(r.Body)
	}
}

func (s *stateServer) refuse(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = times
}

// remembers says that it has a state with what the module makes.
func (s *stateServer) remembers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(string(s.state), "terraform_data")
}

// newSceneAt is a scene whose state is at the server.
func newSceneAt(t *testing.T, states *stateServer) *scene {
	t.Helper()
	s := newScene(t, 0)
	server := httptest.NewServer(states)
	t.Cleanup(server.Close)
	cluster := s.cluster(t)
	before := cluster.DeepCopy()
	cluster.Spec.Terraform.Backend = &v1alpha1.TerraformBackend{Type: "http", Config: map[string]string{"address": server.URL, "retry_max": "0"}}
	if err := s.client.Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) kept(t *testing.T) map[string][]byte {
	t.Helper()
	secret := &corev1.Secret{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: provision.Namespace, Name: "cluster-" + s.name + "-terraform"}, secret); err != nil {
		t.Fatal(err)
	}
	return secret.Data
}

// checkMadeOnce says that what was made is known of.
func (s *scene) checkMadeOnce(t *testing.T) {
	t.Helper()
	if made := s.lines(t, "made"); !slices.Equal(made, []string{"network", "begun", "cluster"}) {
		t.Errorf("made were %v, want each once", made)
	}
}

func TestAStateThatItsBackendDoesNotTakeIsKeptForTheNextRun(t *testing.T) {
	t.Parallel()
	states := &stateServer{}
	s := newSceneAt(t, states)
	states.refuse(1000)
	if _, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err == nil {
		t.Fatal("an apply whose state was not taken ends well")
	}
	if states.remembers() || s.kept(t)["unsaved.tfstate.gz"] == nil {
		t.Fatalf("the state is neither here nor there")
	}
	// Somebody else's machine goes on, once the backend takes it.
	elsewhere := *s
	elsewhere.state = t.TempDir()
	if _, err := elsewhere.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err == nil {
		t.Error("it is planned without the state")
	}
	states.refuse(0)
	if _, err := elsewhere.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if s.kept(t)["unsaved.tfstate.gz"] != nil || !states.remembers() {
		t.Error("the state is not where it belongs")
	}
	s.checkMadeOnce(t)
	s.checkApplied(t)
}

func TestAStateThatItsBackendTakesLaterIsSavedAtOnce(t *testing.T) {
	t.Parallel()
	states := &stateServer{}
	s := newSceneAt(t, states)
	states.refuse(1)
	if _, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err == nil {
		t.Fatal("an apply whose state was not taken ends well")
	}
	if !states.remembers() || s.kept(t)["unsaved.tfstate.gz"] != nil {
		t.Error("the state is not where it belongs")
	}
	left, err := filepath.Glob(filepath.Join(s.state, "*", "errored.tfstate"))
	if err != nil || len(left) > 0 {
		t.Errorf("on disk is left: %v, %v", left, err)
	}
	if _, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s.checkMadeOnce(t)
}
