package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestTheObjectOfACreatedCluster(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vars.yaml")
	if err := os.WriteFile(file, []byte("nodes: 1\nzones: [a, b]\nname: from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &command.Context{Getenv: func(name string) string {
		return map[string]string{"LANDFALL_LOCAL_DIR": "/srv/local"}[name]
	}}
	flags := createFlags{addons: "infra/addons", moduleFlags: moduleFlags{
		module: "local", files: []string{file}, variables: []string{"nodes=3", "cidr=10.1.0.0/16", "text=a=b", "quoted=\"7\""},
		secrets: []string{"token=infra/hoster/key"}, backend: "s3", backendConfig: []string{"bucket=states"},
	}, routingFlags: routingFlags{domain: "green.example.org", ingress: "nginx"}}
	cluster, err := wantedCluster(c, "green", flags)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(cluster.Spec)
	if err != nil {
		t.Fatal(err)
	}
	want := `addons:
  blueprint: addons
  project: infra
kubeconfigSecret:
  key: kubeconfig
  name: cluster-green
  namespace: landfall-system
routing:
  domain: green.example.org
  ingressClassName: nginx
terraform:
  backend:
    config:
      bucket: states
    type: s3
  module: local
  secretVariables:
  - valueFrom:
      key: key
      name: hoster
      namespace: infra
    variable: token
  variables:
    cidr: 10.1.0.0/16
    name: from-file
    nodes: 3
    quoted: "7"
    state_dir: /srv/local
    text: a=b
    zones:
    - a
    - b
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the object (-want +got):\n%s", diff)
	}
}

func TestWhatCreateRefuses(t *testing.T) {
	c := &command.Context{Getenv: func(string) string { return "" }}
	for name, flags := range map[string]createFlags{
		"no module":              {},
		"half a routing":         {moduleFlags: moduleFlags{module: "local"}, routingFlags: routingFlags{domain: "x"}},
		"no value":               {moduleFlags: moduleFlags{module: "local", variables: []string{"nodes"}}},
		"no key of the secret":   {moduleFlags: moduleFlags{module: "local", secrets: []string{"token=a/b"}}},
		"a backend without type": {moduleFlags: moduleFlags{module: "local", backendConfig: []string{"a=b"}}},
		"no file":                {moduleFlags: moduleFlags{module: "local", files: []string{"/no/such/file"}}},
		"no blueprint":           {moduleFlags: moduleFlags{module: "local"}, addons: "infra"},
	} {
		if _, err := wantedCluster(c, "green", flags); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHowAPlanReads(t *testing.T) {
	planned := &provision.Planned{Summary: terraform.Summary{Add: 2, Change: 1, Destroy: 2, Changes: []terraform.Change{
		{Address: "aws_eks_cluster.this", Action: terraform.Update, Outside: true, Attributes: []terraform.Attribute{{Path: "version", Before: `"1.33"`, After: `"1.34"`}}},
		{Address: "aws_vpc.this", Action: terraform.Create},
		{Address: "terraform_data.cluster", Action: terraform.Replace, Reason: "it cannot be changed in place", Attributes: []terraform.Attribute{{Path: "nodes", Before: "1", After: "2", Replaces: true}}},
		{Address: "terraform_data.old", Action: terraform.Delete},
	}}}
	var out bytes.Buffer
	if err := showPlanned(&out, planned, false); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
  ~ aws_eks_cluster.this  (changed by other means)
      version: "1.33" → "1.34"
  + aws_vpc.this
-/+ terraform_data.cluster  (it cannot be changed in place)
      nodes: 1 → 2  (cannot be changed in place)
  - terraform_data.old
2 to add, 1 to change, 2 to destroy
`, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
}
