package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/httpapi"
)

// landfall runs one command line far from any cluster, or with the environment.
func landfall(t *testing.T, env *v1alpha1.Environment, args ...string) (out, other string, code int) {
	t.Helper()
	return landfallAt(t, filepath.Join(t.TempDir(), "none"), env, args...)
}

// landfallAt reaches the API server of a kubeconfig for gathered logs.
func landfallAt(t *testing.T, kubeconfig string, env *v1alpha1.Environment, args ...string) (out, other string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Clock: time.Now, Getenv: func(string) string { return "" }}
	objects := []client.Object{}
	if env != nil {
		objects = append(objects, env, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: v1alpha1.SecretLogs},
			Data:       map[string][]byte{v1alpha1.KeyToken: []byte("of default")},
		})
	}
	c.SetClient(fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(objects...).Build())
	root := &cobra.Command{Use: "landfall", SilenceErrors: true, SilenceUsage: true}
	c.AddFlags(root.PersistentFlags())
	root.AddCommand(New(c))
	root.SetArgs(append([]string{"load", "--kubeconfig", kubeconfig}, args...))
	err := root.ExecuteContext(t.Context())
	if err != nil {
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), fault.ExitCode(err)
}

func site(t *testing.T) string {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Landfall-Backend", []string{"kubernetes", "servers"}[n.Add(1)%2])
		switch {
		case r.URL.Path == "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/slow":
			time.Sleep(50 * time.Millisecond)
		case r.URL.Path == "/echo" && (r.Host != "shop.example" || r.Header.Get("X-A") != "b" || string(body) != "lamp"):
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestLoad(t *testing.T) {
	url := site(t)
	short := []string{"--rate", "50", "--step", "200ms"}
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte("lamp"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"no bounds":         {[]string{url + "/broken"}, fault.ExitOK, "statuses: 10 × 500"},
		"within bounds":     {[]string{url, "--max-p95", "5s", "--max-errors", "0", "--max-lost", "0"}, fault.ExitOK, "3 hold"},
		"errors":            {[]string{url, "--path", "/", "--path", "/broken", "--max-errors", "1%"}, fault.ExitNotHolding, "50 % (5 of 10)"},
		"slow":              {[]string{url + "/slow", "--max-p95", "20ms"}, fault.ExitNotHolding, "at most 20ms"},
		"lost":              {[]string{"http://127.0.0.1:1", "--max-lost", "0"}, fault.ExitNotHolding, "lost: 10 × refused"},
		"sides":             {[]string{url}, fault.ExitOK, "kubernetes   5"},
		"host, header, all": {[]string{url, "--host", "shop.example", "--path", "/echo", "-H", "X-A: b", "--method", "post", "--body", "@" + body, "--max-errors", "0"}, fault.ExitOK, "1 holds"},
		"bad percentage":    {[]string{url, "--max-errors", "lots"}, fault.ExitUsage, "--max-errors"},
		"bad header":        {[]string{url, "-H", "X-A b"}, fault.ExitUsage, "not NAME: VALUE"},
		"bad path":          {[]string{url, "--path", "//elsewhere/"}, fault.ExitUsage, "does not stay at"},
		"bad rate":          {[]string{url, "--rate", "-1"}, fault.ExitUsage, "the rate -1"},
		"no file":           {[]string{url, "--body", "@/none"}, fault.ExitUsage, "/none"},
		"two and a host":    {[]string{url, url, "--host", "shop.example"}, fault.ExitUsage, "--host goes with one URL"},
		"no environment":    {[]string{"staging"}, fault.ExitUsage, "staging does not exist"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, other, code := landfall(t, nil, append(short[:len(short):len(short)], tt.args...)...)
			if code != tt.code || !strings.Contains(out+other, tt.says) {
				t.Errorf("exit code %d, want %d with %q\n%s\n%s", code, tt.code, tt.says, out, other)
			}
		})
	}
}

func TestLoadForPrograms(t *testing.T) {
	out, other, code := landfall(t, nil, site(t), "--rate", "20,40", "--step", "250ms", "--max-lost", "0", "-o", "json")
	var doc struct {
		Total struct{ Requests, Lost int64 }
		Steps []struct {
			Rate    float64
			Figures struct{ Requests int64 }
			KeptUp  *bool
		}
		Sides   map[string]struct{ Requests int64 }
		Seconds []struct {
			Sides map[string]struct {
				Requests int64
				P95      float64
			}
		}
		Bounds struct{ Answer string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != fault.ExitOK {
		t.Fatalf("%v, exit code %d: %s", err, code, other)
	}
	if doc.Total.Requests != 15 || doc.Total.Lost != 0 || doc.Bounds.Answer != "holds" || doc.Sides["kubernetes"].Requests+doc.Sides["servers"].Requests != 15 {
		t.Errorf("%s", out)
	}
	if len(doc.Steps) != 2 || doc.Steps[1].Rate != 40 || doc.Steps[1].Figures.Requests != 10 || doc.Steps[1].KeptUp == nil {
		t.Errorf("steps: %+v", doc.Steps)
	}
	if len(doc.Seconds) != 1 || doc.Seconds[0].Sides["servers"].P95 <= 0 {
		t.Errorf("time line: %+v", doc.Seconds)
	}
}

// archived is an API server whose log archive holds what the handler writes, and
// its kubeconfig.
func archived(t *testing.T) (a *archive.Archive, kubeconfig string) {
	t.Helper()
	a, err := archive.Open(t.TempDir(), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	const proxy = "/api/v1/namespaces/landfall-system/services/http:landfall:http/proxy"
	mux := http.NewServeMux()
	mux.Handle(proxy+httpapi.Path, http.StripPrefix(proxy, httpapi.Handler(a, func(context.Context, string) (string, error) { return "of default", nil })))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "c", "context": {"cluster": "c"}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, kubeconfig
}

// TestLogsOfTheLoadAreFound: the application writes an access log, which is
// gathered.
func TestLogsOfTheLoadAreFound(t *testing.T) {
	gathered, kubeconfig := archived(t)
	stream := archive.Stream{Project: "default", Environment: "staging", Component: "web", Pod: "web-1", UID: "1", Container: "main", Only: true}
	var writing sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		writing.Lock()
		defer writing.Unlock()
		line := logs.Line{At: time.Now().UnixNano(), Text: []byte(r.Method + " " + r.URL.String())}
		if err := gathered.Append(stream, []logs.Line{line}, archive.Checkpoint{}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	env := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "default"},
		Status:     v1alpha1.EnvironmentStatus{URLs: []v1alpha1.URL{{Component: "web", URL: server.URL}}},
	}
	out, other, code := landfallAt(t, kubeconfig, env, "staging", "--rate", "20,40", "--step", "200ms")
	if want := "logs: holds: all 2 marked requests are in the gathered logs"; code != fault.ExitOK || !strings.Contains(out, want) {
		t.Errorf("exit code %d, no %q in\n%s\n%s", code, want, out, other)
	}
}

func TestLoadOfAnEnvironment(t *testing.T) {
	env := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "default"},
		Status: v1alpha1.EnvironmentStatus{
			Components: []v1alpha1.ComponentStatus{{Name: "web", Ready: 2, Desired: 2}},
			URLs:       []v1alpha1.URL{{Component: "web", URL: site(t)}},
		},
	}
	out, other, code := landfall(t, env, "staging", "--rate", "20", "--step", "200ms", "--max-lost", "0")
	for _, want := range []string{"web: did not scale out: 2 of 2 ready", "logs: unknown: reaching the gathered logs", "1 holds"} {
		if code != fault.ExitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in\n%s\n%s", code, want, out, other)
		}
	}
	if _, other, code := landfall(t, env, "staging", "--component", "api"); code != fault.ExitUsage || !strings.Contains(other, "component api") {
		t.Errorf("exit code %d: %s", code, other)
	}
}
