package transfer

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nameLabel is the label that every namespace has with its own name.
const nameLabel = "kubernetes.io/metadata.name"

// rename gives the object its namespace's new name, and follows the name where
// objects speak of other namespaces.
func (c *Copy) rename(o Options) {
	if len(o.Namespaces) == 0 {
		return
	}
	r := renamer(o.Namespaces)
	switch c.Object.GetKind() {
	case "Namespace":
		c.Object.SetName(r.name(c.Object.GetName()))
		r.label(c.Object.Object, "metadata", "labels")
	case "RoleBinding", "ClusterRoleBinding":
		r.each(c.Object.Object, "subjects", func(subject map[string]any) { r.field(subject, "namespace") })
	case "NetworkPolicy":
		r.policies(c.Object)
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		r.webhooks(c.Object)
	case "APIService":
		r.nested(c.Object.Object, "spec", "service", "namespace")
	case "CustomResourceDefinition":
		r.nested(c.Object.Object, "spec", "conversion", "webhook", "clientConfig", "service", "namespace")
	case "PersistentVolume":
		r.nested(c.Object.Object, "spec", "claimRef", "namespace")
	case "HTTPRoute", "GRPCRoute", "TLSRoute", "ReferenceGrant":
		r.routes(c.Object)
	}
	if namespace := c.Object.GetNamespace(); namespace != "" {
		c.Object.SetNamespace(r.name(namespace))
	}
}

// renamer has new names by old ones.
type renamer map[string]string

func (r renamer) name(old string) string {
	if renamed, ok := r[old]; ok {
		return renamed
	}
	return old
}

// field renames what one field says.
func (r renamer) field(m map[string]any, field string) {
	if old, ok := m[field].(string); ok {
		m[field] = r.name(old)
	}
}

// nested renames what a field some levels down says.
func (r renamer) nested(m map[string]any, path ...string) {
	for _, field := range path[:len(path)-1] {
		next, ok := m[field].(map[string]any)
		if !ok {
			return
		}
		m = next
	}
	r.field(m, path[len(path)-1])
}

// each visits the maps of a list.
func (r renamer) each(m map[string]any, field string, visit func(map[string]any)) {
	list, _ := m[field].([]any)
	for _, item := range list {
		if next, ok := item.(map[string]any); ok {
			visit(next)
		}
	}
}

// label renames the label that holds a namespace's own name.
func (r renamer) label(m map[string]any, path ...string) {
	r.nested(m, append(path, nameLabel)...)
}

// selector renames the namespaces that a label selector means by name.
func (r renamer) selector(selector map[string]any) {
	r.label(selector, "matchLabels")
	r.each(selector, "matchExpressions", func(e map[string]any) {
		if e["key"] != nameLabel {
			return
		}
		values, _ := e["values"].([]any)
		for i, value := range values {
			if old, ok := value.(string); ok {
				values[i] = r.name(old)
			}
		}
	})
}

func (r renamer) policies(u *unstructured.Unstructured) {
	spec, _ := u.Object["spec"].(map[string]any)
	for direction, peers := range map[string]string{"ingress": "from", "egress": "to"} {
		r.each(spec, direction, func(rule map[string]any) {
			r.each(rule, peers, func(peer map[string]any) {
				if selector, ok := peer["namespaceSelector"].(map[string]any); ok {
					r.selector(selector)
				}
			})
		})
	}
}

func (r renamer) webhooks(u *unstructured.Unstructured) {
	r.each(u.Object, "webhooks", func(hook map[string]any) {
		r.nested(hook, "clientConfig", "service", "namespace")
		if selector, ok := hook["namespaceSelector"].(map[string]any); ok {
			r.selector(selector)
		}
	})
}

// routes of the Gateway API name gateways, Services and sources of references
// in other namespaces.
func (r renamer) routes(u *unstructured.Unstructured) {
	spec, _ := u.Object["spec"].(map[string]any)
	for _, field := range []string{"parentRefs", "from"} {
		r.each(spec, field, func(ref map[string]any) { r.field(ref, "namespace") })
	}
	r.each(spec, "rules", func(rule map[string]any) {
		r.each(rule, "backendRefs", func(ref map[string]any) { r.field(ref, "namespace") })
	})
}
