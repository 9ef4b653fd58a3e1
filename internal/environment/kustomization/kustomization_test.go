package kustomization_test

import (
	"context"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/environment/kustomization"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"

func TestBuild(t *testing.T) {
	objects, err := kustomization.Build(context.Background(), kustomization.Request{
		Folder: "overlay", Namespace: "staging",
		Files: map[string][]byte{
			"overlay/kustomization.yaml": []byte("resources: [../base]\nnamePrefix: my-\n"),
			"base/kustomization.yaml":    []byte("resources: [x.yaml]\n"),
			"base/x.yaml":                []byte(configMap + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: y}\n"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetName() != "my-x" || objects[0].GetNamespace() != "staging" || objects[1].GetNamespace() != "" {
		t.Errorf("got %v", objects)
	}
}

// TestNothingIsFetchedOrRun: what a kustomization needs is in its files.
func TestNothingIsFetchedOrRun(t *testing.T) {
	tests := map[string]struct{ kustomization, want string }{
		"a remote base":           {"resources: ['https://github.com/a/b//c?ref=main']", "resources[0]: https://github.com/a/b//c?ref=main is remote"},
		"a base by git":           {"resources: ['git@github.com:a/b']", "is remote"},
		"a base by short name":    {"resources: ['github.com/a/b']", "is remote"},
		"a remote old base":       {"bases: ['https://example.com/x']", "bases[0]"},
		"a patch by HTTP":         {"resources: [x.yaml]\npatches: [{path: 'http://127.0.0.1:1/p.yaml'}]", "127.0.0.1"},
		"a file by HTTP":          {"configMapGenerator: [{name: a, files: ['https://patch.example/p']}]", "patch.example"},
		"a Helm chart":            {"helmCharts: [{name: redis, repo: 'https://charts.example'}]", "helmCharts"},
		"a file outside":          {"resources: [x.yaml]\nconfigMapGenerator: [{name: a, files: [../../../../etc/passwd]}]", "etc/passwd"},
		"an exec plugin":          {"resources: [x.yaml]\ntransformers:\n- |-\n  apiVersion: evil\n  kind: Evil\n  metadata: {name: e, annotations: {config.kubernetes.io/function: 'exec: {path: /bin/true}'}}", "plugin"},
		"itself":                  {"resources: [.]", "cycle"},
		"a folder that is absent": {"resources: [../nowhere]", "nowhere"},
		"not a kustomization":     {"a: [b", "kustomization.yaml"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			_, err := kustomization.Build(context.Background(), kustomization.Request{
				Namespace: "n", Files: map[string][]byte{"kustomization.yaml": []byte(test.kustomization), "x.yaml": []byte(configMap)},
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
