package gatewayapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Prepare adds the new side to the rule with weight 0 and takes both references
// for the migration, then waits until the gateways have accepted that.
func (r *Router) Prepare(ctx context.Context, fence traffic.Fence) (traffic.Preparation, error) {
	route, err := r.read(ctx)
	if err != nil {
		return traffic.Preparation{}, err
	}
	if err := r.mine(route, fence); err != nil {
		return traffic.Preparation{}, err
	}
	found, err := r.find(route)
	if err != nil {
		return traffic.Preparation{}, err
	}
	for _, step := range []func(context.Context, *rule, traffic.Fence) (string, error){r.check, r.claim, r.takeOver, r.addPins, r.awaitGateways} {
		if done, err := step(ctx, found, fence); done != "" || err != nil {
			return traffic.Preparation{Step: done, Wait: r.cfg.Propagation}, err
		}
	}
	return traffic.Preparation{Done: true, Step: "the rule has both sides"}, nil
}

// check makes sure that the new side can be referred to. It asks again as long
// as the sides are not prepared.
func (r *Router) check(ctx context.Context, rule *rule, _ traffic.Fence) (string, error) {
	if rule.route.owner != nil {
		return "", nil
	}
	if !serves(rule.route.Spec.Hostnames, r.cfg.Hostname) {
		return "", fault.New(fault.Invalid, "Name the route of that host.", "preparing %s: it does not serve %s", r.place(), r.cfg.Hostname)
	}
	if err := r.hasPort(ctx, &r.cfg.New); err != nil {
		return "", err
	}
	return "", r.granted(ctx, &r.cfg.New)
}

// serves tells whether a route with these hostnames takes requests of a host.
func serves(hostnames []gatewayv1.Hostname, host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return len(hostnames) == 0 || host == "" || slices.ContainsFunc(hostnames, func(h gatewayv1.Hostname) bool {
		suffix, wildcard := strings.CutPrefix(string(h), "*")
		return string(h) == host || wildcard && strings.HasSuffix(host, suffix)
	})
}

// hasPort makes sure that a Service exists and has the port.
func (r *Router) hasPort(ctx context.Context, t *Target) error {
	obj, err := r.cfg.API.Get(ctx, service, t.Namespace, t.Service)
	if err != nil {
		return explain(err, "get", "services", "preparing %s: reading %s", r.place(), t)
	}
	ports, _, _ := unstructured.NestedSlice(obj.Object, "spec", "ports")
	for _, port := range ports {
		fields, _ := port.(map[string]any)
		if number, ok := fields["port"].(int64); ok && number == int64(t.Port) {
			return nil
		}
	}
	return fault.New(fault.Invalid, "Correct the side's port.", "preparing %s: %s/%s has no port %d", r.place(), t.Namespace, t.Service, t.Port)
}

// granted makes sure that the route may refer to a Service of another namespace.
func (r *Router) granted(ctx context.Context, t *Target) error {
	if t.Namespace == r.cfg.Namespace {
		return nil
	}
	grants, err := r.cfg.API.List(ctx, referenceGrant, t.Namespace, nil)
	if err != nil {
		return explain(err, "list", "referencegrants", "preparing %s: reading the grants of namespace %s", r.place(), t.Namespace)
	}
	for _, grant := range grants {
		from, _, _ := unstructured.NestedSlice(grant.Object, "spec", "from")
		to, _, _ := unstructured.NestedSlice(grant.Object, "spec", "to")
		if anyOf(from, gatewayv1.GroupName, "HTTPRoute", "namespace", r.cfg.Namespace) && anyOf(to, "", "Service", "name", t.Service) {
			return nil
		}
	}
	return fault.New(fault.Refused,
		fmt.Sprintf("Create a ReferenceGrant in namespace %s, from HTTPRoute of namespace %s to Service %s.", t.Namespace, r.cfg.Namespace, t.Service),
		"preparing %s: namespace %s does not grant it %s", r.place(), t.Namespace, t)
}

// anyOf tells whether a grant's list has an entry of a kind; a name that is left
// out means all.
func anyOf(entries []any, group, kind, field, value string) bool {
	return slices.ContainsFunc(entries, func(entry any) bool {
		fields, _ := entry.(map[string]any)
		name, given := fields[field]
		ofGroup, _ := fields["group"].(string)
		return ofGroup == group && fields["kind"] == kind && (name == value || !given && field == "name")
	})
}

// claim takes the references and adds the new one, in one patch.
func (r *Router) claim(ctx context.Context, rule *rule, fence traffic.Fence) (string, error) {
	if rule.route.owner != nil {
		return "", nil
	}
	old, new, err := rule.weights()
	refuse := func(hint, format string, args ...any) (string, error) {
		return "", fault.New(fault.Refused, hint, "preparing "+r.place()+": "+format, args...)
	}
	switch {
	case err != nil:
		return refuse("Make the rule send requests to the old side alone.", "%w", err)
	case rule.old < 0 || old == 0:
		return refuse("Name the Service that serves the host now as the old side.", "the old side gets no requests")
	case rule.new >= 0 && new > 0:
		return refuse("Give the old side its traffic back, or swap the sides.", "the new side gets requests already")
	}
	o := owner{
		Migration: r.cfg.Migration, Epoch: fence.Epoch(), Old: r.cfg.Old.String(), New: r.cfg.New.String(),
		Was: rule.route.Spec.Rules[rule.index].BackendRefs[rule.old].Weight,
	}
	operations := append(append(rule.asRead(), rule.weigh(traffic.None)...), rule.route.claim(o)...)
	return "added the new side with weight 0", r.patch(ctx, operations, fence)
}

// takeOver writes a newer epoch, so that whoever had an older one is fenced.
func (r *Router) takeOver(ctx context.Context, rule *rule, fence traffic.Fence) (string, error) {
	if rule.route.owner.Epoch >= fence.Epoch() {
		return "", nil
	}
	o := *rule.route.owner
	o.Epoch = fence.Epoch()
	operations := rule.route.claim(o)
	if err := r.patch(ctx, operations, fence); err != nil {
		return "", err
	}
	rule.route.owner, rule.route.text = &o, operations[len(operations)-1].Value.(string)
	return "", nil
}

func (r *Router) awaitGateways(_ context.Context, rule *rule, _ traffic.Fence) (string, error) {
	return rule.route.pending(), nil
}

// addPins makes a rule for each side: the same requests, if they ask for the
// side. One more header makes a match go before others (Gateway API, HTTPRoute
// precedence), wherever the rule stands.
func (r *Router) addPins(ctx context.Context, rule *rule, fence traffic.Fence) (string, error) {
	if !r.cfg.Pin {
		return "", nil
	}
	var operations []operation
	for _, side := range []traffic.Side{traffic.Old, traffic.New} {
		there := slices.ContainsFunc(rule.route.Spec.Rules, func(other gatewayv1.HTTPRouteRule) bool { return pins(other) == r.cfg.target(side).Name })
		if !there {
			operations = append(operations, operation{"add", pointer("spec", "rules", "-"), r.pinRule(rule, side)})
		}
	}
	if len(operations) == 0 {
		return "", nil
	}
	// The claim again: only the owner adds rules.
	return "added rules for requests that ask for a side", r.patch(ctx, append(rule.route.claim(*rule.route.owner), operations...), fence)
}

// pinRule is the migration's rule with one more header to match, and one side.
func (r *Router) pinRule(rule *rule, side traffic.Side) map[string]any {
	rules, _, _ := unstructured.NestedSlice(rule.route.raw, "spec", "rules")
	pinned, _ := rules[rule.index].(map[string]any) // a copy: NestedSlice makes one
	delete(pinned, "name")
	matches, _ := pinned["matches"].([]any)
	if len(matches) == 0 {
		matches = []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}}
	}
	for _, match := range matches {
		if fields, ok := match.(map[string]any); ok {
			headers, _ := fields["headers"].([]any)
			fields["headers"] = append(headers, map[string]any{"type": "Exact", "name": traffic.PinHeader, "value": r.cfg.target(side).Name})
		}
	}
	pinned["matches"], pinned["backendRefs"] = matches, []any{rule.ref(r.cfg.target(side), 1)}
	return pinned
}

// pins gives the value of traffic.PinHeader that a rule asks for, or "".
func pins(rule gatewayv1.HTTPRouteRule) string {
	for _, match := range rule.Matches {
		for _, header := range match.Headers {
			if strings.EqualFold(string(header.Name), traffic.PinHeader) {
				return header.Value
			}
		}
	}
	return ""
}
