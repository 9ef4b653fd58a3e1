package kube

import (
	"context"
	"errors"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Prune deletes the owner's objects in reverse order of apply, without waiting
// for finalizers: what still terminates is reported with what holds it. Absent
// objects are Deleted; objects that are no longer the owner's are Skipped.
// Never more than refs names; deciding what may go is the caller's matter.
func (t *Target) Prune(ctx context.Context, refs []v1alpha1.ObjectRef, owner Owner) (ChangeSet, error) {
	return nil, errors.ErrUnsupported
}
