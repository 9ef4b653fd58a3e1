package gatewayapi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// Finish removes the side that gets nothing, the rules for requests that ask for
// a side, and the annotation, in one patch.
func (r *Router) Finish(ctx context.Context, fence traffic.Fence) error {
	var err error
	for range attempts {
		if err = r.finish(ctx, fence); !errors.Is(err, errRaced) {
			return err
		}
	}
	return err
}

func (r *Router) finish(ctx context.Context, fence traffic.Fence) error {
	route, err := r.read(ctx)
	if err != nil {
		return err
	}
	if err := r.mine(route, fence); err != nil {
		return err
	}
	if route.owner == nil {
		return fence.Check()
	}
	rule, err := r.find(route)
	if err != nil {
		return err
	}
	operations := append(rule.asRead(), rule.leave()...)
	operations = append(operations, r.removePins(route)...)
	key := pointer("metadata", "annotations", route.key)
	operations = append(operations, operation{"test", key, route.text}, operation{Op: "remove", Path: key})
	return r.patch(ctx, operations, fence)
}

// leave gives the patch to what stays of the references.
func (ru *rule) leave() []operation {
	old, new, err := ru.weights()
	switch {
	case err != nil || old > 0 && new > 0:
		return nil // as somebody has made it
	case old == 0 && ru.old >= 0:
		return []operation{{Op: "remove", Path: ru.path("backendRefs", fmt.Sprint(ru.old))}}
	case ru.new < 0:
		return nil
	}
	weight := 1
	if was := ru.route.owner.Was; was != nil {
		weight = int(*was)
	}
	return []operation{
		{"add", ru.path("backendRefs", fmt.Sprint(ru.old), "weight"), weight},
		{Op: "remove", Path: ru.path("backendRefs", fmt.Sprint(ru.new))},
	}
}

// removePins removes the rules of this migration's sides, from the last one on,
// so that places stay what they are.
func (r *Router) removePins(route *route) []operation {
	var operations []operation
	for i, rule := range slices.Backward(route.Spec.Rules) {
		if name := pins(rule); name == "" || name != r.cfg.Old.Name && name != r.cfg.New.Name {
			continue
		}
		path := pointer("spec", "rules", fmt.Sprint(i))
		if r.indexOf(rule, traffic.Old) >= 0 || r.indexOf(rule, traffic.New) >= 0 {
			rules, _, _ := unstructured.NestedSlice(route.raw, "spec", "rules")
			operations = append(operations, operation{"test", path, rules[i]}, operation{Op: "remove", Path: path})
		}
	}
	return operations
}

// Health of a side: whether its Service has endpoints that are ready.
func (r *Router) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	t := r.cfg.target(side)
	slices, err := r.cfg.API.List(ctx, endpointSlice, t.Namespace, map[string]string{"kubernetes.io/service-name": t.Service})
	if err != nil {
		return traffic.Health{}, explain(err, "list", "endpointslices", "reading the endpoints of %s", t)
	}
	ready, all := 0, 0
	for _, slice := range slices {
		endpoints, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
		for _, endpoint := range endpoints {
			all++
			fields, _ := endpoint.(map[string]any)
			// Not said means ready: Kubernetes' API says so.
			if is, said, _ := unstructured.NestedBool(fields, "conditions", "ready"); is || !said {
				ready++
			}
		}
	}
	return traffic.Health{Known: true, Healthy: ready > 0, Reason: fmt.Sprintf("%d of %d endpoints of %s are ready", ready, all, t)}, nil
}
