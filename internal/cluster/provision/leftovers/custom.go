package leftovers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// customKind is a resource of a controller that makes something outside. A kind
// that the cluster does not have is not there; of one that it has, any version
// does.
type customKind struct {
	kind  schema.GroupKind
	stage Stage
	why   func(*unstructured.Unstructured) string
}

func always(why string) func(*unstructured.Unstructured) string {
	return func(*unstructured.Unstructured) string { return why }
}

// entranceKinds have load balancers. Gateways come before the Services that
// their controllers make for them, and would make again.
var entranceKinds = []customKind{
	{schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}, Entrances, loadBalancer},
	{schema.GroupKind{Group: "elbv2.k8s.aws", Kind: "TargetGroupBinding"}, Entrances, always("rules in security groups of AWS")},
}

// machineKinds are Karpenter's (https://karpenter.sh/docs/concepts/), also of
// before its version 0.32.
var machineKinds = []customKind{
	{schema.GroupKind{Group: "karpenter.sh", Kind: "NodePool"}, Makers, always("makes machines")},
	{schema.GroupKind{Group: "karpenter.sh", Kind: "Provisioner"}, Makers, always("makes machines")},
	{schema.GroupKind{Group: "karpenter.sh", Kind: "NodeClaim"}, Machines, always("a machine of Karpenter")},
	{schema.GroupKind{Group: "karpenter.sh", Kind: "Machine"}, Machines, always("a machine of Karpenter")},
}

func entrances(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	return custom(ctx, cluster, entranceKinds)
}

func machines(ctx context.Context, cluster client.Client) ([]Leftover, error) {
	return custom(ctx, cluster, machineKinds)
}

func custom(ctx context.Context, cluster client.Client, kinds []customKind) ([]Leftover, error) {
	var found []Leftover
	for _, c := range kinds {
		mapping, err := cluster.RESTMapper().RESTMapping(c.kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for %ss: %w", c.kind.Kind, err)
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(mapping.GroupVersionKind)
		err = cluster.List(ctx, list)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue // it was removed this moment
		}
		if err != nil {
			return nil, fmt.Errorf("listing %ss: %w", c.kind.Kind, err)
		}
		for i := range list.Items {
			object := &list.Items[i]
			found = append(found, of(c.stage, mapping.GroupVersionKind, object, c.why(object)))
		}
	}
	return found, nil
}

// loadBalancer is that of a Gateway, by the first address in its status. Fields
// of other types than they should be say nothing.
func loadBalancer(gateway *unstructured.Unstructured) string {
	addresses, _, _ := unstructured.NestedSlice(gateway.Object, "status", "addresses")
	for _, one := range addresses {
		fields, _ := one.(map[string]any)
		if value, _ := fields["value"].(string); value != "" {
			return "load balancer " + value
		}
	}
	return "may have a load balancer"
}
