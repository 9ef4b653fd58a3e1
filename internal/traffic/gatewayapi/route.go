package gatewayapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

var (
	httpRoute      = schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRoute"}
	referenceGrant = schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1beta1", Kind: "ReferenceGrant"}
	service        = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	endpointSlice  = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
)

// annotationPrefix is that of the annotations by which migrations own
// references; a hash of the migration's name follows.
const annotationPrefix = "migration.landfall.dev/"

// owner is what such an annotation says.
type owner struct {
	Migration string `json:"migration"`
	Epoch     int64  `json:"epoch"`
	// Was is the old side's weight before the migration; nil if none was given.
	Was *int32 `json:"was,omitempty"`
	// Old and New are what is owned.
	Old string `json:"old"`
	New string `json:"new"`
}

// route as it was read.
type route struct {
	gatewayv1.HTTPRoute
	// raw is the object with all its fields, also those that this version of
	// Gateway API does not know.
	raw map[string]any
	// owner is this migration's; text is its annotation as it is, others those
	// of other migrations.
	owner  *owner
	text   string
	others []owner
	key    string
}

// read gets the route.
func (r *Router) read(ctx context.Context) (*route, error) {
	obj, err := r.cfg.API.Get(ctx, httpRoute, r.cfg.Namespace, r.cfg.Route)
	if err != nil {
		return nil, explain(err, "get", "httproutes", "reading %s", r.place())
	}
	read := &route{raw: obj.Object, key: annotationOf(r.cfg.Migration)}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &read.HTTPRoute); err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.place(), err)
	}
	for key, text := range read.Annotations {
		if !strings.HasPrefix(key, annotationPrefix) {
			continue
		}
		var o owner
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, fault.New(fault.Refused, "Remove the annotation if no migration runs.", "reading %s: its annotation %s is not Landfall's", r.place(), key)
		}
		if key == read.key {
			read.owner, read.text = &o, text
		} else {
			read.others = append(read.others, o)
		}
	}
	return read, nil
}

func annotationOf(migration string) string {
	sum := sha256.Sum256([]byte(migration))
	return annotationPrefix + hex.EncodeToString(sum[:8])
}

// mine refuses references of others, and processes that another has followed.
func (r *Router) mine(route *route, fence traffic.Fence) error {
	if route.owner == nil {
		for _, o := range route.others {
			for _, side := range []string{r.cfg.Old.String(), r.cfg.New.String()} {
				if side == o.Old || side == o.New {
					return fault.New(fault.Refused, fmt.Sprintf("Finish or abort migration %s first; if it is gone, remove its annotation from the route.", o.Migration),
						"%s of %s belongs to migration %s", side, r.place(), o.Migration)
				}
			}
		}
		return nil
	}
	if route.owner.Epoch > fence.Epoch() {
		return fault.New(fault.Refused, "Stop this process: another works on the migration.",
			"%s was written by a later process (%d after %d)", r.place(), route.owner.Epoch, fence.Epoch())
	}
	return nil
}

// pending says what keeps the route as it is from being in effect, or "".
func (rt *route) pending() string {
	if len(rt.Status.Parents) == 0 {
		return "no gateway has taken up the route"
	}
	for _, parent := range rt.Status.Parents {
		name := string(parent.ParentRef.Name)
		for _, kind := range []string{string(gatewayv1.RouteConditionAccepted), string(gatewayv1.RouteConditionResolvedRefs)} {
			c := apimeta.FindStatusCondition(parent.Conditions, kind)
			switch {
			case c == nil || c.ObservedGeneration < rt.Generation:
				return fmt.Sprintf("gateway %s has not looked at the change yet", name)
			case c.Status != metav1.ConditionTrue:
				return fmt.Sprintf("gateway %s: %s is %s: %s: %s", name, kind, c.Status, c.Reason, c.Message)
			}
		}
	}
	return ""
}

// claim is the patch that says who owns the references now; it fails if that is
// not as it was read.
func (rt *route) claim(o owner) []operation {
	text, _ := json.Marshal(o) // strings and numbers
	path := pointer("metadata", "annotations", rt.key)
	switch {
	case rt.owner != nil:
		return []operation{{"test", path, rt.text}, {"replace", path, string(text)}}
	case len(rt.Annotations) == 0:
		return []operation{{"test", pointer("metadata", "annotations"), nil}, {"add", pointer("metadata", "annotations"), map[string]string{rt.key: string(text)}}}
	}
	return []operation{{"test", path, nil}, {"add", path, string(text)}}
}

// rule is the rule that the migration works on.
type rule struct {
	route *route
	cfg   *Config
	index int
	// refs as they were read, with all their fields.
	refs []any
	// old and new are the places of the sides among them; -1 if not there.
	old, new int
}

// find gives the migration's rule: by name, or the only one that has the old
// side.
func (r *Router) find(rt *route) (*rule, error) {
	var candidates []int
	for i, candidate := range rt.Spec.Rules {
		if pins(candidate) != "" {
			continue
		}
		named := r.cfg.Rule != "" && candidate.Name != nil && string(*candidate.Name) == r.cfg.Rule
		if named || r.cfg.Rule == "" && (r.indexOf(candidate, traffic.Old) >= 0 || rt.owner != nil && r.indexOf(candidate, traffic.New) >= 0) {
			candidates = append(candidates, i)
		}
	}
	switch {
	case len(candidates) > 1:
		return nil, fault.New(fault.Invalid, "Give the rules names, and name one of them.", "finding the rule of %s: %d rules have the old side %s", r.place(), len(candidates), r.cfg.Old)
	case len(candidates) == 0 && r.cfg.Rule != "":
		return nil, fault.New(fault.Invalid, "Name one of its rules.", "finding the rule of %s: none is named %q", r.place(), r.cfg.Rule)
	case len(candidates) == 0:
		return nil, fault.New(fault.Invalid, "Name the Service that serves the host now as the old side.", "finding the rule of %s: none has the old side %s", r.place(), r.cfg.Old)
	}
	found := &rule{route: rt, cfg: &r.cfg, index: candidates[0]}
	found.old, found.new = r.indexOf(rt.Spec.Rules[found.index], traffic.Old), r.indexOf(rt.Spec.Rules[found.index], traffic.New)
	rules, _, _ := unstructured.NestedSlice(rt.raw, "spec", "rules")
	if fields, ok := rules[found.index].(map[string]any); ok {
		found.refs, _ = fields["backendRefs"].([]any)
	}
	return found, nil
}

// String names the Service as people do.
func (t Target) String() string {
	return fmt.Sprintf("Service %s/%s:%d", t.Namespace, t.Service, t.Port)
}

// indexOf gives the place of a side among a rule's references, or -1.
func (r *Router) indexOf(rule gatewayv1.HTTPRouteRule, side traffic.Side) int {
	t := r.cfg.target(side)
	return slices.IndexFunc(rule.BackendRefs, func(ref gatewayv1.HTTPBackendRef) bool {
		namespace := r.cfg.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		return (ref.Group == nil || *ref.Group == "") && (ref.Kind == nil || *ref.Kind == "Service") &&
			string(ref.Name) == t.Service && namespace == t.Namespace && ref.Port != nil && *ref.Port == t.Port
	})
}

// weights of both sides. Other references must have none.
func (ru *rule) weights() (old, new int, err error) {
	for i, ref := range ru.route.Spec.Rules[ru.index].BackendRefs {
		weight := 1
		if ref.Weight != nil {
			weight = int(*ref.Weight)
		}
		switch {
		case i == ru.old:
			old = weight
		case i == ru.new:
			new = weight
		case weight > 0:
			return 0, 0, fmt.Errorf("the rule sends requests to another backend, too: %s, with weight %d", ref.Name, weight)
		}
	}
	if old+new == 0 {
		return 0, 0, fmt.Errorf("the rule gives neither side any weight")
	}
	return old, new, nil
}

// path of one of the rule's fields.
func (ru *rule) path(parts ...string) string {
	return pointer(append([]string{"spec", "rules", fmt.Sprint(ru.index)}, parts...)...)
}

// asRead tests that the references are where and as they were read.
func (ru *rule) asRead() []operation {
	return []operation{{"test", ru.path("backendRefs"), ru.refs}}
}

// weigh gives the patch to a weight; none if it is there.
func (ru *rule) weigh(w traffic.Weight) []operation {
	old, new, err := ru.weights()
	if err == nil && ru.old >= 0 && ru.new >= 0 && old == int(traffic.All-w) && new == int(w) {
		return nil
	}
	var patch []operation
	for _, side := range []struct {
		index  int
		target *Target
		weight traffic.Weight
	}{{ru.old, &ru.cfg.Old, traffic.All - w}, {ru.new, &ru.cfg.New, w}} {
		if side.index >= 0 {
			patch = append(patch, operation{"add", ru.path("backendRefs", fmt.Sprint(side.index), "weight"), int(side.weight)})
		} else {
			patch = append(patch, operation{"add", ru.path("backendRefs", "-"), ru.ref(side.target, side.weight)})
		}
	}
	return patch
}

// ref is a reference to a side.
func (ru *rule) ref(t *Target, w traffic.Weight) map[string]any {
	ref := map[string]any{"group": "", "kind": "Service", "name": t.Service, "port": t.Port, "weight": int(w)}
	if t.Namespace != ru.cfg.Namespace {
		ref["namespace"] = t.Namespace
	}
	return ref
}
