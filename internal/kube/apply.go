package kube

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ApplyOptions says for whom and how objects are applied.
type ApplyOptions struct {
	// Owner whose objects these are; others' are refused.
	Owner Owner
	// Adopt takes over objects that exist already and are not the owner's.
	Adopt bool
	// Force deletes and creates anew objects whose immutable fields changed.
	// Finished Jobs of the owner need no force.
	Force bool
	// TakeOver also removes fields that others added to the objects, as Heal
	// does: a rollback wants what was released and nothing else.
	TakeOver bool
	// DryRun sends everything for validation only; nothing is stored.
	DryRun bool
}

// Apply brings objects to the cluster by server-side apply: definitions and
// namespaces first, configuration before workloads, webhooks last, several at
// once within each. It marks them as the owner's (labels, and the annotation
// on namespaces); objs are not changed.
//
// Errors: *NotOwnedError before anything was applied; *RejectedError with the
// reasons after everything else was applied; Unreachable(err) for a cluster
// that does not answer. The change set says what was done even then. Applying
// the same again is safe and leaves everything unchanged.
func (t *Target) Apply(ctx context.Context, objs []*unstructured.Unstructured, opts ApplyOptions) (ChangeSet, error) {
	return nil, errors.ErrUnsupported
}
