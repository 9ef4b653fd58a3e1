package hostname

import (
	"context"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Client reads and changes zones; hostname/route53 has one. Applying a batch is
// all or nothing, and refused when records are no longer as they were read.
type Client interface {
	Zone(ctx context.Context, id string) (Zone, error)
	Apply(ctx context.Context, zoneID string, batch []Step) error
}

// Open reaches an account of AWS by the name of the Secret with its keys, or as
// the process itself for "".
type Open func(ctx context.Context, secretName string) (Client, error)

// ErrOvertaken is a Client's for a batch that was refused because somebody
// changed the zone after it was read. Plan anew; nothing of the batch was done.
var ErrOvertaken = errors.New("the zone was changed meanwhile")

// Plans reads all zones and plans what leads them to what the clusters and
// environments want. A zone that cannot be read fails alone, by its ID, with
// those that depend on it.
func Plans(ctx context.Context, open Open, clusters []v1alpha1.Cluster, envs []v1alpha1.Environment) ([]Plan, map[string]error) {
	all, failed := Zones(clusters, envs), map[string]error{}
	zones, names, zonesOf := map[string]Zone{}, map[string]string{}, ZonesOf(clusters)
	for _, z := range all {
		zone, err := read(ctx, open, z)
		if err != nil {
			failed[z.ZoneID] = err
			continue
		}
		zones[z.ZoneID], names[z.ZoneID] = zone, zone.Name
	}
	var plans []Plan
	for _, z := range all {
		if failed[z.ZoneID] != nil {
			continue
		}
		if err := z.plannable(zonesOf, failed); err != nil {
			failed[z.ZoneID] = err
			continue
		}
		wanted, outside := z.In(names, zonesOf)
		plan := Make(zones[z.ZoneID], wanted, z.Settings)
		plan.Refused, plan.SecretName = append(plan.Refused, outside...), z.SecretName
		plans = append(plans, plan)
	}
	return plans, failed
}

func read(ctx context.Context, open Open, z ZoneWants) (Zone, error) {
	client, err := open(ctx, z.SecretName)
	if err != nil {
		return Zone{}, err
	}
	return client.Zone(ctx, z.ZoneID)
}

// plannable fails where a plan could take away what another setting, or a zone
// that could not be read, would want kept.
func (z ZoneWants) plannable(zonesOf map[string][]string, failed map[string]error) error {
	if z.Contradiction != "" {
		return fmt.Errorf("planning zone %s: %s", z.ZoneID, z.Contradiction)
	}
	for _, cluster := range z.Clusters {
		for _, other := range zonesOf[cluster] {
			if err := failed[other]; err != nil && other != z.ZoneID {
				return fmt.Errorf("planning zone %s: another zone of cluster %s cannot be read: %w", z.ZoneID, cluster, err)
			}
		}
	}
	return nil
}

// Carry applies a plan, batch by batch, and gives the number of steps that were
// done.
func Carry(ctx context.Context, open Open, plan Plan) (done int, err error) {
	if len(plan.Steps) == 0 {
		return 0, nil
	}
	client, err := open(ctx, plan.SecretName)
	if err != nil {
		return 0, err
	}
	for _, batch := range plan.Batches() {
		if err := client.Apply(ctx, plan.ZoneID, batch); err != nil {
			return done, err
		}
		done += len(batch)
	}
	return done, nil
}
