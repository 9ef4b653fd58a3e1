package kube

import (
	"context"
	"errors"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Blocker is something that keeps an environment from being gone.
type Blocker struct {
	Object v1alpha1.ObjectRef
	// Finalizers that hold it.
	Finalizers []string
	// Message for people: what is awaited, and from whom.
	Message string
}

// String reads "Widget shop/a waits for finalizer example.com/clean".
func (b Blocker) String() string { return Describe(b.Object) + " " + b.Message }

// Teardown takes one more step towards removing an environment and says what
// is left; nothing left means it is gone. Call it again until then. The order:
// custom resources while their controllers still run, then everything else in
// reverse order of apply, then the namespace. A namespace that was adopted, or
// is not the owner's, stays. Absent is success.
func (t *Target) Teardown(ctx context.Context, owner Owner, namespace string, refs []v1alpha1.ObjectRef) ([]Blocker, error) {
	return nil, errors.ErrUnsupported
}
