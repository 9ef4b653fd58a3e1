package supervisor

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/localkube/internal/addon/objects"
	"github.com/landfall-dev/landfall/localkube/internal/kube"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// startAddons applies the objects through which the cluster reaches the
// add-ons, then starts their processes, which by those objects may read what
// they need.
func (s *supervisor) startAddons(ctx context.Context, l plan.Layout) error {
	ca, err := os.ReadFile(l.PKI("ca.crt"))
	if err != nil {
		return fmt.Errorf("reading authority: %w", err)
	}
	err = s.client.ApplyAddons(ctx, objects.Params{
		ControlPlaneIP: l.ControlPlaneIP(), DNSServiceIP: l.DNSServiceIP(), CABundle: ca,
	})
	if err != nil {
		return err
	}
	for _, p := range l.Addons(s.machine) {
		if err := s.group.Run(p); err != nil {
			return err
		}
	}
	return s.waitAddons(ctx, l)
}

// waitAddons waits until names are answered, images can be pulled and the
// metrics API is served: a cluster without one of them is not ready.
func (s *supervisor) waitAddons(ctx context.Context, l plan.Layout) error {
	parts, ctx := errgroup.WithContext(ctx)
	for name, url := range l.AddonHealth() {
		parts.Go(func() error {
			if err := kube.WaitHTTP(ctx, url); err != nil {
				return fmt.Errorf("waiting for %s: %w (see %s)", name, err, l.Log(name))
			}
			return nil
		})
	}
	parts.Go(func() error {
		if err := s.client.WaitServed(ctx, "/apis/metrics.k8s.io/v1beta1"); err != nil {
			return fmt.Errorf("%w (see %s)", err, l.Log("metrics"))
		}
		return nil
	})
	return parts.Wait()
}
