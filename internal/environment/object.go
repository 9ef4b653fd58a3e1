package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apivalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Labels of the ecosystem.
const (
	labelName    = "app.kubernetes.io/name"
	labelPartOf  = "app.kubernetes.io/part-of"
	labelVersion = "app.kubernetes.io/version"
)

// commonLabels say whose an object is.
func (r *renderer) commonLabels(component string) map[string]string {
	labels := map[string]string{
		v1alpha1.LabelManagedBy:   v1alpha1.FieldManager,
		v1alpha1.LabelEnvironment: r.in.Environment.Name,
		v1alpha1.LabelProject:     r.in.Environment.Namespace,
	}
	if component != "" {
		labels[v1alpha1.LabelComponent] = component
	}
	return labels
}

// labels of an object that we write ourselves.
func (r *renderer) labels(component string) map[string]string {
	labels := r.commonLabels(component)
	labels[labelPartOf] = r.in.Blueprint.Name
	if component != "" {
		labels[labelName] = component
	}
	return labels
}

// selector tells a component's own pods from all others in the namespace. It
// can never change for a Deployment that exists.
func (r *renderer) selector(component string) map[string]string {
	return map[string]string{
		v1alpha1.LabelComponent:   component,
		v1alpha1.LabelEnvironment: r.in.Environment.Name,
		labelName:                 component,
	}
}

// meta is the metadata of an object of the environment's namespace.
func (r *renderer) meta(component, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: r.namespace, Name: name, Labels: r.labels(component)}
}

// object converts a typed object, without the fields that only its Go type has:
// by server-side apply an empty field would be ours too.
func object(component, apiVersion, kind string, typed runtime.Object) Object {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		// The types are Kubernetes' own and hold only what it can convert.
		panic(fmt.Sprintf("converting %s: %v", kind, err))
	}
	content["apiVersion"], content["kind"] = apiVersion, kind
	delete(content, "status")
	if isEmpty(content["spec"]) {
		delete(content, "spec")
	}
	dropZero(content)
	return Object{Component: component, Object: &unstructured.Unstructured{Object: content}}
}

// zeroFields are left out where they are empty. Elsewhere an empty map means
// something: emptyDir: {}, podSelector: {}.
var zeroFields = map[string]bool{"creationTimestamp": true, "resources": true, "strategy": true, "limits": true, "requests": true}

func dropZero(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			if zeroFields[name] && isEmpty(child) {
				delete(v, name)
				continue
			}
			dropZero(child)
		}
	case []any:
		for _, child := range v {
			dropZero(child)
		}
	}
}

func isEmpty(value any) bool {
	if value == nil {
		return true
	}
	m, ok := value.(map[string]any)
	return ok && len(m) == 0
}

// addLabels sets labels on an object that somebody else wrote and on the pods
// it makes, so that logs and policies find them by component.
func addLabels(u *unstructured.Unstructured, labels map[string]string) {
	merged := u.GetLabels()
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, labels)
	u.SetLabels(merged)
	if template := podTemplate(u); template != nil {
		meta, _ := template["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			template["metadata"] = meta
		}
		own, _ := meta["labels"].(map[string]any)
		if own == nil {
			own = map[string]any{}
			meta["labels"] = own
		}
		for k, v := range labels {
			own[k] = v
		}
	}
}

// podTemplate is the pod template of a built-in workload, or nil.
func podTemplate(u *unstructured.Unstructured) map[string]any {
	path, ok := templatePaths[u.GroupVersionKind().Group+"/"+u.GetKind()]
	if !ok {
		return nil
	}
	node := u.Object
	for _, name := range path {
		if node, ok = node[name].(map[string]any); !ok {
			return nil
		}
	}
	return node
}

var templatePaths = map[string][]string{
	"apps/Deployment":        {"spec", "template"},
	"apps/StatefulSet":       {"spec", "template"},
	"apps/DaemonSet":         {"spec", "template"},
	"apps/ReplicaSet":        {"spec", "template"},
	"/ReplicationController": {"spec", "template"},
	"batch/Job":              {"spec", "template"},
	"batch/CronJob":          {"spec", "jobTemplate", "spec", "template"},
}

// contentName makes a name that changes with the content, so that what runs
// keeps its configuration until it is replaced, and a rollback finds the old
// one.
func contentName(name string, content any) string {
	const hashLength = 10
	longest := apivalidation.DNS1123LabelMaxLength - hashLength - 1
	return strings.TrimRight(name[:min(len(name), longest)], "-.") + "-" + hashOf(content)[:hashLength]
}

// hashOf is the hexadecimal SHA-256 of the value's JSON, whose maps are sorted.
func hashOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("hashing %T: %v", value, err)) // only plain data is hashed
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Hash identifies the rendered objects and their order: equal hashes, equal
// environments.
func (d *Desired) Hash() string { return hashOf(d.Stages) }

// Objects of all stages, in order.
func (d *Desired) Objects() []Object {
	var all []Object
	for _, s := range d.Stages {
		all = append(all, s.Objects...)
	}
	return all
}

// usedSecrets are the values that the components refer to: other keys of the
// same Secrets do not matter.
func (in Input) usedSecrets() map[string]map[string][]byte {
	used := map[string]map[string][]byte{}
	for _, p := range parts(in.Blueprint, in.Environment) {
		for _, ref := range p.secretRefs() {
			value, ok := in.Secrets[ref.Name][ref.Key]
			if !ok {
				continue
			}
			if used[ref.Name] == nil {
				used[ref.Name] = map[string][]byte{}
			}
			used[ref.Name][ref.Key] = value
		}
	}
	return used
}

// Hash identifies the inputs by what people decide: blueprint, versions,
// overrides, Secrets, store settings, routing. What a tag resolved to is not
// part of it, so that a moved tag alone makes no release; nor is what changes
// no object, such as the expiry.
func (in Input) Hash() string {
	type inputs struct {
		Name, Project, Namespace, Hostname string
		UID                                string
		Blueprint                          string
		Spec                               v1alpha1.BlueprintSpec
		Versions                           map[string]string
		Overrides                          []v1alpha1.Override
		Stores                             []v1alpha1.StoreOverride
		Quota                              any
		Routing                            *v1alpha1.Routing
		Secrets                            map[string]map[string][]byte
		Settings                           map[string]map[string]string
	}
	env := in.Environment
	hostnames := append([]string{env.Spec.Hostname}, env.Spec.Aliases...)
	blueprint := in.Blueprint.Spec
	blueprint.Baseline = "" // what is normal does not change what runs
	v := inputs{
		Name: env.Name, Project: env.Namespace, Namespace: Namespace(env), Hostname: strings.Join(hostnames, " "), UID: string(env.UID),
		Blueprint: in.Blueprint.Name, Spec: blueprint,
		Versions: env.Spec.Versions, Overrides: env.Spec.Overrides, Stores: env.Spec.Stores, Quota: env.Spec.Quota,
		Secrets: in.usedSecrets(), Settings: in.Stores,
	}
	if in.Cluster != nil && in.Cluster.Spec.Routing != nil {
		routing := *in.Cluster.Spec.Routing
		routing.DNS = nil // records of hostnames are no objects on the cluster
		v.Routing = &routing
	}
	return hashOf(v)
}
