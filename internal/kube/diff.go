package kube

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// DiffOptions says how closely to look.
type DiffOptions struct {
	Owner Owner
	// Namespace is searched for objects that nobody we know made. Empty means
	// that extra objects are not looked for.
	Namespace string
	// Proof asks the API server about every object again, even about those that
	// have not changed since they were last found equal.
	Proof bool
}

// Diff compares objects with the cluster: fields of ours that were changed or
// removed, fields that others added to our objects, our objects that are
// missing, and extra ones in the namespace. Each difference names the manager
// and the time where the cluster knows them. What legitimate co-owners write
// (status, autoscalers, built-in controllers, defaults) is no difference.
// Values of Secrets are never given. Sorted by object and path.
//
// An error means that the answer is unknown, never that nothing differs.
func (t *Target) Diff(ctx context.Context, objs []*unstructured.Unstructured, opts DiffOptions) ([]v1alpha1.Difference, error) {
	return nil, errors.ErrUnsupported
}
