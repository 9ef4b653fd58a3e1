package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// request asks the front door for an environment's component.
func request(method, host, path string) (int, string, error) {
	r, err := http.NewRequest(method, "http://127.0.0.1:"+platform.port+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Host = host + ".localhost"
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// answers waits until a host's page says something.
func answers(t *testing.T, host, path, says string) {
	t.Helper()
	within(t, 20*time.Second, host+" answers", func() error {
		code, body, err := request(http.MethodGet, host, path)
		if err == nil && (code != http.StatusOK || !strings.Contains(body, says)) {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
}

// orders places orders and counts those that are taken.
func orders(t *testing.T, host string, n int) (taken int) {
	t.Helper()
	for range n {
		if code, _, err := request(http.MethodPost, host, "/orders/rope"); err == nil && code == http.StatusCreated {
			taken++
		}
	}
	return taken
}

// shop applies the example's blueprint with the registry at hand.
func shop(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	from := filepath.Join(platform.root, "examples/shop")
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "blueprint.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), "localhost:15000", platform.registry))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	landfall(t, "apply", "-f", file)
	if out := landfall(t, "diff", "-f", file); !strings.Contains(out, "nothing differs") {
		t.Errorf("after applying, diff says:\n%s", out)
	}
}

// TestStory is the demo's story.
func TestStory(t *testing.T) {
	deleted(t, "staging", "pr-1")
	shop(t)

	landfall(t, "env", "create", "staging", "--blueprint", "shop")
	landfall(t, "env", "create", "pr-1", "--from", "staging", "--set", "web=2", "--ttl", "8h")
	answers(t, "web.staging", "/", "version 1")
	answers(t, "web.pr-1", "/", "version 2")
	if out := expect(t, 1, "env", "diff", "staging", "pr-1"); !strings.Contains(out, "versions.web") || strings.Contains(out, "worker") {
		t.Errorf("the difference is web's version only, not:\n%s", out)
	}
	if taken := orders(t, "web.staging", 3); taken != 3 {
		t.Errorf("version 1 took %d of 3 orders", taken)
	}
	within(t, 30*time.Second, "orders are sent by the worker, with a receipt in the bucket", func() error {
		_, body, err := request(http.MethodGet, "web.staging", "/orders")
		if err == nil && strings.Count(body, `"sent"`) != 3 {
			err = fmt.Errorf("%s", body)
		}
		return err
	})

	landfall(t, "deploy", "staging", "--set", "web=2", "-m", "a tenth off")
	landfall(t, "deploy", "staging", "--set", "web=3", "-m", "faster prices")
	if taken := orders(t, "web.staging", 10); taken > 8 {
		t.Errorf("version 3 took %d of 10 orders: it is to be bad", taken)
	}
	if out := landfall(t, "rollback", "staging"); !strings.Contains(out, "no difference") {
		t.Errorf("no proof in:\n%s", out)
	}
	answers(t, "web.staging", "/", "version 2")
	if taken := orders(t, "web.staging", 10); taken != 10 {
		t.Errorf("after the rollback, %d of 10 orders were taken", taken)
	}
	landfall(t, "env", "drift", "staging")
	historyTellsTheStory(t)
	logsOfPodsThatAreGone(t)
	editsAreSeenAndHealed(t)
	sleepAndWake(t)
	landfall(t, "env", "delete", "pr-1")
	if out, code := command("kubectl", "get", "namespace", "pr-1"); code == 0 {
		t.Errorf("the namespace is still there:\n%s", out)
	}
	landfall(t, "env", "delete", "pr-1")
}

type history struct {
	Releases []v1alpha1.Release `json:"releases"`
	Stats    struct {
		Deployments, Failed, Restored int
	} `json:"stats"`
}

func historyTellsTheStory(t *testing.T) {
	t.Helper()
	h := query[history](t, "history", "staging")
	var told []string
	for _, r := range h.Releases {
		told = append(told, fmt.Sprintf("%d %s %s %s", r.Spec.Number, r.Spec.Cause, r.Spec.Author, r.Status.Phase))
	}
	want := "4 Rollback e2e Succeeded, 3 Deploy e2e Succeeded, 2 Deploy e2e Succeeded, 1 Create e2e Succeeded"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("history:\n got %s\nwant %s", got, want)
	}
	if h.Stats.Deployments != 3 || h.Stats.Failed != 1 || h.Stats.Restored != 1 {
		t.Errorf("figures: %+v", h.Stats)
	}
}

func logsOfPodsThatAreGone(t *testing.T) {
	t.Helper()
	within(t, 30*time.Second, "the bad version's output can be found after its pods are gone", func() error {
		out, _ := command("landfall", "logs", "staging", "web", "--grep", "all connections are in use|deadline exceeded")
		if !strings.Contains(out, "/orders/rope") {
			return fmt.Errorf("logs say:\n%s", out)
		}
		return nil
	})
}

func editsAreSeenAndHealed(t *testing.T) {
	t.Helper()
	kubectl(t, "--namespace", "staging", "set", "env", "deployment/worker", "SPEED=reckless")
	within(t, 30*time.Second, "the edit is seen, with who made it", func() error {
		out, code := command("landfall", "env", "drift", "staging")
		if code != 1 || !strings.Contains(out, "SPEED") || !strings.Contains(out, "kubectl-set") {
			return fmt.Errorf("exit code %d:\n%s", code, out)
		}
		return nil
	})
	landfall(t, "env", "drift", "staging", "--heal")
	if out := kubectl(t, "--namespace", "staging", "get", "deployment/worker", "-o", "yaml"); strings.Contains(out, "SPEED") {
		t.Error("the edit is still there after healing")
	}
}

func sleepAndWake(t *testing.T) {
	t.Helper()
	landfall(t, "env", "sleep", "pr-1")
	// Asleep means scaled to nothing; the last pods may still be ending.
	within(t, time.Minute, "nothing runs in a sleeping environment", func() error {
		out := kubectl(t, "--namespace", "pr-1", "get", "pods", "-o", "name", "--field-selector", "status.phase=Running")
		if strings.Contains(out, "pod/") {
			return fmt.Errorf("there run:\n%s", out)
		}
		return nil
	})
	landfall(t, "env", "wake", "pr-1")
	env := query[v1alpha1.Environment](t, "env", "get", "pr-1")
	for _, c := range env.Status.Components {
		if c.Name == "web" && c.Desired != 2 {
			t.Errorf("web woke with %d instances, it had 2", c.Desired)
		}
	}
	answers(t, "web.pr-1", "/", "version 2")
}
