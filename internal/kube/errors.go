package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Unreachable tells whether err means that the cluster did not answer, was
// overloaded, or did not accept our credentials: nothing is known of its
// objects, and the same request may succeed later.
func Unreachable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var netErr net.Error
	var urlErr *url.Error
	switch {
	case errors.Is(err, errNotAnswering), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &netErr), errors.As(err, &urlErr):
		return true
	case apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsTooManyRequests(err), apierrors.IsUnauthorized(err):
		return true
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code == http.StatusBadGateway || code == http.StatusGatewayTimeout
	}
	return false
}

// NotOwnedError names objects that exist already and are not the owner's.
// Nothing was applied.
type NotOwnedError struct {
	Objects []v1alpha1.ObjectRef
	// Owners of the objects as far as they say, in the same order; empty where
	// they are nobody's.
	Owners []string
}

// Error names every object and who has it.
func (e *NotOwnedError) Error() string {
	names := make([]string, len(e.Objects))
	for i, ref := range e.Objects {
		names[i] = Describe(ref)
		if e.Owners[i] != "" {
			names[i] += " (belongs to " + e.Owners[i] + ")"
		}
	}
	return "exists already and is not this environment's: " + strings.Join(names, ", ")
}

// RejectedError says which objects the API server refused, and why: quota,
// admission, validation, immutable fields. Other objects of the same call were
// applied. Sending the same again brings the same answer, quota excepted.
type RejectedError struct {
	Failures []v1alpha1.Failure
}

// Error names every object with its reason.
func (e *RejectedError) Error() string {
	texts := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		texts[i] = Describe(f.Object) + ": " + f.Message
	}
	return "rejected by the cluster: " + strings.Join(texts, "; ")
}
