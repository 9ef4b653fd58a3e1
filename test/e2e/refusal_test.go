package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAdoptionIsRefusedUnlessAskedFor(t *testing.T) {
	mini(t)
	deleted(t, "taken")
	kubectl(t, "create", "namespace", "taken")
	kubectl(t, "--namespace", "taken", "create", "configmap", "theirs")
	out := expect(t, 4, "env", "create", "taken", "--blueprint", "mini")
	if !strings.Contains(out, "taken") || !strings.Contains(out, "--adopt") {
		t.Errorf("the refusal names neither object nor way out:\n%s", out)
	}
	landfall(t, "deploy", "taken", "--adopt")
	answers(t, "web.taken", "/", "board 1")
	landfall(t, "env", "delete", "taken")
}

func TestDeleteOfHalfCreated(t *testing.T) {
	mini(t)
	for _, moment := range []time.Duration{0, 300 * time.Millisecond, time.Second} {
		landfall(t, "env", "create", "half", "--blueprint", "mini", "--set", "web=crash", "--wait=false")
		time.Sleep(moment)
		landfall(t, "env", "delete", "half")
		if out, code := command("kubectl", "get", "namespace", "half"); code == 0 {
			t.Errorf("deleted %s after its creation, the namespace stays:\n%s", moment, out)
		}
	}
}

// TestEnvironmentsCannotReachEachOther lets a pod of one environment ask a pod
// of the other by its address; the same question within one is answered.
func TestEnvironmentsCannotReachEachOther(t *testing.T) {
	mini(t)
	deleted(t, "here", "there")
	landfall(t, "env", "create", "there", "--blueprint", "mini")
	address := strings.TrimSpace(kubectl(t, "--namespace", "there", "get", "pods", "-o", "jsonpath={.items[0].status.podIP}"))
	ask := func(url string) {
		applied(t, fmt.Sprintf(`
apiVersion: landfall.dev/v1alpha1
kind: Environment
metadata: {name: here}
spec:
  blueprint: mini
  overrides: [{component: web, env: [{name: SHOP, value: "%s"}]}]
`, url))
		landfall(t, "deploy", "here")
	}
	says := func(what string) {
		t.Helper()
		within(t, 30*time.Second, "the pod says "+what, func() error {
			_, body, err := request("GET", "web.here", "/")
			if err == nil && !strings.Contains(body, what) {
				err = fmt.Errorf("it says %s", body)
			}
			return err
		})
	}
	ask("http://web:8081")
	says("invalid character") // an answer, though not of a shop
	ask("http://" + address + ":8081")
	says("does not answer: Get")
}

func TestBadBlueprintsNameTheField(t *testing.T) {
	component := func(fields string) string {
		return "apiVersion: landfall.dev/v1alpha1\nkind: Blueprint\nmetadata: {name: bad}\nspec:\n  components:\n" + fields
	}
	job := "    - {name: %s, image: a, runBefore: [%s]}\n"
	tests := map[string]struct{ text, says string }{
		"unknown component":  {component(fmt.Sprintf(job, "a", "nobody")), "spec.components[0].runBefore[0]"},
		"cycle in runBefore": {component(fmt.Sprintf(job, "a", "b") + fmt.Sprintf(job, "b", "a")), "runBefore"},
		"bad quantity":       {component("    - {name: a, image: a, resources: {requests: {cpu: lots}}}\n"), "resources.requests"},
		"unknown field":      {component("    - {name: a, image: a, prots: []}\n"), "prots"},
		"name of 300 characters": {
			component("    - {name: " + strings.Repeat("a", 300) + ", image: a}\n"), "spec.components[0].name",
		},
		"file of 5 MB": {component("    - {name: a, image: a}\n") + strings.Repeat("# filling\n", 500_000), "larger than"},
		"YAML bomb": {
			"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "unfolds",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bad.yaml")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := expect(t, 2, "apply", "-f", file); !strings.Contains(out, tt.says) {
				t.Errorf("the message does not name %q:\n%s", tt.says, out)
			}
		})
	}
}

func TestAChartThatPanicsIsNamed(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"blueprint.yaml":               "apiVersion: landfall.dev/v1alpha1\nkind: Blueprint\nmetadata: {name: panics}\nspec:\n  components:\n    - {name: a, chart: {path: chart}}\n",
		"chart/Chart.yaml":             "apiVersion: v2\nname: a\nversion: 1.0.0\n",
		"chart/templates/endless.yaml": `{{- define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`,
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	landfall(t, "apply", "-f", filepath.Join(folder, "blueprint.yaml"))
	deleted(t, "panics")
	out := expect(t, 2, "env", "create", "panics", "--blueprint", "panics", "--timeout", "1m")
	if !strings.Contains(out, "endless.yaml") {
		t.Errorf("the template is not named:\n%s", out)
	}
}
