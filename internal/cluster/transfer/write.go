package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

// transient errors are tried again: webhooks and quotas that come up with the
// objects of this very transfer, accounts that a pod waits for.
var transient = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 6}

// write creates or updates one object and gives its UID.
func (x *executing) write(ctx context.Context, item Item, dryRun bool) (uid types.UID, err error) {
	resource := x.resource(item)
	options := dryRunOptions(dryRun)
	attempt := func(ctx context.Context) (bool, error) {
		var made *unstructured.Unstructured
		if item.Action == Create {
			made, err = resource.Create(ctx, item.object, metav1.CreateOptions{DryRun: options, FieldManager: manager, FieldValidation: x.validation()})
		}
		if item.Action != Create || apierrors.IsAlreadyExists(err) {
			made, err = replace(ctx, resource, item.object, metav1.UpdateOptions{DryRun: options, FieldManager: manager, FieldValidation: x.validation()})
		}
		if err != nil {
			if mayPass(err, dryRun) {
				return false, nil
			}
			return false, err
		}
		uid = made.GetUID()
		return true, nil
	}
	if failed := wait.ExponentialBackoffWithContext(ctx, transient, attempt); failed != nil && err == nil {
		err = failed
	}
	return uid, err
}

// mayPass tells errors that another moment may end. A check is not tried again
// for what only objects of this transfer can put right.
func mayPass(err error, dryRun bool) bool {
	switch {
	case apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err),
		utilnet.IsConnectionReset(err), utilnet.IsConnectionRefused(err), utilnet.IsHTTP2ConnectionLost(err):
		return true
	case dryRun:
		return false
	}
	return apierrors.IsInternalError(err) || apierrors.IsConflict(err) || strings.Contains(err.Error(), "serviceaccount") || strings.Contains(err.Error(), notServed)
}

// validation says what becomes of fields that the target does not know: silence
// would lose them.
func (x *executing) validation() string {
	if x.e.DropUnknown {
		return metav1.FieldValidationIgnore
	}
	return metav1.FieldValidationStrict
}

func dryRunOptions(dryRun bool) []string {
	if dryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

// notServed is how API servers answer for a resource that they do not know.
const notServed = "the server could not find the requested resource"

// notYet says why a dry run tells nothing of an object, or "": it may be fine
// once what it needs is there.
func notYet(err error) string {
	switch text := err.Error(); {
	case apierrors.IsNotFound(err) && strings.Contains(text, "namespaces "):
		return "its namespace is not there yet"
	case apierrors.IsNotFound(err) && strings.Contains(text, notServed):
		return "its kind is not there yet"
	case strings.Contains(text, "does not support dry run"):
		return "a webhook of the target has side effects"
	case strings.Contains(text, "conversion webhook for") && apierrors.IsInternalError(err):
		return "what converts its kind does not run yet"
	}
	return ""
}

// replace gives the object that is there what the source has, keeping what the
// target's API server needs to accept it.
func replace(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured, o metav1.UpdateOptions) (*unstructured.Unstructured, error) {
	there, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return resource.Update(ctx, succeed(object, there), o)
}

// succeed is the object with all that belongs to the target's cluster as it is
// there: what a copy leaves behind in the source must not be lost in the target.
func succeed(object, there *unstructured.Unstructured) *unstructured.Unstructured {
	next := object.DeepCopy()
	for _, r := range removals {
		if r.about(next) && !slices.Contains(r.fields(), "[]") {
			keep(next, there, r.fields()...)
		}
	}
	switch next.GroupVersionKind().GroupKind() {
	case serviceKind:
		if kindOfService, _, _ := unstructured.NestedString(next.Object, "spec", "type"); kindOfService != "ExternalName" {
			keep(next, there, "spec", "clusterIP")
		} else {
			remove(next.Object, "spec", "clusterIPs")
		}
	case kind("", "PersistentVolumeClaim"):
		keep(next, there, "spec", "volumeName")
	case kind("batch", "Job"):
		keep(next, there, "spec", "selector")
		for _, label := range jobLabels {
			keep(next, there, "spec", "template", "metadata", "labels", label)
		}
	}
	next.SetFinalizers(there.GetFinalizers())
	next.SetOwnerReferences(there.GetOwnerReferences())
	return next
}

// keep takes over a field that cannot change, where the new object has none.
func keep(next, there *unstructured.Unstructured, path ...string) {
	if _, has, _ := unstructured.NestedFieldNoCopy(next.Object, path...); has {
		return
	}
	if value, has, _ := unstructured.NestedFieldCopy(there.Object, path...); has {
		_ = unstructured.SetNestedField(next.Object, value, path...) // the parent is a map in both
	}
}

func (x *executing) resource(item Item) dynamic.ResourceInterface {
	all := x.plan.to.dynamic.Resource(item.target)
	if item.Key.Namespace == "" {
		return all
	}
	return all.Namespace(item.Key.Namespace)
}

// served waits until the definitions among the items are served.
func (x *executing) served(ctx context.Context, items []int) error {
	for _, i := range items {
		item := x.plan.Items[i]
		if item.Key.Kind != definition || x.outcomes[i].Failed {
			continue
		}
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, servedWithin, true, func(ctx context.Context) (bool, error) {
			there, err := x.resource(item).Get(ctx, item.Key.Name, metav1.GetOptions{})
			if err != nil {
				return false, nil
			}
			conditions, _, _ := unstructured.NestedSlice(there.Object, "status", "conditions")
			return slices.ContainsFunc(conditions, func(c any) bool {
				m, _ := c.(map[string]any)
				return m["type"] == "Established" && m["status"] == "True"
			}), nil
		})
		if err != nil {
			return fmt.Errorf("waiting for cluster %s to serve %s: %w", x.plan.To, item.Key.Name, err)
		}
	}
	return nil
}
