package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// sources reads the objects of testdata/source.yaml.
func sources(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile("testdata/source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var all []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
}

// TestWhatBecomesOfObjects tells of each object whether it is copied, as what,
// and what people should know.
func TestWhatBecomesOfObjects(t *testing.T) {
	var story bytes.Buffer
	for _, u := range sources(t) {
		before := u.DeepCopy()
		c := Portable(u, Options{Namespaces: map[string]string{"shop": "store"}, KeepFinalizers: []string{"example.com/cleanup"}})
		if diff := cmp.Diff(before, u); diff != "" {
			t.Errorf("%s %s: the source was changed: %s", u.GetKind(), u.GetName(), diff)
		}
		fmt.Fprintf(&story, "# %s %s\n", u.GetKind(), u.GetName())
		if c.Object == nil {
			fmt.Fprintf(&story, "stays: %s\n\n", c.Stays)
			continue
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&story, "note: %s\n", note)
		}
		text, err := sigsyaml.Marshal(c.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&story, "%s\n", text)
	}
	golden.Assert(t, story.String(), "portable.golden")
}

// What is portable stays so: copying a copy changes nothing more.
func TestPortableTwice(t *testing.T) {
	for _, u := range sources(t) {
		once := Portable(u, Options{})
		if once.Object == nil {
			continue
		}
		twice := Portable(once.Object, Options{})
		if twice.Object == nil {
			t.Errorf("%s %s is copied, and its copy is not: %s", u.GetKind(), u.GetName(), twice.Stays)
			continue
		}
		if u.GetKind() == "Service" && u.GetName() != "headless" {
			continue // who chose a port is known by what was stripped
		}
		if diff := cmp.Diff(once.Object, twice.Object); diff != "" {
			t.Errorf("%s %s: %s", u.GetKind(), u.GetName(), diff)
		}
	}
}

// Texts and custom resources are not changed, but people are told.
func TestWhatARenameLeaves(t *testing.T) {
	tests := map[string]struct {
		object map[string]any
		notes  []string
	}{
		"a host name in a text": {map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"url": "http://web.shop.svc:80", "namespace": "shop"}},
			[]string{"speaks of Services at .shop.svc: that was left as it is"}},
		"a field of a custom resource": {map[string]any{"apiVersion": "example.com/v1", "kind": "App", "spec": map[string]any{"targetNamespaces": []any{"shop"}}},
			[]string{"may speak of namespace shop: that was left as it is"}},
		"a name that is no namespace": {map[string]any{"apiVersion": "example.com/v1", "kind": "App", "spec": map[string]any{"title": "shop"}}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.object["metadata"] = map[string]any{"name": "x", "namespace": "shop"}
			u := &unstructured.Unstructured{Object: tt.object}
			c := Portable(u, Options{Namespaces: map[string]string{"shop": "store"}})
			if diff := cmp.Diff(tt.notes, c.Notes); diff != "" {
				t.Error(diff)
			}
			unchanged := u.DeepCopy()
			unchanged.SetNamespace("store")
			if diff := cmp.Diff(unchanged, c.Object); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEndpointsOfASelectorStay(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Endpoints", "metadata": map[string]any{"name": "web", "namespace": "shop"}}}
	selects := func(namespace, service string) bool { return namespace == "shop" && service == "web" }
	if c := Portable(u, Options{Selects: selects}); c.Object != nil {
		t.Error("endpoints of a Service with a selector are copied")
	}
	u.SetName("outside")
	if c := Portable(u, Options{Selects: selects}); c.Object == nil {
		t.Errorf("endpoints that somebody wrote stay: %s", c.Stays)
	}
}

func TestStages(t *testing.T) {
	before := [][2]string{
		{"apiextensions.k8s.io/CustomResourceDefinition", "example.com/Widget"}, {"/Namespace", "/ConfigMap"},
		{"/PersistentVolume", "/PersistentVolumeClaim"}, {"/ServiceAccount", "rbac.authorization.k8s.io/RoleBinding"},
		{"/Secret", "apps/Deployment"}, {"/Service", "apps/Deployment"}, {"apps/Deployment", "admissionregistration.k8s.io/ValidatingWebhookConfiguration"},
		{"example.com/Widget", "admissionregistration.k8s.io/MutatingWebhookConfiguration"}, {"/LimitRange", "/Pod"},
	}
	for _, pair := range before {
		first, second := Stage(parse(pair[0])), Stage(parse(pair[1]))
		if first >= second {
			t.Errorf("%s is created in stage %d, %s in stage %d", pair[0], first, pair[1], second)
		}
	}
}

// Garbage where a kind has its fields must not panic: objects are what foreign
// controllers wrote.
func TestMalformedObjects(t *testing.T) {
	for gk := range specials {
		for _, spec := range []any{nil, "text", map[string]any{"ports": "text", "containers": []any{"x", nil}, "volumes": int64(3), "selector": []any{}, "suspend": "yes", "tolerations": []any{int64(7)}}} {
			u := &unstructured.Unstructured{Object: map[string]any{"kind": gk.Kind, "apiVersion": gk.Group + "/v1", "metadata": map[string]any{"name": "x"}, "spec": spec, "status": "text", "aggregationRule": int64(1)}}
			if gk.Group == "" {
				u.SetAPIVersion("v1")
			}
			Portable(u, Options{Namespaces: map[string]string{"a": "b"}})
		}
	}
}

func parse(text string) schema.GroupKind {
	group, name, _ := strings.Cut(text, "/")
	return kind(group, name)
}
