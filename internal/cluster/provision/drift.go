package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Drift finds out how the infrastructure differs from what the Cluster says. It
// takes no lock and disturbs nobody; what it finds while somebody works on the
// cluster is what it was at some moment.
func (p *Provisioner) Drift(ctx context.Context, name string, reporter progress.Reporter) (*Planned, error) {
	cluster, err := p.cluster(ctx, name)
	if err != nil {
		return nil, err
	}
	free, err := p.alone(ctx, name)
	if err != nil {
		return nil, err
	}
	defer free()
	planned, err := p.look(ctx, cluster, reporter)
	state := v1alpha1.DriftUnknown
	switch {
	case err == nil && planned.Empty():
		state = v1alpha1.DriftClean
	case err == nil:
		state = v1alpha1.DriftDrifted
	}
	noted := p.note(ctx, cluster, func(s *v1alpha1.TerraformStatus) { s.Drift, s.DriftCheckedAt = state, p.now() })
	return planned, errors.Join(err, noted)
}

func (p *Provisioner) look(ctx context.Context, cluster *v1alpha1.Cluster, reporter progress.Reporter) (*Planned, error) {
	run, err := p.open(ctx, cluster, true, reporter)
	if err != nil {
		return nil, err
	}
	plan, err := run.Plan(ctx, terraform.PlanOptions{Unlocked: true})
	if err := errors.Join(err, run.Close()); err != nil {
		return nil, err
	}
	return &Planned{Cluster: cluster.Name, Summary: plan.Summary, Made: p.Clock(), By: p.Holder}, nil
}

// alone keeps others of this machine out of the folder for looking.
func (p *Provisioner) alone(ctx context.Context, name string) (free func(), err error) {
	dir, err := p.dir(ctx, name)
	if err != nil {
		return nil, err
	}
	dir += lookSuffix
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of terraform: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, ".alone"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the folder of terraform: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fault.New(fault.Refused, "Wait for it.", "somebody on this machine is looking for drift of cluster %s already", name)
	}
	return func() { _ = file.Close() }, nil
}
