package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/environment/chart"
	"github.com/landfall-dev/landfall/internal/environment/confine"
)

// packed is a chart of the given files, with a Chart.yaml unless they have one.
func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	if files["Chart.yaml"] == "" {
		files["Chart.yaml"] = "apiVersion: v2\nname: test\nversion: 1.0.0\n"
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for name, content := range files {
		if err := archive.WriteHeader(&tar.Header{Name: "test/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestHostileTemplates: whatever a template does, the answer is an error that
// names it, and this process goes on.
func TestHostileTemplates(t *testing.T) {
	const name = "templates/bad.yaml"
	tests := map[string]struct {
		template, want string
		limit          bool
	}{
		"fails":             {`{{ fail "no way" }}`, "no way", false},
		"panics":            {`{{ index .Values.list 5 }}`, "bad.yaml", false},
		"does not parse":    {`{{ if }}`, "bad.yaml:1", false},
		"unknown function":  {`{{ env "HOME" }}`, `function "env" not defined`, false},
		"requires a value":  {`{{ required "set .Values.host" .Values.host }}`, "set .Values.host", false},
		"includes itself":   {`{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}`, "nested reference", false},
		"templates itself":  {`{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}`, "exceeded maximum template depth", false},
		"tpl without end":   {`{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}`, "bad.yaml", true},
		"fills the memory":  {`{{ $s := "xxxxxxxxxxxxxxxx" }}{{ range until 40 }}{{ $s = cat $s $s }}{{ end }}{{ $s }}`, "memory", true},
		"floods the output": {`{{ range until 3000 }}{{ repeat 20000 "x" }}{{ end }}`, "MiB of ", true},
		"not YAML":          {"a: [", "converting YAML", false},
		"not an object":     {"- a\n- b\n", "bad.yaml", false},
		"no kind":           {"apiVersion: v1\nmetadata: {name: x}\n", "lacks apiVersion or kind", false},
		"no name":           {"apiVersion: v1\nkind: ConfigMap\n", "lacks metadata.name", false},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			archive := packed(t, map[string]string{name: test.template, "values.yaml": "list: [1]\n"})
			_, err := chart.Render(context.Background(), chart.Request{Archive: archive, Release: "r", Namespace: "n"})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "bad.yaml") {
				t.Errorf("got %v, want %q naming bad.yaml", err, test.want)
			}
			if _, limit := errors.AsType[*confine.LimitError](err); limit != test.limit {
				t.Errorf("a limit: %v, want %v: %v", limit, test.limit, err)
			}
		})
	}
}

func TestEndlessLoop(t *testing.T) {
	chart.LimitTime(t, 3*time.Second)
	archive := packed(t, map[string]string{"templates/bad.yaml": `{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}`})
	_, err := chart.Render(context.Background(), chart.Request{Archive: archive, Release: "r", Namespace: "n"})
	if err == nil || err.Error() != "template test/templates/bad.yaml takes more than 3s" {
		t.Errorf("got %v", err)
	}
}

func TestBadCharts(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"a library":               {map[string]string{"Chart.yaml": "apiVersion: v2\nname: test\nversion: 1.0.0\ntype: library\n"}, "is a library"},
		"a missing dependency":    {map[string]string{"Chart.yaml": "apiVersion: v2\nname: test\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.0.0, repository: https://x.example}]\n"}, "lacks its dependency redis"},
		"a newer Kubernetes":      {map[string]string{"Chart.yaml": "apiVersion: v2\nname: test\nversion: 1.0.0\nkubeVersion: '>=2.0.0'\n"}, "needs Kubernetes >=2.0.0"},
		"values against a schema": {map[string]string{"values.schema.json": `{"properties": {"replicas": {"type": "integer"}}}`, "values.yaml": "replicas: many\n"}, "replicas"},
		"a schema from elsewhere": {map[string]string{"values.schema.json": `{"$ref": "https://schema.example/x.json"}`}, "schema.example"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Render(context.Background(), chart.Request{Archive: packed(t, test.files), Release: "r", Namespace: "n"})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	archive := packed(t, map[string]string{"templates/c.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  version: {{ .Capabilities.KubeVersion.Version }}
  monitoring: "{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}"
  batch: "{{ .Capabilities.APIVersions.Has "batch/v1" }}"
  install: "{{ .Release.IsInstall }}"
  big: "{{ 12345678901 }}"
`})
	r, err := chart.Render(context.Background(), chart.Request{
		Archive: archive, Release: "r", Namespace: "n", KubeVersion: "v1.31.2+k3s1", APIVersions: []string{"monitoring.coreos.com/v1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := r.Objects[0].Object["data"].(map[string]any)
	for key, want := range map[string]string{"version": "v1.31.2+k3s1", "monitoring": "true", "batch": "true", "install": "true"} {
		if data[key] != want {
			t.Errorf("%s is %v, want %s", key, data[key], want)
		}
	}
}

func TestCancelledRenderStopsAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	archive := packed(t, map[string]string{"templates/a.yaml": `{{ range until 100000 }}{{ range until 1000000 }}{{ end }}{{ end }}`})
	_, err := chart.Render(ctx, chart.Request{Archive: archive, Release: "r", Namespace: "n"})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

func BenchmarkRender(b *testing.B) {
	archive := packed(b, map[string]string{"templates/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"})
	for b.Loop() {
		if _, err := chart.Render(context.Background(), chart.Request{Archive: archive, Release: "r", Namespace: "n"}); err != nil {
			b.Fatal(err)
		}
	}
}
