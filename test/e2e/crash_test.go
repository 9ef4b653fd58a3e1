package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// serve starts `landfall serve` on this machine, in place of the one in the
// cluster; it kills itself with SIGKILL at the named point, or never.
func serve(t *testing.T, crashAt string) *servertest.Server {
	t.Helper()
	cmd := exec.Command("landfall", "serve", "--log-level", "error")
	cmd.Env = append(os.Environ(), "LANDFALL_CRASH_AT="+crashAt)
	return servertest.Run(t, cmd, nil)
}

// TestKilledAtEveryStep kills the controller with SIGKILL at each named point of
// a deploy, a rollback and a delete, and starts it again: the end is the same.
func TestKilledAtEveryStep(t *testing.T) {
	mini(t)
	deleted(t, "killed")
	landfall(t, "env", "create", "killed", "--blueprint", "mini")
	kubectl(t, "--namespace", "landfall-system", "scale", "deployment/landfall", "--replicas=0")
	t.Cleanup(func() {
		kubectl(t, "--namespace", "landfall-system", "scale", "deployment/landfall", "--replicas=1")
		kubectl(t, "--namespace", "landfall-system", "rollout", "status", "deployment/landfall")
	})
	kubectl(t, "--namespace", "landfall-system", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=landfall", "--timeout=60s")

	release := 1
	for _, point := range []string{"store contents", "create release", "record inventory", "apply", "wait until ready", "prune", "verify", "finish"} {
		release++
		t.Run("deploy/"+point, func(t *testing.T) { killed(t, point, release, "2", "deploy", "killed", "--set", "web=2") })
		release++
		t.Run("rollback/"+point, func(t *testing.T) { killed(t, point, release, "1", "rollback", "killed") })
	}
	for _, point := range []string{"teardown", "forget releases"} {
		t.Run("delete/"+point, func(t *testing.T) {
			if _, code := command("landfall", "env", "get", "killed"); code != 0 {
				s := serve(t, "")
				landfall(t, "env", "create", "killed", "--blueprint", "mini")
				s.Kill()
			}
			landfall(t, "env", "delete", "killed", "--wait=false")
			serve(t, point).Dies(time.Minute)
			s := serve(t, "")
			landfall(t, "env", "delete", "killed")
			s.Kill()
			if out, code := command("kubectl", "get", "namespace", "killed"); code == 0 {
				t.Errorf("the namespace stays:\n%s", out)
			}
		})
	}
}

// killed asks for a change while nobody works, lets a server die over it and
// another one finish it.
func killed(t *testing.T, point string, release int, version string, ask ...string) {
	t.Helper()
	landfall(t, append(ask, "--wait=false")...)
	serve(t, point).Dies(time.Minute)
	s := serve(t, "")
	defer s.Kill()
	name := fmt.Sprintf("killed-%d", release)
	within(t, time.Minute, name+" succeeds", func() error {
		env := query[v1alpha1.Environment](t, "env", "get", "killed")
		if env.Status.LastSuccessful != name || env.Status.Phase != v1alpha1.PhaseReady {
			return fmt.Errorf("release %s, last successful %s, %s", env.Status.Release, env.Status.LastSuccessful, env.Status.Phase)
		}
		return nil
	})
	landfall(t, "env", "drift", "killed")
	if pods := kubectl(t, "--namespace", "killed", "get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.Contains(pods, "@sha256:") {
		t.Errorf("it runs %s", pods)
	}
	env := query[v1alpha1.Environment](t, "env", "get", "killed")
	if got := env.Status.Components[0].Version; got != version {
		t.Errorf("it runs version %s, want %s", got, version)
	}
}
