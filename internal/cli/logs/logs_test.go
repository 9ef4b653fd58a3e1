package logs

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/httpapi"
	"github.com/landfall-dev/landfall/internal/logs/livetest"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const proxy = "/api/v1/namespaces/landfall-system/services/http:landfall:http/proxy"

// base is a recent time at the beginning of a second.
var base = time.Now().Add(-10 * time.Minute).Truncate(time.Second)

// world is a cluster with an environment, whose logs are partly gathered.
type world struct {
	*livetest.Cluster
	archive    *archive.Archive
	kubeconfig string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: livetest.New(t)}
	var err error
	if w.archive, err = archive.Open(t.TempDir(), archive.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.archive.Close() })
	w.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "c", "context": {"cluster": "c"}}]}`, w.Config().Host)
	if err := os.WriteFile(w.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// serveArchive lets the archive answer behind the API server's proxy.
func (w *world) serveArchive() {
	w.Handle(proxy+httpapi.Path, http.StripPrefix(proxy, httpapi.Handler(w.archive, func(context.Context, string) (string, error) {
		return "of default", nil
	})))
}

// gathered puts a line into the archive.
func (w *world) gathered(t *testing.T, component, pod string, at time.Time, text string) {
	t.Helper()
	s := archive.Stream{Project: "default", Environment: "staging", Component: component, Pod: pod, UID: "uid-" + pod, Container: "main", Only: true}
	if err := w.archive.Append(s, []logs.Line{{At: at.UnixNano(), Text: []byte(text)}}, archive.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
}

// pod runs a pod of the component that prints lines a second apart, the i-th
// at base plus i.
func (w *world) pod(component, name string, from int, lines ...string) {
	w.Run(name, "n1", map[string]string{v1alpha1.LabelComponent: component})
	for i, text := range lines {
		w.Write(name, base.Add(time.Duration(from+i)*time.Second), text)
	}
}

// landfall runs the command.
func (w *world) landfall(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	env := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "default"},
		Spec:       v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "local"},
		Status: v1alpha1.EnvironmentStatus{
			Namespace: "shop", Components: []v1alpha1.ComponentStatus{{Name: "web"}, {Name: "worker"}},
		},
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "local"}}
	token := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: v1alpha1.SecretLogs},
		Data:       map[string][]byte{v1alpha1.KeyToken: []byte("of default")},
	}
	var out, errs bytes.Buffer
	c := &command.Context{Out: &out, Err: &errs, Clock: time.Now, Getenv: func(string) string { return "" }}
	c.SetClient(fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(env, cluster, token).Build())
	cmd := New(c)
	c.AddFlags(cmd.Flags())
	c.Kube.Kubeconfig = w.kubeconfig
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// lines takes the padding out.
func lines(out string) (lines []string) {
	for line := range strings.Lines(out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// full is a world where web-old is gone, and the gathered lines of web-1 reach
// into its live ones, which were rotated.
func full(t *testing.T) *world {
	w := newWorld(t)
	w.serveArchive()
	w.gathered(t, "web", "web-old", base.Add(1*time.Second), "old 1")
	w.gathered(t, "web", "web-1", base.Add(2*time.Second), "web 2 rotated away")
	w.gathered(t, "web", "web-old", base.Add(4*time.Second), "old 4")
	for i := range 3 {
		w.gathered(t, "web", "web-1", base.Add(time.Duration(5+i)*time.Second), fmt.Sprint("web ", 5+i))
	}
	w.pod("web", "web-1", 5, "web 5", "web 6", "web 7", "web 8")
	w.pod("worker", "worker-1", 3, "job 3", "job 4 failed")
	return w
}

func TestLiveAndGatheredAreOne(t *testing.T) {
	w := full(t)
	out, _, err := w.landfall(t, "staging")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"web/old old 1", "web/1 web 2 rotated away", "worker/1 job 3", "web/old old 4", "worker/1 job 4 failed",
		"web/1 web 5", "web/1 web 6", "web/1 web 7", "web/1 web 8",
	}
	got := lines(out)
	// Lines of one time may stand either way.
	if got[3] == want[4] {
		got[3], got[4] = got[4], got[3]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSelections(t *testing.T) {
	w := full(t)
	tests := map[string]struct {
		args []string
		want []string
	}{
		"component":   {[]string{"worker"}, []string{"worker/1 job 3", "worker/1 job 4 failed"}},
		"grep":        {[]string{"--grep", "FAIL|rotated", "-i"}, []string{"web/1 web 2 rotated away", "worker/1 job 4 failed"}},
		"tail":        {[]string{"--tail", "2"}, []string{"web/1 web 7", "web/1 web 8"}},
		"deep tail":   {[]string{"web", "--tail", "5"}, []string{"web/old old 4", "web/1 web 5", "web/1 web 6", "web/1 web 7", "web/1 web 8"}},
		"since":       {[]string{"web", "--since", base.Add(7 * time.Second).Format(time.RFC3339)}, []string{"web/1 web 7", "web/1 web 8"}},
		"until":       {[]string{"web", "--until", base.Add(4 * time.Second).Format(time.RFC3339)}, []string{"web/old old 1", "web/1 web 2 rotated away", "web/old old 4"}},
		"archived":    {[]string{"web", "--archived", "--tail", "2"}, []string{"web/1 web 6", "web/1 web 7"}},
		"pod of past": {[]string{"--pod", "web-old"}, []string{"web/old old 1", "web/old old 4"}},
		"nothing":     {[]string{"--grep", "no such text"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out, errs, err := w.landfall(t, append([]string{"staging"}, test.args...)...)
			if err != nil || errs != "" {
				t.Fatalf("%v; %s", err, errs)
			}
			if diff := cmp.Diff(test.want, lines(out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	w := newWorld(t)
	w.pod("web", "web-1", 0, `say "hi"`)
	out, _, err := w.landfall(t, "staging", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"time":%q,"component":"web","pod":"web-1","container":"main","text":"say \"hi\""}`+"\n", base.UTC().Format("2006-01-02T15:04:05.000000000Z"))
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

func TestColorsAndTimestamps(t *testing.T) {
	w := newWorld(t)
	w.pod("web", "web-1", 0, "hello")
	out, _, err := w.landfall(t, "staging", "--color", "always", "--timestamps")
	if err != nil {
		t.Fatal(err)
	}
	stamp := base.UTC().Format("2006-01-02T15:04:05.000000000Z")
	if !strings.HasPrefix(out, "\x1b[") || !strings.HasSuffix(out, "mweb/1\x1b[0m "+stamp+" hello\n") {
		t.Errorf("%q", out)
	}
}

func TestPrevious(t *testing.T) {
	w := newWorld(t)
	w.pod("web", "web-1", 0, "last words")
	w.Restart("web-1", 1)
	w.Write("web-1", base.Add(time.Minute), "again")
	out, _, err := w.landfall(t, "staging", "--previous")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web/1 last words"}, lines(out)); diff != "" {
		t.Error(diff)
	}
}

func TestArchiveThatFailsIsSaid(t *testing.T) {
	w := newWorld(t)
	w.Handle(proxy+httpapi.Path, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "no endpoints available", http.StatusServiceUnavailable)
	}))
	w.pod("web", "web-1", 0, "hello")
	out, _, err := w.landfall(t, "staging")
	if diff := cmp.Diff([]string{"web/1 hello"}, lines(out)); diff != "" {
		t.Error(diff)
	}
	if fault.ExitCode(err) != fault.ExitFailed || !strings.Contains(err.Error(), "reading logs of the log archive") {
		t.Errorf("exit code %d, error %v", fault.ExitCode(err), err)
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown environment": {[]string{"nosuch"}, fault.ExitUsage, "nosuch"},
		"unknown component":   {[]string{"staging", "wbe"}, fault.ExitUsage, "environment staging has no component wbe"},
		"bad time":            {[]string{"staging", "--since", "yesterday"}, fault.ExitUsage, `reading --since "yesterday": neither a duration nor a time`},
		"bad regex":           {[]string{"staging", "--grep", "("}, fault.ExitUsage, "missing closing )"},
		"bad tail":            {[]string{"staging", "--tail", "-3"}, fault.ExitUsage, "reading --tail -3"},
		"bad colour":          {[]string{"staging", "--color", "pink"}, fault.ExitUsage, `reading --color "pink"`},
		"yaml":                {[]string{"staging", "-o", "yaml"}, fault.ExitUsage, "no YAML form"},
		"no archive":          {[]string{"staging", "--archived"}, fault.ExitFailed, ""},
		"bad Loki":            {[]string{"staging", "--loki", "ftp://x"}, fault.ExitUsage, "no http or https URL"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.landfall(t, test.args...)
			if err == nil || fault.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("exit code %d, error %v", fault.ExitCode(err), err)
			}
		})
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Time{
		"10m":                  now.Add(-10 * time.Minute),
		"2d":                   now.Add(-48 * time.Hour),
		"1d12h":                now.Add(-36 * time.Hour),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20T10:30":     time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC),
		"2026-11-20 10:30:05":  time.Date(2026, 11, 20, 10, 30, 5, 0, time.UTC),
		"2026-11-20T10:00:00Z": time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
	}
	for text, want := range tests {
		if got, err := parseTime("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"d", "-1d", "5", "-5m", "99999999d", "xd", "1d-5m"} {
		if got, err := parseTime("since", text, now); err == nil {
			t.Errorf("%s: %v, no error", text, got)
		}
	}
}
