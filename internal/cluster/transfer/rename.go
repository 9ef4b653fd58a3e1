package transfer

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nameLabel is the label that every namespace has with its own name.
const nameLabel = "kubernetes.io/metadata.name"

// rename gives the object its namespace's new name, and follows the name where
// objects of Kubernetes speak of other namespaces. What custom resources and
// texts say is not known to mean a namespace: it is left, and noted.
func (c *Copy) rename(o Options) {
	if len(o.Namespaces) == 0 {
		return
	}
	r := renamer(o.Namespaces)
	if c.Object.GroupVersionKind().GroupKind() == namespaceKind {
		c.Object.SetName(r.name(c.Object.GetName()))
		if labels := c.Object.GetLabels(); labels[nameLabel] != "" {
			labels[nameLabel] = c.Object.GetName()
			c.Object.SetLabels(labels)
		}
		return
	}
	if builtIn(c.Object) {
		for field, value := range c.Object.Object {
			if field != "metadata" {
				r.follow(field, value)
			}
		}
	}
	if namespace := c.Object.GetNamespace(); namespace != "" {
		c.Object.SetNamespace(r.name(namespace))
	}
	c.noteMentions(r)
}

// renamer has new names by old ones.
type renamer map[string]string

func (r renamer) name(old string) string {
	if renamed, ok := r[old]; ok {
		return renamed
	}
	return old
}

// words are fields that people fill with what they like, and schemas.
var words = []string{"labels", "annotations", "data", "binaryData", "stringData", "nodeSelector", "volumeAttributes", "opaque", "schema", "env"}

// follow renames in the value of a field, at any depth, what means a namespace.
func (r renamer) follow(field string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if slices.Contains(words, field) {
			return
		}
		r.rule(v)
		for name, next := range v {
			if text, ok := next.(string); ok {
				v[name] = r.text(field, name, text)
			} else {
				r.follow(name, next)
			}
		}
	case []any:
		for i, next := range v {
			if text, ok := next.(string); !ok {
				r.follow(field, next)
			} else if field == "namespaces" {
				v[i] = r.name(text)
			}
		}
	}
}

// text renames one text by its name and the name of the map that holds it.
func (r renamer) text(parent, name, text string) string {
	switch {
	case name == "namespace" && parent != "matchLabels",
		name == nameLabel && parent == "matchLabels",
		parent == "parameters" && strings.HasSuffix(name, "secret-namespace"): // of a StorageClass
		return r.name(text)
	case name == "name":
		return r.account(text)
	}
	return text
}

// account renames in the name of a user or group that service accounts are.
func (r renamer) account(name string) string {
	if namespace, ok := strings.CutPrefix(name, "system:serviceaccounts:"); ok {
		return "system:serviceaccounts:" + r.name(namespace)
	}
	if rest, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
		namespace, account, _ := strings.Cut(rest, ":")
		return "system:serviceaccount:" + r.name(namespace) + ":" + account
	}
	return name
}

// rule renames the values of an expression about namespaces' names, and the
// namespaces that a rule of a role names.
func (r renamer) rule(m map[string]any) {
	list := ""
	resources, _ := m["resources"].([]any)
	switch {
	case m["key"] == nameLabel:
		list = "values"
	case slices.Contains(resources, any("namespaces")):
		list = "resourceNames"
	}
	values, _ := m[list].([]any)
	for i, value := range values {
		if old, ok := value.(string); ok {
			values[i] = r.name(old)
		}
	}
}

// noteMentions notes what still speaks of an old name: host names of Services
// in texts, and fields of custom resources.
func (c *Copy) noteMentions(r renamer) {
	text, err := json.Marshal(c.Object.Object)
	if err != nil {
		return // what came as JSON becomes JSON
	}
	custom := !builtIn(c.Object)
	for _, old := range slices.Sorted(maps.Keys(r)) {
		switch {
		case strings.Contains(string(text), "."+old+".svc"):
			c.note("speaks of Services at .%s.svc: that was left as it is", old)
		case custom && mentions(c.Object, old):
			c.note("may speak of namespace %s: that was left as it is", old)
		}
	}
}

// mentions tells whether a field of a custom resource is called like a
// namespace's name and has this one.
func mentions(u *unstructured.Unstructured, namespace string) bool {
	var found func(field string, value any) bool
	found = func(field string, value any) bool {
		switch v := value.(type) {
		case map[string]any:
			for name, next := range v {
				if found(name, next) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, func(next any) bool { return found(field, next) })
		case string:
			return v == namespace && strings.Contains(strings.ToLower(field), "namespace")
		}
		return false
	}
	return found("spec", u.Object["spec"])
}
