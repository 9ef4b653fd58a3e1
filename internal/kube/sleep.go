package kube

import (
	"context"
	"errors"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Sizes reads how large the workloads among refs are and which CronJobs are
// suspended: what Sleep will change. Store the answer before calling Sleep.
func (t *Target) Sizes(ctx context.Context, refs []v1alpha1.ObjectRef) ([]v1alpha1.SleepingObject, error) {
	return nil, errors.ErrUnsupported
}

// Sleep scales the objects to zero and suspends CronJobs. Idempotent; absent
// objects are left out.
func (t *Target) Sleep(ctx context.Context, sizes []v1alpha1.SleepingObject) error {
	return errors.ErrUnsupported
}

// Wake gives the objects their sizes back. Idempotent; absent objects are left
// out.
func (t *Target) Wake(ctx context.Context, sizes []v1alpha1.SleepingObject) error {
	return errors.ErrUnsupported
}
