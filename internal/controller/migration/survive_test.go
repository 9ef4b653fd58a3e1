package migration_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/servertest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
)

// Times of the tests of survival.
const (
	// lease is after how long another process may take over.
	lease = 10 * time.Second
	// takeOver is what that may take until the weight moves again, on a machine
	// that is busy with many such tests.
	takeOver = lease + 25*time.Second
	// sampleEvery is how often weights are looked at.
	sampleEvery = 10 * time.Millisecond
)

// world is a project of its own: a HAProxy, a new side that checks can ask, and
// processes of `landfall serve` that look after it alone.
type world struct {
	*testing.T
	client  client.Client
	project string
	router  *haproxy.Router
	// broken is what the new side says to checks.
	broken atomic.Bool
	weights
}

// project is a namespace on a real API server that knows Landfall's kinds.
func project(t *testing.T) (client.Client, string) {
	t.Helper()
	config := kubetest.Config(t)
	kubetest.InstallKinds(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c, kubetest.Namespace(t)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	w.client, w.project = project(t)
	side := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if w.broken.Load() {
			http.Error(rw, "broken", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(side.Close)
	socket := startHAProxy(t)
	w.create(socket, side.URL)
	var err error
	w.router, err = haproxy.New(haproxy.Config{Instances: []string{socket}, Backend: "shop", Old: []string{"old"}, New: []string{"new"}, OldName: "old", NewName: "new"})
	if err != nil {
		t.Fatal(err)
	}
	w.watch(t, w.router)
	return w
}

// startHAProxy runs one with a backend of both sides.
func startHAProxy(t *testing.T) (socket string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("needs HAProxy: apt-get install haproxy")
	}
	folder, err := os.MkdirTemp("", "survive") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path, file := filepath.Join(folder, "a.sock"), filepath.Join(folder, "haproxy.cfg")
	text := fmt.Sprintf(`
global
  stats socket %s mode 600 level admin
  server-state-file %s
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  load-server-state-from-file global
frontend none
  bind unix@%s
  default_backend shop
backend shop
  balance roundrobin
  server old 127.0.0.1:9 weight 100
  server new 127.0.0.1:9 weight 0
`, path, filepath.Join(folder, "state"), filepath.Join(folder, "front.sock"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, exec.Command(program, "-db", "-f", file), servertest.There(path))
	return "unix://" + path
}

// create makes the migration: 10 %, then, after approval, 100 %, while a check
// of the new side holds.
func (w *world) create(socket, side string) {
	w.Helper()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: w.project, Name: name} }
	normal := &v1alpha1.Baseline{ObjectMeta: meta("normal"), Spec: v1alpha1.BaselineSpec{Checks: &runtime.RawExtension{
		Raw: []byte(`{"version": "landfall.dev/checks/v1", "checks": [{"name": "home", "request": {"path": "/"}}]}`),
	}}}
	m := &v1alpha1.Migration{ObjectMeta: meta("shop"), Spec: v1alpha1.MigrationSpec{
		Hostname: "shop.example",
		Router:   v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{socket}, Backend: "shop"}},
		From:     v1alpha1.MigrationSide{Name: "old", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"old"}}},
		To:       v1alpha1.MigrationSide{Name: "new", URL: side, HAProxy: &v1alpha1.HAProxySide{Servers: []string{"new"}}},
		Steps: []v1alpha1.MigrationStep{
			{Weight: 10, Hold: metav1.Duration{Duration: time.Second}, Approval: true},
			{Weight: 100, Hold: metav1.Duration{Duration: time.Second}},
		},
		Guards:   []v1alpha1.MigrationGuard{{Name: "home", Checks: &v1alpha1.ChecksGuard{Baseline: "normal"}}},
		Interval: metav1.Duration{Duration: 500 * time.Millisecond},
	}}
	for _, o := range []client.Object{normal, m} {
		if err := w.client.Create(w.Context(), o); err != nil {
			w.Fatal(err)
		}
	}
	w.Cleanup(func() { w.removeFinalizer() })
}

func (w *world) removeFinalizer() {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"finalizers": null}}`))
	m := &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Namespace: w.project, Name: "shop"}}
	if err := w.client.Patch(context.Background(), m, patch); client.IgnoreNotFound(err) != nil {
		w.Error(err)
	}
}

// serve runs `landfall serve` for the project, one of several.
func (w *world) serve(env ...string) *servertest.Server {
	w.Helper()
	program, err := exec.LookPath("landfall")
	if err != nil {
		w.Skip("needs landfall on the PATH: run `make test`")
	}
	cmd := exec.Command(program, "serve", "--leader-elect", "--leader-election-namespace", w.project, "--watch-namespace", w.project)
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+os.Getenv(kubetest.EnvKubeconfig)), env...)
	return servertest.Run(w, cmd, nil)
}

// leader waits until a process has the lease.
func (w *world) leader() {
	w.Helper()
	kubetest.Eventually(w, func() string {
		held := &coordinationv1.Lease{}
		if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: w.project, Name: "landfall"}, held); err != nil {
			return err.Error()
		}
		if held.Spec.HolderIdentity == nil || *held.Spec.HolderIdentity == "" {
			return "nobody leads"
		}
		return ""
	})
}

func (w *world) migration() *v1alpha1.Migration {
	m := &v1alpha1.Migration{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: w.project, Name: "shop"}, m); err != nil {
		return &v1alpha1.Migration{}
	}
	return m
}

// comesTo waits until the migration is in a phase.
func (w *world) comesTo(phase traffic.Phase, within time.Duration) {
	w.Helper()
	deadline := time.Now().Add(within)
	for {
		m := w.migration()
		if migration.Phase(m) == phase {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("it is %s after %s, not %s: %s; weights: %s", m.Status.Phase, within, phase, m.Status.Reason, w.text())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// says says a word as a person does.
func (w *world) says(verb traffic.Verb) {
	w.Helper()
	kubetest.Eventually(w, func() string {
		m := w.migration()
		before := m.DeepCopy()
		migration.Say(m, traffic.Word{Verb: verb, By: "aiko", At: time.Now()})
		if err := w.client.Patch(w.Context(), m, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return err.Error()
		}
		return ""
	})
}

// weights are those of the new side that were seen, each once in a row.
type weights struct {
	mu   sync.Mutex
	seen []int
}

func (s *weights) watch(t *testing.T, router *haproxy.Router) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(sampleEvery):
			}
			state, err := router.Read(context.Background())
			if err == nil && state.Instances[0].Err == nil {
				s.add(int(100*state.Instances[0].Share() + 0.5))
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
}

func (s *weights) add(percent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.seen); n == 0 || s.seen[n-1] != percent {
		s.seen = append(s.seen, percent)
	}
}

func (s *weights) all() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *weights) text() string { return fmt.Sprint(s.all()) }

// were fails unless exactly these weights were seen, one after the other.
func (w *world) were(want ...int) {
	w.Helper()
	if got := w.all(); !slices.Equal(got, want) {
		w.Errorf("the new side had %v %%, want %v", got, want)
	}
}

// The points of a raise, and those of a return.
func points(ofReturn bool) []string {
	var some []string
	for _, point := range traffic.Points {
		if strings.Contains(string(point), "return") == ofReturn {
			some = append(some, string(point))
		}
	}
	return some
}

// The leader is killed anywhere in a raise: another goes on, once, and up only.
func TestAnotherGoesOnWithAShift(t *testing.T) {
	for _, point := range points(false) {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.serve("LANDFALL_CRASH_AT=" + point)
			w.leader()
			w.serve()
			first.Dies(takeOver)
			w.comesTo(traffic.AwaitingApproval, takeOver)
			w.were(0, 10)
			w.says(traffic.SayApprove)
			w.comesTo(traffic.Completed, takeOver)
			w.were(0, 10, 100)
		})
	}
}

// The leader is killed anywhere in an abort: another brings traffic back.
func TestAnotherGoesOnWithAnAbort(t *testing.T) {
	for _, point := range points(true) {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.serve("LANDFALL_CRASH_AT=" + point)
			w.leader()
			w.serve()
			w.comesTo(traffic.AwaitingApproval, takeOver)
			w.says(traffic.SayAbort)
			first.Dies(takeOver)
			w.comesTo(traffic.Reverted, takeOver)
			w.were(0, 10, 0)
		})
	}
}

// The new side breaks while nobody watches: the next leader finds out before
// anything else, and never raises.
func TestWhatBreaksWhileNobodyWatchesIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.serve("LANDFALL_CRASH_AT=" + string(traffic.AfterWrite))
	w.leader()
	w.serve()
	first.Dies(takeOver)
	w.broken.Store(true)
	w.says(traffic.SayApprove)
	w.comesTo(traffic.Reverted, takeOver)
	w.were(0, 10, 0)
}

// A leader sleeps at the last moment before it raises, past its lease, and wakes
// up when another has long brought traffic back: it cannot write.
func TestALeaderThatWakesUpCannotWrite(t *testing.T) {
	for _, point := range []traffic.Point{traffic.AfterJournal, traffic.DuringWrite} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.serve("LANDFALL_STOP_AT=" + string(point))
			w.leader()
			w.serve()
			kubetest.Eventually(t, func() string {
				if !stopped(first.PID()) {
					return "the first leader is not asleep yet"
				}
				return ""
			})
			w.says(traffic.SayAbort)
			w.comesTo(traffic.Reverted, takeOver)
			before := w.all()
			first.Signal(syscall.SIGCONT)
			time.Sleep(5 * time.Second)
			if after := w.all(); !slices.Equal(before, after) || after[len(after)-1] != 0 {
				t.Errorf("the new side had %v %%, and after the old leader woke up %v", before, after)
			}
			if got := migration.Phase(w.migration()); got != traffic.Reverted {
				t.Errorf("it is %s by now", got)
			}
		})
	}
}

// stopped tells whether a process sleeps since somebody stopped it.
func stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "T")
}

// Tests of survival wait for leases most of the time: more of them run at once
// than there are cores.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err) // go test has another flag by now
	}
	os.Exit(m.Run())
}
