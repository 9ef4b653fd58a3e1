package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// scene is two contexts of a kubeconfig, for real clusters that have a namespace
// of the same name.
type scene struct {
	*testing.T
	kubeconfig, namespace string
	green                 client.Client
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{T: t, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), namespace: kubetest.Name(t)}
	kubetest.Config(t) // or skip
	kubetest.SecondConfig(t)
	merged := clientcmdapi.NewConfig()
	for name, env := range map[string]string{"blue": kubetest.EnvKubeconfig, "green": kubetest.EnvSecondKubeconfig} {
		config, err := clientcmd.LoadFromFile(os.Getenv(env))
		if err != nil {
			t.Fatal(err)
		}
		current := config.Contexts[config.CurrentContext]
		merged.Clusters[name], merged.AuthInfos[name] = config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
		merged.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
		reach, err := clientcmd.NewDefaultClientConfig(*merged, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(reach, client.Options{Scheme: scheme.Scheme})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range kubetest.Objects(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+s.namespace+"}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: "+s.namespace+"}, data: {price: '3'}}") {
			if err := c.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() {
			_ = c.Delete(context.Background(), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+s.namespace+"}}"))
		})
		if name == "green" {
			s.green = c
		}
	}
	if err := clientcmd.WriteToFile(*merged, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the command, and gives what it prints and its exit code.
func (s *scene) run(args ...string) (string, int) {
	s.Helper()
	var out bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &out, Err: &bytes.Buffer{}, Clock: time.Now, Getenv: func(string) string { return "" }}
	c.Kube.Kubeconfig = s.kubeconfig
	cmd := New(c)
	cmd.Flags().VarP(&c.Output, "output", "o", "")
	cmd.SetArgs(append([]string{"context:blue", "context:green", "--namespace", s.namespace}, args...))
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(s.Context())
	return out.String(), fault.ExitCode(err)
}

func (s *scene) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

func TestParity(t *testing.T) {
	s := newScene(t)
	if out, code := s.run(); code != fault.ExitOK || !strings.Contains(out, "equal: 2 objects and 0 workloads are equal") {
		t.Errorf("exit code %d: %s", code, out)
	}
	u := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: "+s.namespace+"}, data: {price: '4'}}")
	if err := s.green.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "parity.html")
	if out, code := s.run("--evidence", page); code != fault.ExitNotHolding || !strings.Contains(out, `data.price: "3" → "4"`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "data.price") {
		t.Errorf("the page does not tell of the difference: %v", err)
	}
	out, _ := s.run("-o", "json")
	var report struct {
		Answer  string
		Objects []struct {
			Object      struct{ Kind, Name string }
			Differences []struct{ Path, From, To string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Answer != "fails" || len(report.Objects) != 1 || report.Objects[0].Object.Name != "settings" || report.Objects[0].Differences[0].To != "4" {
		t.Errorf("%v: %+v", err, report)
	}
	rules := s.file("meant.yaml", "- {kind: ConfigMap, path: data.price, reason: green is dearer}\n")
	if out, code := s.run("--ignore", rules, "--show-ignored"); code != fault.ExitOK || !strings.Contains(out, "1× green is dearer") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, code := s.run("--ignore", s.file("wrong.yaml", "- kind: ConfigMap\n")); code != fault.ExitUsage {
		t.Errorf("a rule without a reason: exit code %d", code)
	}
}

// Both sides are asked what a baseline says; the target's answer counts.
func TestParityWithChecks(t *testing.T) {
	s := newScene(t)
	side := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	good, bad := side(http.StatusOK), side(http.StatusInternalServerError)
	checks := s.file("checks.yaml", "version: landfall.dev/checks/v1\nchecks:\n- name: home\n  request: GET /\n  expect: {status: 200}\n")
	for _, c := range []struct {
		from, to string
		want     int
	}{{good, good, fault.ExitOK}, {good, bad, fault.ExitNotHolding}, {bad, good, fault.ExitOK}, {good, "http://127.0.0.1:1", fault.ExitNotHolding}} {
		if out, code := s.run("--checks", checks, "--from-url", c.from, "--to-url", c.to); code != c.want {
			t.Errorf("from %s to %s: exit code %d, want %d: %s", c.from, c.to, code, c.want, out)
		}
	}
	if _, code := s.run("--checks", checks); code != fault.ExitUsage {
		t.Errorf("checks without a URL: exit code %d", code)
	}
}
