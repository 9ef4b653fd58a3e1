package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

// TerminatingError names objects that are being deleted. Nothing was applied;
// it can be once they are gone.
type TerminatingError struct {
	Objects []v1alpha1.ObjectRef
}

// Error names every object.
func (e *TerminatingError) Error() string {
	names := make([]string, len(e.Objects))
	for i, ref := range e.Objects {
		names[i] = Describe(ref)
	}
	return "is still being deleted: " + strings.Join(names, ", ")
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

// rejection turns the server's refusal of an object into a failure; nil for any
// other error.
func rejection(obj *unstructured.Unstructured, err error) *v1alpha1.Failure {
	failure := &v1alpha1.Failure{
		Object: RefOf(obj), Component: obj.GetLabels()[v1alpha1.LabelComponent],
		Reason: ReasonRejected, Message: clip(message(err), 1000),
	}
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		failure.Reason = ReasonQuota
		failure.Hint = hints[ReasonQuota]
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "PodSecurity"):
		failure.Hint = "loosen or tighten the component's security settings"
	case isImmutable(err):
		failure.Hint = "this cannot be changed in place: delete the object, or give the component another name"
	case meta.IsNoMatchError(err):
		failure.Message = fmt.Sprintf("the cluster has no kind %s of %s", obj.GetKind(), obj.GetAPIVersion())
		failure.Hint = "install what defines it, for example its operator"
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err),
		apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err), apierrors.IsNotAcceptable(err),
		apierrors.IsUnsupportedMediaType(err):
	default:
		return nil
	}
	return failure
}

// message is what the server said, without our own words around it.
func message(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// immutable matches how built-in validation, CEL rules and admission webhooks
// say that a field cannot be changed.
var immutable = regexp.MustCompile(`is immutable|immutable field|updates to \S+ spec for fields other than|may not (be changed|change) once set|cannot be changed|field cannot be changed`)

func isImmutable(err error) bool {
	return (apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)) &&
		immutable.MatchString(err.Error())
}

// clip shortens text to at most n bytes, at a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n-len("…")], "") + "…"
}
