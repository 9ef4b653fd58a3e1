package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/awstest"
)

// TestHostnames shows a plan, carries it out, and says what is refused.
func TestHostnames(t *testing.T) {
	aws := awstest.Start(t, awstest.Options{})
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": aws.URL(), "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "x", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"} {
		t.Setenv(name, value)
	}
	zone := aws.DNS.CreateZone("example.org")
	aws.DNS.Simple(zone, "www.staging.example.org", "A", 60, "203.0.113.1")
	blue := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "blue"}}
	blue.Spec.Routing = &v1alpha1.Routing{Domain: "example.org", IngressClassName: "nginx", DNS: &v1alpha1.DNS{Zones: []v1alpha1.HostedZone{{HostedZoneID: zone, Records: []string{"192.0.2.1"}}}}}
	staging := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "staging"}}
	staging.Status.Cluster, staging.Status.URLs = "blue", []v1alpha1.URL{{Component: "web", URL: "https://web.staging.example.org"}}
	green := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}}
	cl := fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(blue, green, staging).Build()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		c := &command.Context{Out: &out, Err: &out, Getenv: func(string) string { return "" }}
		c.SetClient(cl)
		cmd := newHostnames(c)
		cmd.Flags().VarP(&c.Output, "output", "o", "")
		cmd.SetArgs(args)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(context.Background())
		return out.String(), err
	}
	out, err := run("blue", "--dry-run", "--records")
	if err != nil || !strings.Contains(out, "+ web.staging.example.org A 192.0.2.1") || len(aws.DNS.Batches(zone)) != 0 {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	if out, err = run("blue"); err != nil || !strings.Contains(out, "zone example.org: 2 hostnames changed") || len(aws.DNS.Sets(zone, "staging.example.org")) != 1 {
		t.Fatalf("%v\n%s\n%v", err, out, aws.DNS.All(zone))
	}
	staging.Spec.Aliases = []string{"www.staging.example.org"}
	if err := cl.Update(t.Context(), staging); err != nil {
		t.Fatal(err)
	}
	out, err = run("blue", "-o", "json")
	var said hostnamesOutcome
	if jsonErr := json.Unmarshal([]byte(out), &said); jsonErr != nil {
		t.Fatalf("%v\n%s", jsonErr, out)
	}
	if fault.ExitCode(err) != fault.ExitNotHolding || len(said.Plans[0].Refused) != 1 || len(said.Plans[0].Unchanged) != 2 {
		t.Errorf("%v: %+v", err, said)
	}
	if _, err := run("green"); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("a cluster without DNS: %v", err)
	}
	aws.Deny()
	if out, err := run("blue"); fault.ExitCode(err) != fault.ExitRefused {
		t.Errorf("AWS refuses: %v\n%s", err, out)
	}
}
