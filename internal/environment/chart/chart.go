// Package chart renders Helm charts with the Helm library, without a cluster
// and confined to time, memory and output limits. It knows nothing of
// blueprints. Start at Render.
package chart

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/environment/confine"
)

// Request is a chart and what it is rendered with.
type Request struct {
	// Archive is the packed chart (.tgz).
	Archive []byte
	// Release and Namespace are what templates see as .Release.Name and
	// .Release.Namespace.
	Release   string
	Namespace string
	Values    map[string]any
	// KubeVersion is what templates see as .Capabilities.KubeVersion, such as
	// "v1.34.4"; empty where it is not known, for assumedKubeVersion.
	KubeVersion string
	// APIVersions are added to the built-in ones.
	APIVersions []string
}

// Rendered is what a chart consists of.
type Rendered struct {
	// Definitions are the CustomResourceDefinitions, wherever the chart has
	// them.
	Definitions []*unstructured.Unstructured
	// Before and After are the hooks of an installation or upgrade, in waves of
	// equal weight. Other hooks, such as tests, are left out.
	Before, After [][]*unstructured.Unstructured
	// Objects are the rest, in the order in which Helm installs them.
	Objects []*unstructured.Unstructured
}

// assumedKubeVersion is that of the local cluster.
const assumedKubeVersion = "v1.34.0"

var (
	confined = confine.New("render-chart", render)
	limits   = confine.Limits{Time: 10 * time.Second, Output: 32 << 20}
)

// Render renders a chart as `helm template` would for a new installation:
// lookup finds nothing. Errors name the template.
func Render(ctx context.Context, request Request) (*Rendered, error) {
	input, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding the chart's values: %w", err)
	}
	output, err := confined.Call(ctx, limits, input)
	if err != nil {
		return nil, err
	}
	var files rendering
	if err := json.Unmarshal(output, &files); err != nil {
		return nil, fmt.Errorf("reading the rendered chart: %w", err)
	}
	return sortOut(files)
}

// rendering is what comes out of the templates, by file.
type rendering struct {
	CRDs  []file
	Files []file
}

type file struct {
	Name    string
	Content string
}

// render runs in a process of its own.
func render(input []byte, at func(string)) ([]byte, error) {
	var request Request
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	at("the chart's archive")
	chart, err := load(request.Archive)
	if err != nil {
		return nil, err
	}
	at("the chart's values")
	values, err := renderValues(chart, request)
	if err != nil {
		return nil, err
	}
	markTemplates(chart)
	e := engine.Engine{CustomTemplateFuncs: map[string]any{
		markFunction: func(name string) string { at("template " + name); return "" },
	}}
	rendered, err := e.RenderWithContext(context.Background(), chart, values)
	if err != nil {
		return nil, err
	}
	var out rendering
	for _, crd := range chart.CRDObjects() {
		out.CRDs = append(out.CRDs, file{crd.Filename, string(crd.File.Data)})
	}
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if !strings.HasSuffix(name, "NOTES.txt") {
			out.Files = append(out.Files, file{name, rendered[name]})
		}
	}
	return json.Marshal(out)
}

func load(archive []byte) (*chartv2.Chart, error) {
	chart, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("unpacking the chart: %w", err)
	}
	if err := chart.Validate(); err != nil {
		return nil, fmt.Errorf("reading Chart.yaml: %w", err)
	}
	if chart.Metadata.Type == "library" {
		return nil, fmt.Errorf("chart %s is a library: only application charts can be installed", chart.Name())
	}
	for _, needed := range chart.Metadata.Dependencies {
		present := slices.ContainsFunc(chart.Dependencies(), func(d *chartv2.Chart) bool { return d.Name() == needed.Name })
		if !present {
			return nil, fmt.Errorf("chart %s lacks its dependency %s: run `helm dependency build` and pack it again", chart.Name(), needed.Name)
		}
	}
	return chart, nil
}

// renderValues are the chart's values with the request's, checked against the
// chart's schema.
func renderValues(chart *chartv2.Chart, request Request) (common.Values, error) {
	capabilities := common.DefaultCapabilities.Copy()
	kube, err := common.ParseKubeVersion(cmp.Or(request.KubeVersion, assumedKubeVersion))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's version: %w", err)
	}
	capabilities.KubeVersion = *kube
	capabilities.APIVersions = append(slices.Clone(capabilities.APIVersions), request.APIVersions...)
	if required := chart.Metadata.KubeVersion; required != "" && !chartutil.IsCompatibleRange(required, capabilities.KubeVersion.Version) {
		return nil, fmt.Errorf("chart %s needs Kubernetes %s, the cluster has %s", chart.Name(), required, capabilities.KubeVersion.Version)
	}
	if request.Values == nil {
		request.Values = map[string]any{}
	}
	if err := chartutil.ProcessDependencies(chart, request.Values); err != nil {
		return nil, fmt.Errorf("choosing the chart's dependencies: %w", err)
	}
	release := common.ReleaseOptions{Name: request.Release, Namespace: request.Namespace, Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(chart, request.Values, release, capabilities)
	if err != nil {
		return nil, fmt.Errorf("checking the chart's values: %w", err)
	}
	return values, nil
}

// markFunction tells which template is being rendered.
const markFunction = "landfallAt"

// markTemplates lets each template say that its turn has come. The mark is on
// the first line, so that line numbers in messages stay true.
func markTemplates(chart *chartv2.Chart) {
	for _, t := range chart.Templates {
		t.Data = append(fmt.Appendf(nil, "{{ %s %q }}", markFunction, chart.ChartFullPath()+"/"+t.Name), t.Data...)
	}
	for _, dependency := range chart.Dependencies() {
		markTemplates(dependency)
	}
}

// Describe reads a packed chart's name and version.
func Describe(archive []byte) (name, version string, err error) {
	chart, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return "", "", fmt.Errorf("unpacking the chart: %w", err)
	}
	if chart.Metadata == nil || chart.Name() == "" {
		return "", "", errors.New("the chart has no name: is there a Chart.yaml?")
	}
	return chart.Name(), chart.Metadata.Version, nil
}
