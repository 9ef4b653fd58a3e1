package migration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// The commands are run by a shell with tools that only write down how they are
// called: whatever the names hold, nothing else runs.
func TestByHandRunsNothingElse(t *testing.T) {
	folder := t.TempDir()
	for _, tool := range []string{"socat", "kubectl", "aws"} {
		script := "#!/bin/sh\necho " + tool + " \"$@\" >> " + filepath.Join(folder, "calls") + "\n"
		if err := os.WriteFile(filepath.Join(folder, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hostile := "$(touch " + filepath.Join(folder, "hit") + ")`touch " + filepath.Join(folder, "hit") + "`'; touch " + filepath.Join(folder, "hit")
	side := func(name string) v1alpha1.MigrationSide {
		return v1alpha1.MigrationSide{
			Name: name, HAProxy: &v1alpha1.HAProxySide{Servers: []string{name + hostile}},
			GatewayAPI: &v1alpha1.GatewayAPISide{Service: name}, ALB: &v1alpha1.ALBSide{TargetGroupARN: name + hostile},
			Route53: &v1alpha1.Route53Side{Records: []string{hostile}},
		}
	}
	for name, router := range map[string]v1alpha1.MigrationRouter{
		"socat stdio tcp:10.0.0.1:9999": {HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"tcp://10.0.0.1:9999", "unix:///run/" + hostile}, Backend: "shop" + hostile}},
		"kubectl --namespace":           {GatewayAPI: &v1alpha1.GatewayAPIRouter{Route: hostile, Namespace: hostile}},
		"aws elbv2 modify-rule":         {ALB: &v1alpha1.ALBRouter{RuleARN: hostile}},
		"aws route53 change-resource":   {Route53: &v1alpha1.Route53Router{HostedZoneID: hostile}},
	} {
		m := &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "shop"},
			Spec: v1alpha1.MigrationSpec{Hostname: "shop.example", Router: router, From: side("old"), To: side("new")}}
		script := ByHand(m)
		cmd := exec.CommandContext(context.Background(), "sh", "-eu", "-c", script)
		cmd.Dir, cmd.Env = folder, []string{"PATH=" + folder + ":/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s\n%s", name, err, out, script)
		}
		calls, err := os.ReadFile(filepath.Join(folder, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(calls), name) {
			t.Errorf("no call of %q among:\n%s", name, calls)
		}
		if _, err := os.Stat(filepath.Join(folder, "hit")); err == nil {
			t.Fatalf("a name was run as a command:\n%s", script)
		}
	}
}
