package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/servertest"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shop is a migration that holds its second of three steps.
func shop(t *testing.T) *v1alpha1.Migration {
	t.Helper()
	m := &v1alpha1.Migration{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop", UID: "1", Generation: 1},
		Spec: v1alpha1.MigrationSpec{
			Hostname: "shop.example", Attempt: 1,
			Router: v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"unix:///run/a.sock", "unix:///run/b.sock"}, Backend: "shop"}},
			From:   v1alpha1.MigrationSide{Name: "ec2", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"web1"}}},
			To:     v1alpha1.MigrationSide{Name: "kubernetes", HAProxy: &v1alpha1.HAProxySide{Servers: []string{"k8s"}}},
			Steps: []v1alpha1.MigrationStep{
				{Weight: 5, Hold: metav1.Duration{Duration: time.Minute}},
				{Weight: 25, Hold: metav1.Duration{Duration: 10 * time.Minute}, Approval: true},
				{Weight: 100},
			},
			Guards: []v1alpha1.MigrationGuard{
				{Name: "errors", Failures: 3, Router: &v1alpha1.RouterGuard{MaxErrorRate: "1"}},
				{Name: "pages", Checks: &v1alpha1.ChecksGuard{Baseline: "shop"}},
				{Name: "queue", Objective: &v1alpha1.ObjectiveGuard{Environment: "prod", Objective: "available"}},
			},
		},
	}
	p := traffic.Progress{
		Phase: traffic.Holding, Epoch: 3, Step: 1, Wanted: 25, WantedAt: noon, SettledAt: noon, HeldFor: 4 * time.Minute, CountedAt: noon,
		Reason: "holding 25 %: 6m0s of 10m0s to go",
		Guards: map[string]traffic.GuardProgress{
			"errors": {Last: traffic.Reading{At: noon, Answer: result.Fails, Value: "3 % of 200", Bound: "errors at most 1 %"}, Bad: 1},
			"pages":  {Last: traffic.Reading{At: noon, Answer: result.Holds, Value: "12 hold", Bound: "all hold"}},
		},
	}
	if err := migration.SetProgress(m, p, "leader"); err != nil {
		t.Fatal(err)
	}
	migration.SetWeights(m, traffic.State{Instances: []traffic.Instance{
		{Name: "unix:///run/a.sock", Old: 75, New: 25, Settled: true, Residual: 2},
		{Name: "unix:///run/b.sock", Err: os.ErrDeadlineExceeded},
	}}, noon)
	return m
}

// scene runs commands against an API server in memory.
type scene struct {
	*testing.T
	client.WithWatch
	out, err bytes.Buffer
}

func newScene(t *testing.T, objects ...client.Object) *scene {
	t.Helper()
	return &scene{T: t, WithWatch: fake.NewClientBuilder().WithScheme(command.Scheme()).
		WithStatusSubresource(&v1alpha1.Migration{}).WithObjects(objects...).Build()}
}

// run gives the command's error; its output is in out.
func (s *scene) run(args ...string) error {
	s.Helper()
	s.out.Reset()
	c := &command.Context{
		In: strings.NewReader(""), Out: &s.out, Err: &s.err,
		Clock: func() time.Time { return noon }, Getenv: func(string) string { return "" },
	}
	if s.WithWatch != nil {
		c.SetClient(s.WithWatch)
	}
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(append(args, "-n", "shop", "--author", "aiko", "--kubeconfig", filepath.Join(s.TempDir(), "none")))
	cmd.SetOut(&s.out)
	cmd.SetErr(&s.err)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(s.Context())
}

func (s *scene) migration() *v1alpha1.Migration {
	s.Helper()
	m := &v1alpha1.Migration{}
	if err := s.Get(context.Background(), client.ObjectKey{Namespace: "shop", Name: "shop"}, m); err != nil {
		s.Fatal(err)
	}
	return m
}

// obeyed lets a controller hear every word and come to a phase, until the test
// ends.
func (s *scene) obeyed(phase traffic.Phase) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.Cleanup(func() {
		stop()
		<-done
	})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
			m := &v1alpha1.Migration{}
			if s.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "shop"}, m) != nil || migration.LastWord(m) == m.Status.HeardWords {
				continue
			}
			m.Status.HeardWords, m.Status.Phase, m.Status.Reason = migration.LastWord(m), v1alpha1.MigrationPhase(phase), "as aiko said"
			_ = s.Status().Update(ctx, m) // it is tried again
		}
	}()
}

func (s *scene) wants(code int, err error) {
	s.Helper()
	if got := fault.ExitCode(err); got != code {
		s.Errorf("exit code %d, want %d: %v", got, code, err)
	}
}

func TestStatus(t *testing.T) {
	s := newScene(t, shop(t))
	s.wants(fault.ExitOK, s.run("status", "shop"))
	golden.Assert(t, s.out.String(), "status.txt")
	s.wants(fault.ExitOK, s.run("status", "shop", "-o", "json"))
	var read v1alpha1.Migration
	if err := json.Unmarshal(s.out.Bytes(), &read); err != nil || read.Kind != "Migration" || read.Status.Weight != "unknown" {
		t.Errorf("%v: %s", err, s.out.String())
	}
	s.wants(fault.ExitUsage, s.run("status", "none"))
}

func TestWordsAreSaidOnceAndSigned(t *testing.T) {
	s := newScene(t, shop(t))
	s.obeyed(traffic.Paused)
	s.wants(fault.ExitOK, s.run("pause", "shop", "-m", "lunch"))
	s.wants(fault.ExitRefused, s.run("pause", "shop"))
	s.wants(fault.ExitRefused, s.run("finish", "shop"))
	s.wants(fault.ExitUsage, s.run("approve", "shop", "--step", "3"))
	s.wants(fault.ExitOK, s.run("approve", "shop"))
	got := s.migration().Spec.Words
	want := []v1alpha1.MigrationWord{
		{Serial: 1, Attempt: 1, Verb: "pause", By: "aiko", At: metav1.NewTime(noon), Why: "lunch"},
		{Serial: 2, Attempt: 1, Verb: "approve", Step: 2, By: "aiko", At: metav1.NewTime(noon)},
	}
	for i := range got {
		got[i].At = metav1.NewTime(got[i].At.UTC())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAWordThatNobodyHearsIsNoSuccess(t *testing.T) {
	s := newScene(t, shop(t))
	err := s.run("pause", "shop")
	s.wants(fault.ExitFailed, err)
	if !strings.Contains(fault.HintOf(err), "abort shop --now") {
		t.Errorf("the next step is %q", fault.HintOf(err))
	}
	s.wants(fault.ExitFailed, s.run("abort", "shop"))
	if words := s.migration().Spec.Words; len(words) != 2 || words[1].Verb != "abort" {
		t.Errorf("what was said is not kept: %+v", words)
	}
}

func TestAbortWaitsUntilTrafficIsBack(t *testing.T) {
	s := newScene(t, shop(t))
	s.obeyed(traffic.Reverted)
	s.wants(fault.ExitOK, s.run("abort", "shop"))
	if !strings.Contains(s.out.String(), "all traffic is on ec2") {
		t.Errorf("it says %q", s.out.String())
	}
	s.wants(fault.ExitRefused, s.run("abort", "shop"))
}

func TestStartAgainIsANewAttempt(t *testing.T) {
	m := shop(t)
	s := newScene(t, m)
	s.wants(fault.ExitOK, s.run("start", "shop"))
	if got := s.migration().Spec.Attempt; got != 1 {
		t.Errorf("one under way is at attempt %d", got)
	}
	m = s.migration()
	m.Status.Phase = v1alpha1.MigrationReverted
	if err := s.Status().Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s.wants(fault.ExitOK, s.run("start", "shop"))
	if got := s.migration(); got.Spec.Attempt != 2 || migration.Phase(got) != traffic.Pending {
		t.Errorf("it is at attempt %d, %s", got.Spec.Attempt, migration.Phase(got))
	}
}

func TestAFileThatIsWrongIsRefused(t *testing.T) {
	s := newScene(t)
	for text, want := range map[string]string{
		"steps: [{weight: 50}]":                              "100",
		"steps: [{weight: 50}, {weight: 20}, {weight: 100}]": "steps",
		"steps: [{weigth: 100}]":                             "weigth",
	} {
		file := definition(t, "unix:///run/a.sock", text)
		err := s.run("start", "-f", file)
		s.wants(fault.ExitUsage, err)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not name %q", text, err, want)
		}
	}
}

// definition writes a migration into a file.
func definition(t *testing.T, socket, steps string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "migration.yaml")
	text := `apiVersion: landfall.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec:
  hostname: shop.example
  router: {haproxy: {instances: ["` + socket + `"], backend: shop}}
  from: {name: ec2, haproxy: {servers: [web1]}}
  to: {name: kubernetes, haproxy: {servers: [k8s]}}
  ` + steps + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Nothing but HAProxy is alive: no controller, no API server.
func TestAbortNeedsNothingButTheRouter(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("needs HAProxy: apt-get install haproxy")
	}
	folder, err := os.MkdirTemp("", "abort") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "a.sock")
	config := "global\n stats socket " + socket + " level admin\n server-state-file " + folder + "/state\ndefaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n load-server-state-from-file global\n" +
		"frontend none\n bind unix@" + folder + "/front.sock\n default_backend shop\nbackend shop\n balance roundrobin\n server web1 127.0.0.1:9 weight 60\n server k8s 127.0.0.1:9 weight 40\n"
	if err := os.WriteFile(folder+"/haproxy.cfg", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, exec.Command(program, "-db", "-f", folder+"/haproxy.cfg"), servertest.There(socket))
	s := &scene{T: t}
	file := definition(t, "unix://"+socket, "steps: [{weight: 40}, {weight: 100}]")
	s.wants(fault.ExitUsage, s.run("abort", "-f", file))
	s.wants(fault.ExitOK, s.run("abort", "-f", file, "--now"))
	if !strings.Contains(s.out.String(), "written from here") {
		t.Errorf("it says %q and %q", s.out.String(), s.err.String())
	}
	s.wants(fault.ExitOK, s.run("plan", "-f", file))
	if !strings.Contains(s.out.String(), "kubernetes gets 0 % of new requests") {
		t.Errorf("the router is as it was: %s", s.out.String())
	}
}
