package pack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/pack"
	"github.com/landfall-dev/landfall/internal/fault"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const chartYAML = "apiVersion: v2\nname: web\nversion: 1.0.0\n"

func TestChartIsPackedDeterministically(t *testing.T) {
	files := map[string]string{"Chart.yaml": chartYAML, "templates/a.yaml": "a: 1\n", ".helmignore": "*.bak\n", "values.bak": "old", ".git/config": "x"}
	first, err := pack.Chart(tree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	again := tree(t, files)
	if err := os.Chtimes(filepath.Join(again, "Chart.yaml"), time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	second, err := pack.Chart(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same files gave other bytes")
	}
	got, err := pack.Unpack(first)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"chart/Chart.yaml": []byte(chartYAML), "chart/templates/a.yaml": []byte("a: 1\n"), "chart/.helmignore": []byte("*.bak\n")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPackedChartIsTakenAsItIs(t *testing.T) {
	archive, err := pack.Chart(tree(t, map[string]string{"Chart.yaml": chartYAML}))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "web-1.0.0.tgz")
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := pack.Chart(file)
	if err != nil || !bytes.Equal(got, archive) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestKustomizationBringsItsBases(t *testing.T) {
	dir := tree(t, map[string]string{
		".git/HEAD":                                 "ref: main",
		"deploy/base/kustomization.yaml":            "resources: [web.yaml]\n",
		"deploy/base/web.yaml":                      "kind: X\n",
		"deploy/parts/tls/kustomization.yaml":       "kind: Component\n",
		"deploy/overlays/staging/kustomization.yml": "resources: [../../base]\ncomponents: [../../parts/tls]\n",
		"deploy/overlays/prod/kustomization.yaml":   "resources: [../../base]\n",
		"deploy/secret.txt":                         "not packed",
	})
	archive, folder, err := pack.Kustomization(filepath.Join(dir, "deploy/overlays/staging"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := pack.Unpack(archive)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	want := []string{"base/kustomization.yaml", "base/web.yaml", "overlays/staging/kustomization.yml", "parts/tls/kustomization.yaml"}
	if diff := cmp.Diff(want, names, cmp.Transformer("sort", sorted)); diff != "" {
		t.Error(diff)
	}
	if folder != "overlays/staging" {
		t.Errorf("folder %q", folder)
	}
}

func sorted(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}

func TestWhatIsNotPacked(t *testing.T) {
	big := make([]byte, pack.MaxArchive*2)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	tests := map[string]struct {
		chart     *v1alpha1.Chart
		kustomize *v1alpha1.Kustomize
		files     map[string]string
		link      string // name of a link to /etc
		want      string
	}{
		"a chart that is not there":      {chart: &v1alpha1.Chart{Path: "charts/web"}, want: "no such file"},
		"a folder without a chart":       {chart: &v1alpha1.Chart{Path: "."}, files: map[string]string{"x": ""}, want: "has no Chart.yaml"},
		"a link in a chart":              {chart: &v1alpha1.Chart{Path: "."}, files: map[string]string{"Chart.yaml": chartYAML}, link: "files", want: "links and devices are not packed"},
		"a chart that is too large":      {chart: &v1alpha1.Chart{Path: "."}, files: map[string]string{"Chart.yaml": chartYAML, "big": string(big)}, want: "at most 700 kB"},
		"a kustomization without a file": {kustomize: &v1alpha1.Kustomize{Path: "empty"}, files: map[string]string{"empty/sub/x": "x"}, want: "has no kustomization.yaml"},
		"a base outside":                 {kustomize: &v1alpha1.Kustomize{Path: "."}, files: map[string]string{"kustomization.yaml": "resources: [../../../etc]\n"}, want: "which is outside"},
		"a remote base":                  {kustomize: &v1alpha1.Kustomize{Path: "."}, files: map[string]string{"kustomization.yaml": "resources: ['https://github.com/a/b?ref=main']\n"}, want: "is remote"},
		"a base that is not there":       {kustomize: &v1alpha1.Kustomize{Path: "."}, files: map[string]string{"kustomization.yaml": "resources: [base]\n"}, want: "no such file"},
		"a link to a base":               {kustomize: &v1alpha1.Kustomize{Path: "."}, files: map[string]string{"kustomization.yaml": "resources: [base]\n"}, link: "base", want: "links and devices are not packed"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			dir := tree(t, test.files)
			if test.link != "" {
				if err := os.Symlink("/etc", filepath.Join(dir, test.link)); err != nil {
					t.Fatal(err)
				}
			}
			bp := &v1alpha1.Blueprint{Spec: v1alpha1.BlueprintSpec{Components: []v1alpha1.Component{{Name: "web", Chart: test.chart, Kustomize: test.kustomize}}}}
			err := pack.Blueprint(bp, dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "spec.components[0]") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if fault.ClassOf(err) != fault.Invalid {
				t.Errorf("class %s", fault.ClassOf(err))
			}
		})
	}
}

func TestHostileArchives(t *testing.T) {
	tests := map[string]struct {
		header tar.Header
		want   string
	}{
		"leaves its folder":  {tar.Header{Name: "../../etc/passwd", Typeflag: tar.TypeReg}, "leaves its folder"},
		"an absolute name":   {tar.Header{Name: "/etc/passwd", Typeflag: tar.TypeReg}, "leaves its folder"},
		"a symbolic link":    {tar.Header{Name: "a", Linkname: "/etc", Typeflag: tar.TypeSymlink}, "neither a file nor a folder"},
		"a hard link":        {tar.Header{Name: "a", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}, "neither a file nor a folder"},
		"a device":           {tar.Header{Name: "a", Typeflag: tar.TypeChar}, "neither a file nor a folder"},
		"Windows separators": {tar.Header{Name: `..\..\x`, Typeflag: tar.TypeReg}, "leaves its folder"},
		"a bomb":             {tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 100 << 20}, "unfolds to more than"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			var out bytes.Buffer
			zip := gzip.NewWriter(&out)
			archive := tar.NewWriter(zip)
			if err := archive.WriteHeader(&test.header); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write(make([]byte, test.header.Size)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(archive.Close(), zip.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := pack.Unpack(out.Bytes()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzUnpack: no archive makes Unpack panic or give a name outside its folder.
func FuzzUnpack(f *testing.F) {
	for i := range 3 {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		archive := tar.NewWriter(zip)
		_ = archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("a/%d", i), Size: 2, Typeflag: tar.TypeReg})
		_, _ = archive.Write([]byte("hi"))
		_ = errors.Join(archive.Close(), zip.Close())
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := pack.Unpack(archive)
		if err != nil {
			return
		}
		for name := range files {
			if !filepath.IsLocal(name) {
				t.Errorf("unpacked %q", name)
			}
		}
	})
}
