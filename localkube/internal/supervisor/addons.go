package supervisor

import (
	"context"
	"fmt"
	"os"

	"github.com/landfall-dev/landfall/localkube/internal/addon/objects"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// startAddons starts the processes that complete the cluster, and applies the
// objects through which the cluster reaches them.
func (s *supervisor) startAddons(ctx context.Context, l plan.Layout) error {
	for _, p := range l.Addons(s.machine) {
		if err := s.group.Run(p); err != nil {
			return err
		}
	}
	ca, err := os.ReadFile(l.PKI("ca.crt"))
	if err != nil {
		return fmt.Errorf("reading authority: %w", err)
	}
	return s.client.ApplyAddons(ctx, objects.Params{
		ControlPlaneIP: l.ControlPlaneIP(), DNSServiceIP: l.DNSServiceIP(), CABundle: ca,
	})
}
