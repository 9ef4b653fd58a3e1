package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cluster/replace"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// TestReplaceACluster runs the example as people do: blue is replaced by green
// while visitors shop. The migration is killed at the end of each of its steps.
// No request is lost, what was ordered on blue is known on green, and nothing is
// left of blue.
func TestReplaceACluster(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		if _, err := exec.LookPath("tofu"); err != nil {
			t.Skip("neither terraform nor tofu is here: make tofu")
		}
	}
	front, visits := servertest.FreePort(t), servertest.FreePort(t)
	work := t.TempDir()
	kubeconfig := filepath.Join(work, "kubeconfig")
	t.Cleanup(func() {
		for _, cluster := range []string{"green", "blue", "e2e-hub"} {
			if out, code := command("landfall", "local", "delete", cluster); code != 0 {
				t.Errorf("deleting %s: %s", cluster, out)
			}
		}
	})
	example := exec.CommandContext(t.Context(), filepath.Join(platform.root, "examples/clusters/demo.sh"))
	example.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HUB=e2e-hub", "PORT="+front, "VISIT_PORT="+visits, "WORK="+filepath.Join(work, "demo"),
		"KILL_AT="+strings.Join(steps(), " "))
	began := time.Now()
	out, err := example.CombinedOutput()
	t.Logf("the example took %s", time.Since(began).Round(time.Second))
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, out)
	}

	visitors := loadResult(t, filepath.Join(work, "demo/load.json"))
	if visitors.Requests < 500 || visitors.Answered != visitors.Requests || visitors.Errors != 0 || visitors.Lost != 0 {
		t.Errorf("visitors met %+v, want every request answered", visitors)
	}
	if customer := "Anna Sommer <anna@example.net> : 1 orders; the cache says anna@example.net"; !strings.Contains(string(out), customer) {
		t.Errorf("green does not know who ordered on blue; the example said:\n%s", out)
	}
	left := query[[]struct{ Name string }](t, "local", "list")
	for _, cluster := range left {
		if cluster.Name == "blue" {
			t.Error("blue is still there")
		}
	}
}

// steps of a migration between clusters, in their order.
func steps() []string {
	var names []string
	for _, s := range replace.Steps {
		names = append(names, s.Name)
	}
	return names
}

// visits are what `landfall load` counted.
type visits struct{ Requests, Answered, Errors, Lost int }

func loadResult(t *testing.T, path string) visits {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Total visits }
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return said.Total
}
