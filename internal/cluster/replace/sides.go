package replace

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/internal/cluster/parity"
	"github.com/landfall-dev/landfall/internal/cluster/preflight"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Sides are the two clusters, as far as a replacement asks them itself. All
// methods can be repeated.
type Sides interface {
	// Same tells whether both are one cluster.
	Same(ctx context.Context) (bool, error)
	// Preflight looks for what would break on the new side.
	Preflight(ctx context.Context, o preflight.Options) (*preflight.Report, error)
	// Copy writes what is selected of the old side to the new one.
	Copy(ctx context.Context, s transfer.Selection, e transfer.Execution, r progress.Reporter) (Copied, error)
	// Compare tells whether both have the same.
	Compare(ctx context.Context, o parity.Options, r progress.Reporter) (*parity.Report, error)
	// HandOver lets schedules that were copied run on the new side, and tells how
	// many. The old side may be gone.
	HandOver(ctx context.Context, r progress.Reporter) (int, error)
}

// Copied is what a copy did, or would do.
type Copied struct {
	// Written objects; There already; in Conflict with something else there.
	Written, There, Conflicts int
	// Namespaces that have something of it, sorted.
	Namespaces []string
}

// Between asks two clusters; from is nil once it is gone.
func Between(from, to *transfer.Cluster) Sides { return clusters{from, to} }

type clusters struct{ from, to *transfer.Cluster }

// Same is part of Sides.
func (c clusters) Same(ctx context.Context) (bool, error) {
	there, err1 := identity(ctx, c.from)
	here, err2 := identity(ctx, c.to)
	return there == here, errors.Join(err1, err2)
}

// Preflight is part of Sides.
func (c clusters) Preflight(ctx context.Context, o preflight.Options) (*preflight.Report, error) {
	return preflight.Look(ctx, c.from, c.to, o, progress.Discard)
}

// Copy is part of Sides.
func (c clusters) Copy(ctx context.Context, s transfer.Selection, e transfer.Execution, r progress.Reporter) (Copied, error) {
	plan, err := transfer.Make(ctx, c.from, c.to, s, transfer.Options{}, r)
	if err != nil {
		return Copied{}, err
	}
	copied := Copied{Written: plan.Writes(), There: plan.Count(transfer.Unchanged), Conflicts: plan.Count(transfer.Conflict), Namespaces: namespacesOf(plan)}
	if e.DryRun {
		return copied, nil
	}
	if err := plan.Refused(e); err != nil || copied.Written == 0 && copied.Conflicts == 0 {
		return copied, err
	}
	result, err := plan.Execute(ctx, e, r)
	if result != nil {
		copied.Written = result.Done()
	}
	return copied, err
}

func namespacesOf(plan *transfer.Plan) []string {
	var names []string
	for _, item := range plan.Items {
		if item.Action != transfer.Stay && item.Key.Namespace != "" {
			names = append(names, item.Key.Namespace)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Compare is part of Sides.
func (c clusters) Compare(ctx context.Context, o parity.Options, r progress.Reporter) (*parity.Report, error) {
	return parity.Compare(ctx, c.from, c.to, o, r)
}

// HandOver is part of Sides.
func (c clusters) HandOver(ctx context.Context, r progress.Reporter) (int, error) {
	done, err := transfer.HandOver(ctx, c.from, c.to, transfer.Handover{}, r)
	return len(done), err
}

var namespaces = transfer.Resource{
	GroupVersionResource: corev1.SchemeGroupVersion.WithResource("namespaces"), Kind: schema.GroupKind{Kind: "Namespace"},
}

// identity of a cluster, however it is reached: the UID of the namespace that
// every cluster has from its beginning.
func identity(ctx context.Context, c *transfer.Cluster) (types.UID, error) {
	var id types.UID
	unreadable, err := c.Look(ctx, []transfer.Resource{namespaces}, transfer.Selection{}, func(u *unstructured.Unstructured) {
		if u.GetName() == metav1.NamespaceSystem {
			id = u.GetUID()
		}
	})
	switch {
	case err != nil:
		return "", err
	case len(unreadable) > 0:
		return "", fault.New(fault.Failed, "Check that it answers, and what the credentials may do.", "reading cluster %s: %s", c.Name, unreadable[0].Reason)
	case id == "":
		return "", errors.New("cluster " + c.Name + " has no namespace " + metav1.NamespaceSystem)
	}
	return id, nil
}
