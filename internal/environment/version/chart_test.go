package version_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/version"
	"github.com/landfall-dev/landfall/internal/fault"
)

func packedChart(t *testing.T, version string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	content := fmt.Sprintf("apiVersion: v2\nname: web\nversion: %s\n", version)
	err := archive.WriteHeader(&tar.Header{Name: "web/Chart.yaml", Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = archive.Write([]byte(content))
	}
	if err := errors.Join(err, archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var versions = []string{"1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.2.0+build.7"}

// repository serves charts by HTTP; one of them is not what the index says.
func repository(t *testing.T) string {
	t.Helper()
	files := map[string][]byte{"/charts/x/web-0.9.0.tgz": packedChart(t, "0.9.1")}
	index := "apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 0.9.0, digest: " + strings.Repeat("0", 64) + ", urls: [x/web-0.9.0.tgz]}\n"
	for _, v := range versions {
		files["/charts/x/web-"+v+".tgz"] = packedChart(t, v)
		index += fmt.Sprintf("  - {name: web, version: %s, digest: %x, urls: [x/web-%s.tgz]}\n", v, sha256.Sum256(files["/charts/x/web-"+v+".tgz"]), v)
	}
	files["/charts/index.yaml"] = []byte(index)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/charts"
}

// registryCharts serves charts by OCI.
func registryCharts(t *testing.T) string {
	t.Helper()
	host, _ := server(t)
	for _, v := range versions {
		layer := static.NewLayer(packedChart(t, v), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
		image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json"), layer)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.ParseReference(host + "/charts/web:" + strings.ReplaceAll(v, "+", "_"))
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, image); err != nil {
			t.Fatal(err)
		}
	}
	push(t, host+"/not/a/chart:1.0.0", "linux", "amd64")
	return "oci://" + host + "/charts/web"
}

func TestChartVersions(t *testing.T) {
	repositories := map[string]string{"http": repository(t), "oci": registryCharts(t)}
	tests := []struct{ asked, want string }{
		{"1.0.0", "1.0.0"},
		{"1.2.0+build.7", "1.2.0+build.7"},
		{"^1.0.0", "1.10.0"},
		{"~1.2.0", "1.2.0"},
		{"", "1.10.0"},
		{">=2.0.0-0", "2.0.0-rc.1"},
	}
	for kind, repository := range repositories {
		for _, test := range tests {
			c := v1alpha1.Chart{Repository: repository, Name: "web", Version: test.asked}
			got, err := version.New(version.Options{}).Chart(context.Background(), c)
			// Build metadata does not order versions: either will do.
			if base, _, _ := strings.Cut(got.Version, "+"); err != nil || got.Name != "web" || got.Version != test.want && base != test.want {
				t.Errorf("%s %q: got %s %s, %v; want %s", kind, test.asked, got.Name, got.Version, err, test.want)
			}
			if want := fmt.Sprintf("sha256:%x", sha256.Sum256(got.Archive)); got.Digest != want {
				t.Errorf("%s %q: digest %s, want %s", kind, test.asked, got.Digest, want)
			}
		}
	}
}

func TestPackedChart(t *testing.T) {
	archive := packedChart(t, "3.1.4")
	got, err := version.New(version.Options{}).Chart(context.Background(), v1alpha1.Chart{Archive: archive})
	if err != nil || got.Version != "3.1.4" || !bytes.Equal(got.Archive, archive) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestChartsThatCannotBeFetched(t *testing.T) {
	web, oci := repository(t), registryCharts(t)
	tests := map[string]struct {
		chart      v1alpha1.Chart
		want, hint string
		class      fault.Class
	}{
		"no such version":     {v1alpha1.Chart{Repository: web, Name: "web", Version: "1.0.1"}, "has no version 1.0.1", "1.0.0", fault.NotFound},
		"no such range":       {v1alpha1.Chart{Repository: oci, Version: "^7"}, "has no version ^7", "", fault.NotFound},
		"no such tag":         {v1alpha1.Chart{Repository: oci, Version: "1.0.1"}, "has no tag 1.0.1", "1.0.0", fault.NotFound},
		"no such chart":       {v1alpha1.Chart{Repository: web, Name: "wbe"}, `has no chart wbe, did you mean "web"?`, "", fault.NotFound},
		"no repository":       {v1alpha1.Chart{Repository: web + "/nowhere", Name: "web"}, "does not exist", "", fault.NotFound},
		"nobody there":        {v1alpha1.Chart{Repository: "http://127.0.0.1:1", Name: "web"}, "fetching http://127.0.0.1:1/index.yaml", "reached", fault.Failed},
		"not the indexed one": {v1alpha1.Chart{Repository: web, Name: "web", Version: "0.9.0"}, "digest", "", fault.Failed},
		"not a chart":         {v1alpha1.Chart{Repository: strings.Replace(oci, "/charts/web", "/not/a/chart", 1), Version: "1.0.0"}, "is not a Helm chart", "", fault.Invalid},
		"not a version":       {v1alpha1.Chart{Repository: oci, Version: "newest!"}, "neither a version nor a range", "", fault.Invalid},
		"not packed":          {v1alpha1.Chart{Path: "charts/web"}, "was not packed", "landfall apply", fault.Invalid},
		"not an archive":      {v1alpha1.Chart{Archive: []byte("x")}, "unpacking the chart", "", fault.Invalid},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			_, err := version.New(version.Options{}).Chart(context.Background(), test.chart)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("got %v (%s), want %q (%s)", err, fault.HintOf(err), test.want, test.hint)
			}
			if class := fault.ClassOf(err); class != test.class {
				t.Errorf("class %s, want %s", class, test.class)
			}
		})
	}
}
