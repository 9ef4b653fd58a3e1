package provision

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Unlocked says what Unlock found and did.
type Unlocked struct {
	// Holder of the lock; nil if nobody had it.
	Holder *Holder `json:"holder,omitempty"`
	// State is who had the lock of the state, as Terraform writes it; "" if
	// nobody had.
	State string `json:"state,omitempty"`
	// Released says that a lock was taken away.
	Released bool `json:"released"`
}

// Unlock takes the lock of a cluster, and the backend's of its state, from the
// dead; with force, from the living too, who then stop. Errors: fault.Refused
// without force, if the holder is alive or that is not known.
func (p *Provisioner) Unlock(ctx context.Context, name string, force bool, reporter progress.Reporter) (*Unlocked, error) {
	cluster, err := p.cluster(ctx, name)
	if err != nil {
		return nil, err
	}
	found := &Unlocked{}
	there, holder, err := p.holder(ctx, leaseName(name), reporter)
	if err != nil {
		return nil, fmt.Errorf("reading the lock of cluster %s: %w", name, err)
	}
	if there != nil {
		found.Holder = &holder
		if holder.Alive && !force {
			return found, held(holder)
		}
		version := there.ResourceVersion
		if err := p.Client.Delete(ctx, there, client.Preconditions{ResourceVersion: &version}); client.IgnoreNotFound(err) != nil {
			return found, fmt.Errorf("unlocking cluster %s: %w", name, err)
		}
		found.Released = true
	}
	run, err := p.open(ctx, cluster, false, reporter)
	if err != nil {
		return found, err
	}
	err = unlockState(ctx, run, found, force)
	return found, errors.Join(err, run.Close())
}

// unlockState releases the backend's lock. Whether its holder is alive is known
// only if it is the one whose own lock was released.
func unlockState(ctx context.Context, run *terraform.Run, found *Unlocked, force bool) error {
	locked, err := run.Locked(ctx)
	if err != nil || locked == nil {
		return err
	}
	found.State = locked.Who
	if !found.Released && !force {
		return fault.New(fault.Refused, "Ask them; --force takes the lock from them.", "%w, and whether they are alive is not known", locked)
	}
	if err := run.Unlock(ctx, locked.ID); err != nil {
		return err
	}
	found.Released = true
	return nil
}
