package gatewayapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"sync"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// memory is an API server that holds what a route needs, and a gateway that
// serves it. Patches are applied by the library that Kubernetes applies them by.
type memory struct {
	mu      sync.Mutex
	now     time.Time
	objects map[string]*unstructured.Unstructured
	// changed is when the route's spec was changed last: the gateway takes a
	// second to look at it.
	changed time.Time
	random  *rand.Rand
	trouble error
	garbled bool
	cut     bool
}

func newMemory(objects ...*unstructured.Unstructured) *memory {
	m := &memory{now: time.Now(), objects: map[string]*unstructured.Unstructured{}, random: rand.New(rand.NewPCG(1, 2))}
	for _, obj := range objects {
		obj.SetGeneration(1)
		m.objects[keyOf(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())] = obj
	}
	return m
}

func keyOf(kind schema.GroupVersionKind, namespace, name string) string {
	return kind.Kind + " " + namespace + "/" + name
}

func (m *memory) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *memory) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	m.look()
}

// look is the gateway's: it writes down what it has seen.
func (m *memory) look() {
	for _, obj := range m.objects {
		if obj.GetKind() != "HTTPRoute" || m.now.Before(m.changed.Add(time.Second)) {
			continue
		}
		_ = unstructured.SetNestedSlice(obj.Object, acceptedBy(obj.GetGeneration()), "status", "parents")
	}
}

// acceptedBy is the status of a route that a gateway has accepted.
func acceptedBy(generation int64) []any {
	condition := func(kind string) any {
		return map[string]any{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}
	}
	return []any{map[string]any{
		"parentRef": map[string]any{"name": "public"}, "controllerName": "example.com/gateway",
		"conditions": []any{condition("Accepted"), condition("ResolvedRefs")},
	}}
}

func (m *memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.trouble != nil {
		defer m.mu.Unlock()
		return m.trouble
	}
	return nil
}

func (m *memory) Get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	obj := m.objects[keyOf(kind, namespace, name)]
	if obj == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, name)
	}
	read := obj.DeepCopy()
	if m.garbled {
		read.Object["spec"] = map[string]any{"rules": "half a"}
	}
	return read, nil
}

func (m *memory) List(ctx context.Context, kind schema.GroupVersionKind, namespace string, labels map[string]string) ([]unstructured.Unstructured, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if m.garbled {
		return nil, errors.New("unexpected end of JSON input")
	}
	var found []unstructured.Unstructured
	for _, obj := range m.objects {
		if obj.GetKind() == kind.Kind && obj.GetNamespace() == namespace && hasLabels(obj, labels) {
			found = append(found, *obj.DeepCopy())
		}
	}
	return found, nil
}

func hasLabels(obj *unstructured.Unstructured, labels map[string]string) bool {
	for key, value := range labels {
		if obj.GetLabels()[key] != value {
			return false
		}
	}
	return true
}

func (m *memory) Patch(ctx context.Context, kind schema.GroupVersionKind, namespace, name string, text []byte) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	obj := m.objects[keyOf(kind, namespace, name)]
	before, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	after, err := patch.Apply(before)
	if err != nil {
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	next := &unstructured.Unstructured{}
	if err := next.UnmarshalJSON(after); err != nil {
		return err
	}
	m.store(obj, next)
	if m.cut {
		return errors.New("connection reset by peer")
	}
	return nil
}

func (m *memory) store(before, after *unstructured.Unstructured) {
	if !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) {
		after.SetGeneration(before.GetGeneration() + 1)
		m.changed = m.now
	}
	m.objects[keyOf(after.GroupVersionKind(), after.GetNamespace(), after.GetName())] = after
	m.look()
}

// edit changes an object as somebody else would.
func (m *memory) edit(kind schema.GroupVersionKind, namespace, name string, change func(*unstructured.Unstructured)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.objects[keyOf(kind, namespace, name)]
	after := before.DeepCopy()
	change(after)
	m.store(before, after)
}

func (m *memory) trap(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// serve sends requests through the gateway, which takes the rule with the most
// headers that match.
func (m *memory) serve(n int, side string) (map[traffic.Side]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var route gatewayv1.HTTPRoute
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m.objects["HTTPRoute shop/web"].Object, &route); err != nil {
		return nil, err
	}
	var chosen *gatewayv1.HTTPRouteRule
	for i, rule := range route.Spec.Rules {
		other := len(rule.Matches) > 0 && *rule.Matches[0].Path.Value != "/"
		if !other && pins(rule) == side {
			chosen = &route.Spec.Rules[i]
		}
	}
	counts := map[traffic.Side]int{}
	for range n {
		switch name := m.draw(chosen.BackendRefs); name {
		case "servers":
			counts[traffic.Old]++
		case "kubernetes":
			counts[traffic.New]++
		default:
			return counts, fmt.Errorf("a request to %q", name)
		}
	}
	return counts, nil
}

func (m *memory) draw(refs []gatewayv1.HTTPBackendRef) string {
	total := 0
	for _, ref := range refs {
		total += weightOf(ref)
	}
	if total == 0 {
		return ""
	}
	ball := m.random.IntN(total)
	for _, ref := range refs {
		if ball -= weightOf(ref); ball < 0 {
			return string(ref.Name)
		}
	}
	return ""
}

func weightOf(ref gatewayv1.HTTPBackendRef) int {
	if ref.Weight == nil {
		return 1
	}
	return int(*ref.Weight)
}

var (
	errDenied    = apierrors.NewForbidden(schema.GroupResource{Resource: "httproutes"}, "web", errors.New("no"))
	errThrottled = &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests, Message: "too many requests",
		Details: &metav1.StatusDetails{RetryAfterSeconds: 1},
	}}
)
