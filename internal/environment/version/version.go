// Package version resolves what people ask for (a tag, a chart version) to what
// exactly runs (a digest, a packed chart). It talks to registries and chart
// repositories; what is done with the result is not its matter. Start at
// Resolver.
package version

import (
	"context"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
)

// Resolver asks registries and repositories. Implementations are safe for
// concurrent use, bound their own time and may answer from a short-lived cache.
type Resolver interface {
	// Image resolves a reference by tag or digest. A tag that does not exist is
	// fault.NotFound, with the nearest tags as hint; an unreachable registry is
	// fault.Failed.
	Image(ctx context.Context, reference string) (environment.Image, error)
	// Chart fetches the chart, at the given version, range or, where empty, its
	// own. A packed chart is unpacked enough to say its name and version.
	Chart(ctx context.Context, chart v1alpha1.Chart) (environment.Chart, error)
}

// Resolve gets everything that needs names, concurrently.
func Resolve(ctx context.Context, r Resolver, needs environment.Needs) (map[string]environment.Image, map[string]environment.Chart, error) {
	return nil, nil, nil
}

// Pin resolves the images that charts and kustomizations name by tag, and pins
// them in d.
func Pin(ctx context.Context, r Resolver, d *environment.Desired) error { return nil }
