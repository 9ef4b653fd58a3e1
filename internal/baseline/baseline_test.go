package baseline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// object reads a spec as the API server would give it.
func object(t *testing.T, text string) v1alpha1.BaselineSpec {
	t.Helper()
	var spec v1alpha1.BaselineSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

const checks = `
checks:
  version: landfall.dev/checks/v1
  checks:
    - {name: home, request: GET /}
    - {name: orders, request: GET /orders}
`

func TestRead(t *testing.T) {
	d, err := Read("shop", object(t, checks+`
interval: 30s
hostSpecs:
  - component: web
    document:
      version: landfall.dev/hostspec/v1
      host: web1
      salt: "00"
      items: {php-extension: {fpm redis: {exists: true}}, file: {/etc/nginx/nginx.conf: {mode: "0644"}}}
objectives:
  - {name: available, target: "99.5", window: 1h}
  - {name: orders, check: orders, target: "99"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.HostSpecs) != 1 || d.HostSpecs[0].Size() != 2 || len(d.Checks.Checks) != 2 || len(d.Objectives) != 2 || d.Interval != 30*time.Second {
		t.Errorf("%+v", d)
	}
}

func TestWhatABaselineMayNotAsk(t *testing.T) {
	document := func(more string) string { return strings.TrimSuffix(checks, "\n") + "\n" + more }
	tests := map[string]string{
		document("  allowHosts: [example.com]"):                                             "allowHosts is not for a baseline",
		document("  addresses: {a: 169.254.169.254}"):                                       "addresses is not for a baseline",
		document("  secrets: {token: {file: /var/run/secrets/token}}"):                      "secrets.token.file is not for a baseline",
		document("  tls: {caFile: /etc/ca.pem}"):                                            "tls.caFile is not for a baseline",
		document(`    - {name: other, request: {url: "http://169.254.169.254/latest"}}`):    `check "other": request.url is not for a baseline`,
		document(`    - {name: o, steps: [{name: s, request: {url: "http://10.0.0.1/"}}]}`): `check "o", step "s": request.url is not for a baseline`,
		checks + "interval: 1s":                                                             "spec.interval: 1s is less than 5s",
		checks + "objectives: [{name: a, check: none, target: '99'}]":                       `spec.objectives[0].check: there is no check "none"`,
		checks + "objectives: [{name: a, target: '0'}]":                                     "spec.objectives[0]: objective a: the target",
		"checks: {version: landfall.dev/checks/v1, checks: [{nam: x}]}":                     "spec.checks: ",
		"hostSpecs: [{component: web, document: {version: other}}]":                         "spec.hostSpecs[0].document",
	}
	for text, want := range tests {
		_, err := Read("shop", object(t, text))
		if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s\n  says %v, want %s", text, err, want)
		}
	}
}

func TestRunsCountChecksNotSteps(t *testing.T) {
	spec := object(t, checks)
	spec.Objectives = []v1alpha1.Objective{
		{Name: "all", Target: "99", Window: metav1.Duration{}},
		{Name: "orders", Check: "orders", Target: "99"},
	}
	d, err := Read("shop", spec)
	if err != nil {
		t.Fatal(err)
	}
	got := d.Runs([]result.Result{
		{Group: "home", Name: "home", Answer: result.Holds},
		{Group: "orders", Name: "log in", Answer: result.Holds},
		{Group: "orders", Name: "order", Answer: result.Unknown},
		{Group: "orders", Name: "log out", Answer: result.Holds},
	})
	if diff := cmp.Diff(map[string][2]int64{"all": {1, 2}, "orders": {0, 1}}, got); diff != "" {
		t.Error(diff)
	}
}
