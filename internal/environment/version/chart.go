package version

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	repo "helm.sh/helm/v4/pkg/repo/v1"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/chart"
	"github.com/landfall-dev/landfall/internal/environment/suggest"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	maxChart = 20 << 20
	maxIndex = 64 << 20
	// chartLayer is the media type of a chart in a registry, as Helm's
	// documentation of OCI support gives it.
	chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	scheme     = "oci://"
)

// Chart fetches a chart.
func (r *Remote) Chart(ctx context.Context, c v1alpha1.Chart) (environment.Chart, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var archive []byte
	var err error
	switch {
	case len(c.Archive) > 0:
		archive = c.Archive
	case strings.HasPrefix(c.Repository, scheme):
		archive, err = r.registryChart(ctx, c)
	case c.Repository != "":
		archive, err = r.repositoryChart(ctx, c)
	default:
		return environment.Chart{}, fault.New(fault.Invalid, "Apply the blueprint with `landfall apply`, which packs it.", "chart %s was not packed", c.Path)
	}
	if err != nil {
		return environment.Chart{}, err
	}
	name, version, err := chart.Describe(archive)
	if err != nil {
		return environment.Chart{}, fault.Wrap(fault.Invalid, err, "")
	}
	sum := sha256.Sum256(archive)
	return environment.Chart{Name: name, Version: version, Digest: "sha256:" + hex.EncodeToString(sum[:]), Archive: archive}, nil
}

// registryChart fetches a chart from an OCI registry.
func (r *Remote) registryChart(ctx context.Context, c v1alpha1.Chart) ([]byte, error) {
	repository := strings.TrimPrefix(c.Repository, scheme)
	base, err := r.locate(repository)
	if err != nil {
		return nil, err
	}
	tag, err := r.chartTag(ctx, c, base)
	if err != nil {
		return nil, err
	}
	at, err := r.locate(repository + ":" + tag)
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(at.Reference, r.remote(ctx, at)...)
	if err != nil {
		return nil, r.explain(ctx, repository+":"+tag, at, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading chart %s: %w", c.Repository, err)
	}
	for _, layer := range layers {
		if kind, err := layer.MediaType(); err != nil || kind != chartLayer {
			continue
		}
		content, err := layer.Compressed()
		if err != nil {
			return nil, fmt.Errorf("fetching chart %s: %w", c.Repository, err)
		}
		defer content.Close()
		return readBounded(content, maxChart, c.Repository)
	}
	return nil, fault.New(fault.Invalid, "", "%s:%s is not a Helm chart", c.Repository, tag)
}

// chartTag is the tag of the newest version in the chart's range. Helm writes +
// as _ in tags, which cannot hold it.
func (r *Remote) chartTag(ctx context.Context, c v1alpha1.Chart, at location) (string, error) {
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(c.Version, "v")); err == nil {
		return strings.ReplaceAll(c.Version, "+", "_"), nil
	}
	constraint, err := semver.NewConstraint(cmp.Or(c.Version, "*"))
	if err != nil {
		return "", fault.New(fault.Invalid, "", "chart version %q is neither a version nor a range", c.Version)
	}
	tags, err := remote.List(at.Context(), r.remote(ctx, at)...)
	if err != nil {
		return "", r.explain(ctx, c.Repository, at, err)
	}
	var best *semver.Version
	var bestTag string
	for _, tag := range tags {
		version, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "+"))
		if err == nil && constraint.Check(version) && (best == nil || version.GreaterThan(best)) {
			best, bestTag = version, tag
		}
	}
	if best == nil {
		return "", noVersion(c, tags)
	}
	return bestTag, nil
}

// repositoryChart fetches a chart from an HTTP repository.
func (r *Remote) repositoryChart(ctx context.Context, c v1alpha1.Chart) ([]byte, error) {
	text, err := r.get(ctx, strings.TrimSuffix(c.Repository, "/")+"/index.yaml", maxIndex)
	if err != nil {
		return nil, err
	}
	var index repo.IndexFile
	if err := yaml.Unmarshal(text, &index); err != nil {
		return nil, fault.New(fault.Failed, "", "reading the index of chart repository %s: %w", c.Repository, err)
	}
	index.SortEntries()
	if _, ok := index.Entries[c.Name]; !ok {
		return nil, fault.New(fault.NotFound, "", "chart repository %s has no chart %s%s", c.Repository, c.Name, suggest.DidYouMean(c.Name, keys(index.Entries)))
	}
	entry, err := index.Get(c.Name, c.Version)
	if err != nil || len(entry.URLs) == 0 {
		var versions []string
		for _, v := range index.Entries[c.Name] {
			versions = append(versions, v.Version)
		}
		return nil, noVersion(c, versions)
	}
	address, err := resolveURL(c.Repository, entry.URLs[0])
	if err != nil {
		return nil, err
	}
	archive, err := r.get(ctx, address, maxChart)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(archive); entry.Digest != "" && !strings.EqualFold(strings.TrimPrefix(entry.Digest, "sha256:"), hex.EncodeToString(sum[:])) {
		return nil, fault.New(fault.Failed, "Ask who runs the repository: the file was changed after it was indexed.",
			"chart %s from %s does not have the digest that the repository's index gives", c.Name, redact(address))
	}
	return archive, nil
}

func noVersion(c v1alpha1.Chart, versions []string) error {
	hint := ""
	if near := suggest.Closest(c.Version, versions, suggestions); len(near) > 0 {
		hint = "The nearest versions are " + strings.Join(near, ", ") + "."
	}
	return fault.New(fault.NotFound, hint, "chart %s has no version %s", strings.TrimPrefix(c.Repository+"/"+c.Name, "/"), cmp.Or(c.Version, "that is stable"))
}

// resolveURL is an index's address of a chart, which may be relative to the
// repository.
func resolveURL(repository, chart string) (string, error) {
	base, err := url.Parse(strings.TrimSuffix(repository, "/") + "/")
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "")
	}
	target, err := base.Parse(chart)
	if err != nil {
		return "", fault.New(fault.Failed, "", "the index of %s gives no address for the chart: %w", repository, err)
	}
	if target.Scheme != "http" && target.Scheme != "https" {
		return "", fault.New(fault.Failed, "", "the index of %s gives %s for the chart, which is not http or https", repository, redact(target.String()))
	}
	return target.String(), nil
}

func (r *Remote) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "")
	}
	response, err := (&http.Client{Transport: r.options.Transport}).Do(request)
	if err != nil {
		return nil, fault.New(fault.Failed, "Check that it can be reached from here.", "fetching %s: %w", redact(address), errors.Unwrap(err))
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, fault.New(fault.NotFound, "", "%s does not exist", redact(address))
	case response.StatusCode != http.StatusOK:
		return nil, fault.New(fault.Failed, "", "fetching %s: it answers %s", redact(address), response.Status)
	}
	return readBounded(response.Body, limit, redact(address))
}

func readBounded(from io.Reader, limit int64, what string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, fault.New(fault.Failed, "", "fetching %s: %w", what, err)
	}
	if int64(len(content)) > limit {
		return nil, fault.New(fault.Invalid, "", "%s is larger than %d MiB", what, limit>>20)
	}
	return content, nil
}

// redact takes a password out of an address.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	return u.Redacted()
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}
