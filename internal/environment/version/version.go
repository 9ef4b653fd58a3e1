// Package version resolves what people ask for (a tag, a chart version) to what
// exactly runs (a digest, a packed chart). It talks to registries and chart
// repositories; what is done with the result is not its matter. Start at
// Resolver; Remote is the one that asks.
package version

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Resolver asks registries and repositories. Implementations are safe for
// concurrent use, bound their own time and may answer from a short-lived cache.
type Resolver interface {
	// Image resolves a reference by tag or digest. A tag that does not exist is
	// fault.NotFound, with the nearest tags as hint; an unreachable registry is
	// fault.Failed.
	Image(ctx context.Context, reference string) (environment.Image, error)
	// Chart fetches a chart at its version, or at the newest in its range. A
	// packed chart is unpacked enough to say its name and version.
	Chart(ctx context.Context, chart v1alpha1.Chart) (environment.Chart, error)
	// With gives a Resolver that shows registries these credentials, and those it
	// has itself where these do not cover an image. What was answered to others
	// is not taken for an answer to them.
	With(credentials *pullsecret.Credentials) Resolver
}

// concurrency of the requests for one environment.
const concurrency = 8

// Resolve gets all images and charts that needs names, concurrently. Errors name
// the component.
func Resolve(ctx context.Context, r Resolver, needs environment.Needs) (map[string]environment.Image, map[string]environment.Chart, error) {
	images := collect[environment.Image]{}
	charts := collect[environment.Chart]{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for component, reference := range needs.Images {
		group.Go(func() error {
			image, err := r.Image(ctx, reference)
			return images.add(component, image, named(component, err))
		})
	}
	for component, chart := range needs.Charts {
		group.Go(func() error {
			fetched, err := r.Chart(ctx, chart)
			return charts.add(component, fetched, named(component, err))
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return images.byKey(), charts.byKey(), nil
}

// Pin resolves the images that charts and kustomizations name by tag, and pins
// them in d. An image that the resolver cannot look up keeps its tag unless the
// registry says that it does not exist: the nodes may have access, or the image,
// where we have not.
func Pin(ctx context.Context, r Resolver, d *environment.Desired) error {
	images := collect[environment.Image]{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, reference := range d.Images() {
		group.Go(func() error {
			image, err := r.Image(ctx, reference)
			if err != nil && fault.ClassOf(err) != fault.NotFound && ctx.Err() == nil {
				return nil
			}
			return images.add(reference, image, err)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("resolving the images of charts and kustomizations: %w", err)
	}
	d.Pin(images.byKey())
	return nil
}

func named(component string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("component %s: %w", component, err)
}
