package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// The platform's own pods are on node1: see setUp.
const (
	node1 = "local-1"
	node2 = "local-2"
)

// TestRollbackWithANodeGone loses the node that an environment runs on, while
// somebody follows its logs, and goes back to what ran before.
func TestRollbackWithANodeGone(t *testing.T) {
	needTwoNodes(t)
	mini(t)
	deleted(t, "nodegone")
	kubectl(t, "cordon", node1)
	t.Cleanup(func() { command("kubectl", "uncordon", node1) })
	landfall(t, "env", "create", "nodegone", "--blueprint", "mini")
	landfall(t, "deploy", "nodegone", "--set", "web=2")
	kubectl(t, "uncordon", node1)

	logs := followLogs(t, "nodegone")
	lose(t, node2)
	if out := landfall(t, "rollback", "nodegone"); !strings.Contains(out, "no difference") {
		t.Errorf("no proof in:\n%s", out)
	}
	answers(t, "web.nodegone", "/", "board 1")
	pod := strings.TrimSpace(kubectl(t, "--namespace", "nodegone", "get", "pods", "--field-selector", "spec.nodeName="+node1, "-o", "jsonpath={.items[0].metadata.name}"))
	within(t, 30*time.Second, "the log of the new pod is followed", func() error {
		if text := logs.String(); !strings.Contains(text, strings.TrimPrefix(pod, "web-")) {
			return fmt.Errorf("pod %s is not in:\n%s", pod, text)
		}
		return nil
	})
	back(t, node2)
	landfall(t, "env", "drift", "nodegone")
}

// TestDeployGoesOnThroughFailures kills the API server, and takes a node away
// for a while, in the middle of a deploy.
func TestDeployGoesOnThroughFailures(t *testing.T) {
	tests := []struct {
		name string
		fail func(t *testing.T)
	}{
		{"API server", killAPIServer},
		{"node", func(t *testing.T) {
			landfall(t, "local", "node", "stop", "local", node2)
			landfall(t, "local", "node", "start", "local", node2)
		}},
	}
	needTwoNodes(t)
	mini(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprintf("failures-%d", i)
			deleted(t, name)
			landfall(t, "env", "create", name, "--blueprint", "mini")
			landfall(t, "deploy", name, "--set", "web=2", "--wait=false")
			tt.fail(t)
			within(t, 2*time.Minute, "the deploy is done", func() error {
				out, code := command("landfall", "env", "get", name, "-o", "json")
				if code != 0 || !strings.Contains(out, `"phase": "Ready"`) || !strings.Contains(out, `"lastSuccessful": "`+name+`-2"`) {
					return fmt.Errorf("exit code %d: %s", code, out)
				}
				return nil
			})
			landfall(t, "env", "drift", name)
			if version := query[v1alpha1.Environment](t, "env", "get", name).Status.Components[0].Version; version != "2" {
				t.Errorf("it runs version %s", version)
			}
		})
	}
}

func needTwoNodes(t *testing.T) {
	t.Helper()
	if _, code := command("kubectl", "get", "node", node2); code != 0 {
		t.Skip("the platform that was up has no node " + node2)
	}
}

// lose switches a node off and waits until the cluster has noticed.
func lose(t *testing.T, node string) {
	t.Helper()
	landfall(t, "local", "node", "stop", "local", node)
	t.Cleanup(func() { command("landfall", "local", "node", "start", "local", node) })
	kubectl(t, "wait", "--for=condition=Ready=Unknown", "node/"+node, "--timeout=90s")
}

func back(t *testing.T, node string) {
	t.Helper()
	landfall(t, "local", "node", "start", "local", node)
	kubectl(t, "wait", "--for=condition=Ready", "node/"+node, "--timeout=90s")
}

// killAPIServer kills the process; its supervisor starts another.
func killAPIServer(t *testing.T) {
	t.Helper()
	folder := os.Getenv("LANDFALL_LOCAL_DIR")
	if folder == "" {
		folder = "/var/lib/landfall/local"
	}
	record, err := os.ReadFile(filepath.Join(folder, "local", "run", "kube-apiserver.pid"))
	if err != nil {
		t.Fatal(err)
	}
	var process struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(record, &process); err != nil || process.PID < 2 {
		t.Fatalf("%s: %v", record, err)
	}
	if err := syscall.Kill(process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// followLogs runs `landfall logs -f` until the test ends.
func followLogs(t *testing.T, env string) *servertest.Log {
	t.Helper()
	return servertest.Run(t, exec.Command("landfall", "logs", env, "-f"), nil).Log
}
