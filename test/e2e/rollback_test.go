package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// TestRollbackFromABrokenState goes back from each state in which people need
// it. Each case starts with version 1 running as release 1.
func TestRollbackFromABrokenState(t *testing.T) {
	mini(t)
	tests := []struct {
		name string
		harm func(t *testing.T, env string)
		// alone: what it does to the machine or the registry would trouble others.
		alone bool
	}{
		{"crash-looping pods", func(t *testing.T, env string) {
			out := expect(t, 3, "deploy", env, "--set", "web=crash")
			if !strings.Contains(out, "CrashLoop") {
				t.Errorf("the failure is not named:\n%s", out)
			}
		}, false},
		{"in the middle of a deploy", func(t *testing.T, env string) {
			landfall(t, "deploy", env, "--set", "web=crash", "--wait=false")
		}, false},
		{"every core pinned", func(t *testing.T, env string) {
			pinCores(t)
			landfall(t, "deploy", env, "--set", "web=2")
		}, true},
		{"tag moved", func(t *testing.T, env string) {
			landfall(t, "deploy", env, "--set", "web=2")
			push(t, "2", "mini:1")
			t.Cleanup(func() { push(t, "1", "mini:1") })
		}, true},
		{"tag deleted in the registry", func(t *testing.T, env string) {
			landfall(t, "deploy", env, "--set", "web=2")
			deleteTag(t, "mini", "1")
			t.Cleanup(func() { push(t, "1", "mini:1") })
		}, true},
		{"edited by other tools", func(t *testing.T, env string) {
			landfall(t, "deploy", env, "--set", "web=2")
			kubectl(t, "--namespace", env, "set", "env", "deployment/web", "EXTRA=1")
			kubectl(t, "--namespace", env, "delete", "service", "web")
		}, false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.alone {
				t.Parallel()
			}
			env := fmt.Sprintf("broken-%d", i)
			deleted(t, env)
			landfall(t, "env", "create", env, "--blueprint", "mini")
			before := query[v1alpha1.Environment](t, "env", "get", env)
			tt.harm(t, env)
			if out := landfall(t, "rollback", env); !strings.Contains(out, "no difference") {
				t.Errorf("no proof in:\n%s", out)
			}
			after := query[v1alpha1.Environment](t, "env", "get", env)
			if was, is := before.Status.Components[0].Image, after.Status.Components[0].Image; was != is {
				t.Errorf("it ran %s and runs %s", was, is)
			}
			answers(t, "web."+env, "/", "board 1")
			if strings.Contains(kubectl(t, "--namespace", env, "get", "deployment/web", "-o", "yaml"), "EXTRA") {
				t.Error("an edit survived")
			}
		})
	}
}

func push(t *testing.T, v, ref string) {
	t.Helper()
	landfall(t, "image", "push", platform.root+"/out/shop/1/board", platform.registry+"/"+ref, "--env", "V="+v)
}

// deleteTag takes a tag and its manifest out of the registry.
func deleteTag(t *testing.T, repository, tag string) {
	t.Helper()
	url := "http://" + platform.registry + "/v2/" + repository + "/manifests/"
	head, err := http.NewRequest(http.MethodHead, url+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	head.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	found := do(t, head, http.StatusOK)
	remove, err := http.NewRequest(http.MethodDelete, url+found.Header.Get("Docker-Content-Digest"), nil)
	if err != nil {
		t.Fatal(err)
	}
	do(t, remove, http.StatusAccepted)
}

func do(t *testing.T, r *http.Request, want int) *http.Response {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != want {
		t.Fatalf("%s %s: %s", r.Method, r.URL, response.Status)
	}
	return response
}

// pinCores keeps every core busy until the test ends.
func pinCores(t *testing.T) {
	t.Helper()
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for range runtime.NumCPU() {
		go func() {
			for n := 0; ; n++ {
				if n%1_000_000 == 0 {
					select {
					case <-stop:
						return
					default:
					}
				}
			}
		}()
	}
	time.Sleep(100 * time.Millisecond)
}

// TestDeployGoesOnAfterTheClusterWasStopped stops everything, the API server
// and the node, in the middle of a deploy.
func TestDeployGoesOnAfterTheClusterWasStopped(t *testing.T) {
	mini(t)
	deleted(t, "stopped")
	landfall(t, "env", "create", "stopped", "--blueprint", "mini")
	landfall(t, "deploy", "stopped", "--set", "web=2", "--wait=false")
	landfall(t, "local", "stop", "local")
	landfall(t, "local", "start", "local")
	within(t, 2*time.Minute, "the deploy is done", func() error {
		out, code := command("landfall", "env", "get", "stopped", "-o", "json")
		if code != 0 || !strings.Contains(out, `"phase": "Ready"`) || !strings.Contains(out, `"lastSuccessful": "stopped-2"`) {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	landfall(t, "env", "drift", "stopped")
}
